"""The suite passes over a real memcached; tests/packaging runs it over dogpile's own memory."""

import memcached
import pytest

from cachu.testing.suite import *  # noqa: F403


@pytest.fixture
def cachu_backend():
    return {
        "backend": "dogpile.cache.pymemcache",
        "dogpile_arguments": {"url": memcached.shared().url},
    }
