"""The suite passes over a real memcached; tests/packaging runs it over a backend of dogpile's own."""

import memcached
import pytest

from cachu.testing.suite import *  # noqa: F403


@pytest.fixture
def cachu_backend():
    return {
        "backend": "dogpile.cache.pymemcache",
        "dogpile_arguments": {"url": memcached.shared().url},
    }
