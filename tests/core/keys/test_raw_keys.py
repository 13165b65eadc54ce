"""Arguments that memory keeps as they are, without spelling them (K3, K4)."""

from __future__ import annotations

import collections
import datetime as dt
import itertools
import uuid
from typing import TYPE_CHECKING, Any

import pytest

import cachu

if TYPE_CHECKING:
    from conftest import Colour

Pair = collections.namedtuple("Pair", "x y")  # noqa: PYI024  its fields may be anything
DAY = dt.datetime(2024, 10, 27, 2, 30)  # noqa: DTZ001


class Identity(uuid.UUID): ...


class Date(dt.date): ...


class Text(str):
    __slots__ = ()


# Values that are equal, or nearly so, and are different arguments all the same.
LOOKALIKES: list[list[Any]] = [
    [(1, 2), (True, 2), (1.0, 2), (1, 2.0), (1 + 0j, 2), [1, 2], Pair(1, 2)],
    [(0, 1), (0.0, 1), (-0.0, 1), (False, 1)],
    [((1, 2), 3), ((True, 2), 3), (Pair(1, 2), 3), ((1, 2, 3),), (1, (2, 3))],
    [("a", "b"), (Text("a"), "b"), (b"a", "b"), ["a", "b"], ("ab",)],
    [(1,), (True,), 1, [1], ((1,),)],
    [(), ((),), None, (None,), []],
    [dt.date(2024, 1, 1), Date(2024, 1, 1), dt.datetime(2024, 1, 1)],  # noqa: DTZ001
    [(dt.date(2024, 1, 1), 1), (dt.date(2024, 1, 1), True), (Date(2024, 1, 1), 1)],
    [dt.timedelta(1), dt.timedelta(hours=25), 86400],
    [DAY, DAY.replace(fold=1), (DAY, 1), (DAY.replace(fold=1), 1)],
    [uuid.UUID(int=1), Identity(int=1), 1],
    [tuple(range(100)), (*range(99), 99.0), (True, *range(1, 100))],
]


@pytest.mark.parametrize("signature", ["x", "x, y=7", "*, x", "self, x"])
@pytest.mark.parametrize("values", LOOKALIKES)
def test_k3_lookalikes_are_other_entries(colour: Colour, signature: str, values: list[Any]) -> None:
    receiver = (object(),) if signature.startswith("self") else ()
    for order in (values, values[::-1]):
        f = colour.define(signature, body="return x")
        for _, value in itertools.product(range(3), order):
            result = f(*receiver, x=value)
            assert (type(result), repr(result)) == (type(value), repr(value))
        assert f.counts == (2 * len(order), len(order), len(order))


@pytest.mark.parametrize(
    "make",
    [
        lambda: (1, "a"),
        lambda: (1.5, None, b"a", (True, ("b", 2))),
        lambda: (float("nan"), 1),
        lambda: (-0.0, 1),
        lambda: ((((1,),),),),
        lambda: tuple(range(50)),
        lambda: dt.date(2024, 1, 1),
        lambda: (dt.timedelta(1), uuid.UUID(int=5)),
        lambda: uuid.UUID(int=5),
    ],
)
def test_k4_equal_arguments_are_one_entry_and_one_key(colour: Colour, make: Any) -> None:
    f = colour.define("x", body="return 7")
    assert f(make()) == f(make()) == f(x=make()) == 7
    assert f.counts == (2, 1, 1)
    assert cachu.get_backend("memory").get(f.key(make())) == 7
    assert f.invalidate(make())
    assert f.counts == (2, 1, 0)


@pytest.mark.parametrize("ttl", [60, None])
def test_k4_a_tuple_of_one_is_no_spelled_key(colour: Colour, ttl: int | None) -> None:
    f = colour.define("x", body="return x", ttl=ttl)
    f([1])
    lookalike = (f.key([1]),)
    for _ in range(2):
        assert f(lookalike) == lookalike
        assert f((1,)) == (1,)
    assert f([1]) == [1]
    assert f.counts == (3, 3, 3)


def test_k4_deleting_by_key_finds_what_is_kept_as_it_is(colour: Colour) -> None:
    f = colour.define("x", body="return x")
    keys = []
    for value in ((1, 2), (True, 2), dt.date(2024, 1, 1)):
        f(value)
        keys.append(f.key(value))
    backend = cachu.get_backend("memory")
    for left, key in zip((2, 1, 0), keys, strict=True):
        assert backend.delete(key)
        assert f.info().currsize == left


def test_t2_a_frozen_clock_changes_no_key(sync: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    day, f = dt.date(2024, 1, 1), sync.define("x", body="return x")
    f(day)
    monkeypatch.setattr(dt, "date", Date)
    assert f(day) == day
    assert f.invalidate(day)
    monkeypatch.undo()
    f(day)
    assert f.counts == (1, 2, 1)
