import pytest
import shelves  # noqa: F401

from cachu.testing.suite import *  # noqa: F403


@pytest.fixture
def cachu_backend():
    return {"backend": "full", "serializer": "json"}


@pytest.fixture
def cachu_values():
    return [
        *(None, False, True, 0, 1, -1, 2**70, 0.0, -1.5, float("inf"), "", "text", "\x00"),
        *("\ud800", "é", [], [[]], [None], {}, {"a": {"b": [1, 2.5, "c"]}}),
    ]
