"""The value serializers that ship with cachu pass the suite of plugins."""

import pytest

from cachu.testing import value_suite
from cachu.testing.value_suite import *  # noqa: F403


@pytest.fixture(params=["pickle", "pickle-signed", "json", "msgpack"])
def cachu_serializer(request):
    return request.param


@pytest.fixture
def cachu_values(request, cachu_serializer):
    if cachu_serializer.startswith("pickle"):
        return request.getfixturevalue("all_values")
    text = [] if cachu_serializer == "msgpack" else ["\ud800", 2**70]
    return [
        *(None, False, True, 0, 1, -1, 0.0, -1.5, float("inf"), "", "text", "\x00", "é"),
        *([], [[]], [None], {}, {"a": {"b": [1, 2.5, "c"]}}, *text),
    ]


all_values = value_suite.cachu_values
