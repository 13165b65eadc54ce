"""The contract of every backend, on a Cluster and under Sentinels too."""

import pytest
from servers import stations

from cachu.testing.suite import *  # noqa: F403

# Sentinels do no more than name a server, so one engine's will do.
SCATTERED = [name for name in stations.names() if name.endswith(("-cluster", "none"))]
SCATTERED += [name for name in stations.names() if name.endswith("-sentinel")][:1]


@pytest.fixture(params=SCATTERED)
def cachu_backend(request):
    """What is one server is in tests/behaviour."""
    return {"backend": "redis", **stations.patiently(stations.station(request.param))}
