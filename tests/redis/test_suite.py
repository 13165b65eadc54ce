"""The contract of every backend, on a Cluster and under Sentinels too."""

import pytest
from servers import stations

from cachu.testing.suite import *  # noqa: F403

SCATTERED = [name for name in stations.names() if not name.endswith("-standalone")]


@pytest.fixture(params=SCATTERED)
def cachu_backend(request):
    """The servers that are one are in tests/behaviour."""
    return {"backend": "redis", **stations.patiently(stations.station(request.param))}
