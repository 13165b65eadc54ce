"""What is stored comes back: equal, and of the same type."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from math import isnan
from typing import Any
from uuid import UUID

import pytest

import cachu
from cachu.testing.suite.colours import Colour

ABSENT = "nothing is stored under this key"


@pytest.fixture
def cachu_values() -> list[Any]:
    """Values that must survive being stored; a module may override this."""
    return [
        *(None, False, True, 0, 1, -1, 2**70, 0.0, 1.0, -1.5, float("inf"), 1j),
        *("", "text", "\x00", "\ud800", "é", "x" * 100_000),
        *(b"", b"\x00\xff", b"x" * 1_000_000, bytearray(b"x")),
        *((), (1,), (None,), [], [[]], {}, {"a": 1}, {1: "a"}, set(), {1, 2}, frozenset({1})),
        *({"deep": [{"er": (1, 2, {"still": None})}]}, Decimal("1.10"), UUID(int=1)),
        *(timedelta(microseconds=1), datetime(2024, 2, 29, tzinfo=timezone.utc)),
    ]


def test_every_value_is_cached(colour: Colour, cachu_values: list[Any]) -> None:
    f = colour.cached(lambda x: cachu_values[x])
    for index, value in enumerate(cachu_values):
        for found in (f(index), f(index), f.get(index)):
            assert type(found) is type(value)
            assert found == value
    assert f.runs == len(cachu_values)


def test_every_value_goes_through_the_backend(colour: Colour, cachu_values: list[Any]) -> None:
    backend = colour.get_backend()
    for index, value in enumerate(cachu_values):
        backend.set(f"value {index}", value)
    for index, value in enumerate(cachu_values):
        found = backend.get(f"value {index}")
        assert type(found) is type(value)
        assert found == value


def test_signs_and_nan_survive(colour: Colour) -> None:
    values = [-0.0, float("nan"), float("-inf")]
    f = colour.cached(lambda x: values[x])
    for index in range(3):
        f(index)
    assert str(f(0)) == "-0.0"
    assert isnan(f(1))
    assert f(2) == float("-inf")
    assert f.runs == 3


def test_an_empty_value_is_not_a_miss(colour: Colour) -> None:
    f = colour.cached(lambda _: None)
    assert f(1) is None
    assert f(1) is None
    assert colour.call("cache_get", f, 1, default="default") is None
    assert f.runs == 1


def test_nothing_is_no_value(colour: Colour) -> None:
    backend = colour.get_backend()
    assert backend.get(ABSENT) is cachu.NO_VALUE
    assert backend.load(ABSENT) is cachu.NO_VALUE
    assert backend.get(ABSENT, None) is None
    assert backend.get(ABSENT, default="default") == "default"


def test_no_value_is_falsy_and_single() -> None:
    assert not cachu.NO_VALUE
    assert pickle.loads(pickle.dumps(cachu.NO_VALUE)) is cachu.NO_VALUE


def test_nothing_cached_is_a_key_error(colour: Colour) -> None:
    f = colour.cached()
    with pytest.raises(KeyError):
        colour.call("cache_get", f, 1)
    with pytest.raises(KeyError):
        f.get(1)
    assert colour.call("cache_get", f, 1, default=None) is None
    assert f.runs == 0


def test_an_error_is_not_cached(colour: Colour) -> None:
    def body(x: int) -> int:
        if f.runs == 1:
            raise ZeroDivisionError(x)
        return x

    f = colour.cached(body)
    with pytest.raises(ZeroDivisionError):
        f(1)
    assert f(1) == 1
    assert f(1) == 1
    assert f.runs == 2


def test_a_result_that_cannot_be_kept_leaves_no_older_one(colour: Colour) -> None:
    f = colour.cached(lambda _: "old" if f.runs == 1 else (lambda: "cannot be pickled"))
    assert f(1) == "old"
    assert callable(f(1, _overwrite_cache=True))
    # Memory keeps it. What cannot turn it into bytes keeps nothing, and has the function run again.
    assert callable(f(1))
