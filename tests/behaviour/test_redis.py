"""The Redis backend passes the suite in both colours, with and without locks over all hosts."""

import sys
from pathlib import Path

import pytest

from cachu.testing.suite import *  # noqa: F403

sys.path.append(str(Path(__file__).parents[1] / "redis"))  # for servers/

from servers import stations

CASES = {
    "redis": {},
    "redis-distributed": {"redis_distributed": True},
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def cachu_backend(request):
    return {
        "backend": "redis",
        "redis_url": stations.shared_url(),
        **stations.PATIENT,
        **request.param,
    }
