import os

import pytest
import redis

from cachu.testing.suite import *

URL = os.environ["CACHU_TEST_REDIS_URL"]


@pytest.fixture
def cachu_backend():
    # The timeouts are long because the machine may be busy.
    patience = {"redis_timeout": 5.0, "redis_connect_timeout": 5.0}
    return {"backend": "redis", "redis_url": URL, "redis_distributed": True, **patience}


@pytest.fixture
def cachu_foreign():
    theirs = {"theirs": "1", "cachu": "2", "cachux:e:*": "3", "*": "4"}
    with redis.Redis.from_url(URL, decode_responses=True) as client:
        client.mset(theirs)
        yield lambda: client.mget(list(theirs)) == list(theirs.values())
        client.delete(*theirs)
