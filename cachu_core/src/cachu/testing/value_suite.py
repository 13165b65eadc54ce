"""The tests that every value serializer has to pass.

    import pytest
    from cachu.testing.value_suite import *

    @pytest.fixture
    def cachu_serializer():
        return "mine"  # what configure(serializer=...) takes: a name, or an object

The fixture `cachu_values` returns values that must come back equal and of the same type; override
it if the serializer takes fewer. Whatever it does not take it must refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import isnan
from threading import Thread
from typing import Any

import pytest

import cachu
from cachu import plugins
from cachu.region import Region
from cachu.testing.suite.gates import tell
from cachu.testing.suite.values import cachu_values

__all__ = [
    "cachu_values",
    "serializer",
    "test_it_may_be_used_by_several_threads",
    "test_large_data_may_come_as_a_view",
    "test_loading_changes_nothing",
    "test_pieces_are_what_dumps_returns",
    "test_values_become_bytes",
    "test_what_comes_back_is_what_went_in_or_it_was_refused",
    "test_what_is_cut_is_not_taken_for_the_whole",
    "test_what_must_come_back_comes_back",
]

_DOUBTFUL: list[Any] = [
    *(1, True, 0, False, 1.0, -0.0, 2**53 + 1, 2**64, -(2**64), 1e-320, 1j, "", "\ud800", b""),
    *((), (1,), [(1,)], {1: 2}, {1.5: 1}, {"1": 1, 1: 2}, {None: 1}, {True: 1}, {(1,): 1}, {1, 2}),
    *(frozenset({1}), bytearray(b"x"), {"a": (1,)}, {"a": {"b": {1}}}, [b"x"], [True, 1, 1.0]),
]


@pytest.fixture
def serializer(request: pytest.FixtureRequest, cachu_serializer: Any) -> Iterator[Any]:
    """The serializer, made by its plugin if it was named."""
    shown = cachu_serializer if isinstance(cachu_serializer, str) else type(cachu_serializer)
    tell(request, f"value serializer {getattr(shown, '__qualname__', shown)!r}")
    settings = cachu.configure(secret_key="secret", package="cachu_value_suite")  # noqa: S106
    if isinstance(cachu_serializer, str):
        region = Region("cachu_value_suite", 300.0, settings)
        yield plugins.make("cachu_make_value_serializer", cachu_serializer, region)
    else:
        yield cachu_serializer


def _same(found: Any, value: Any) -> bool:
    """Tell whether two values are equal, of one type, and so on inside."""
    if type(found) is not type(value):
        return False
    if isinstance(value, float):
        return repr(found) == repr(value)
    if isinstance(value, (list, tuple)):
        return len(found) == len(value) and all(map(_same, found, value))
    if isinstance(value, dict):
        same = (_same(found[key], value[key]) for key in value)
        return _same(list(found), list(value)) and all(same)
    return bool(found == value)


def test_values_become_bytes(serializer: Any, cachu_values: list[Any]) -> None:
    for value in cachu_values:
        assert type(serializer.dumps(value)) is bytes


def test_what_must_come_back_comes_back(serializer: Any, cachu_values: list[Any]) -> None:
    for value in cachu_values:
        found = serializer.loads(serializer.dumps(value))
        assert _same(found, value), f"{value!r} came back as {found!r}"
    assert isnan(serializer.loads(serializer.dumps(float("nan"))))


def test_what_comes_back_is_what_went_in_or_it_was_refused(serializer: Any) -> None:
    for value in _DOUBTFUL:
        data = None
        with suppress(Exception):  # refused: cachu warns, and returns the result without storing it
            data = serializer.dumps(value)
        if data is None:
            continue
        found = serializer.loads(data)
        assert _same(found, value), f"{value!r} came back as {found!r}, and was not refused"


def test_loading_changes_nothing(serializer: Any, cachu_values: list[Any]) -> None:
    for value in cachu_values:
        data = serializer.dumps(value)
        first = serializer.loads(data)
        second = serializer.loads(data)
        assert _same(first, second)
        if isinstance(first, (list, dict, set, bytearray)):
            assert first is not second, f"callers share one {type(first).__name__}"


def test_what_is_cut_is_not_taken_for_the_whole(serializer: Any) -> None:
    value = ["text", [1, 2.5, None], {"key": "value"}]
    data = serializer.dumps(value)
    for length in range(len(data)):
        found = None
        with suppress(Exception):  # any will do, and none that is a BaseException
            found = serializer.loads(data[:length])
        assert found != value


def test_large_data_may_come_as_a_view(serializer: Any) -> None:
    value = ["x" * 100_000]
    data = serializer.dumps(value)
    if getattr(serializer, "takes_views", False):
        assert serializer.loads(memoryview(data)) == value
    assert serializer.loads(data) == value


def test_pieces_are_what_dumps_returns(serializer: Any, cachu_values: list[Any]) -> None:
    pieces = getattr(serializer, "pieces", lambda value: (serializer.dumps(value),))
    for value in (*cachu_values, bytes(100_000)):
        parts = None
        with suppress(Exception):  # refused
            parts = pieces(value)
        if parts is not None:
            assert b"".join(parts) == serializer.dumps(value)


def test_it_may_be_used_by_several_threads(serializer: Any) -> None:
    wrong: list[Any] = []

    def work(number: int) -> None:
        for step in range(200):
            value = [number, step, "x" * (step * 10)]
            if serializer.loads(serializer.dumps(value)) != value:
                wrong.append(value)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
