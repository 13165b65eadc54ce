"""The contract of every backend, on a Cluster too."""

import pytest
from servers import stations

from cachu.testing.suite import *  # noqa: F403

# Sentinels do no more than name a server; what they change is tested elsewhere in this folder.
SCATTERED = [name for name in stations.names() if name.endswith(("-cluster", "none"))]


@pytest.fixture(params=SCATTERED)
def cachu_backend(request):
    """What is one server is in tests/behaviour."""
    return {"backend": "redis", **stations.patiently(stations.station(request.param))}
