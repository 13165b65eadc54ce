"""Times to live are exact, and so are ages."""

from __future__ import annotations

from datetime import timedelta
from math import inf, nextafter
from typing import Any

import pytest

from cachu.backends import Capability
from cachu.testing.clock import FakeClock
from cachu.testing.suite.colours import Colour
from cachu.testing.suite.gates import needs

TTLS = pytest.mark.parametrize("ttl", [300, 0.5, 90.25, timedelta(hours=1)])


def _seconds(ttl: Any) -> float:
    return ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)


@TTLS
def test_an_entry_is_stale_exactly_at_its_deadline(
    colour: Colour, clock: FakeClock, ttl: Any
) -> None:
    f = colour.cached(ttl=ttl)
    backend = colour.get_backend(ttl)
    deadline = clock.now + _seconds(ttl)
    f(1)
    backend.set("own", 1)
    clock.set(nextafter(deadline, 0))
    assert f(1) == [1, 1]
    assert backend.get("own") == 1
    clock.set(deadline)
    assert backend.get("own", None) is None
    assert backend.get(f.key(1), None) is None
    assert f(1) == [1, 2]


@pytest.mark.parametrize("ttl", [None, inf])
def test_without_a_ttl_nothing_expires(colour: Colour, clock: FakeClock, ttl: Any) -> None:
    f = colour.cached(ttl=ttl)
    colour.get_backend(ttl).set("own", 1)
    f(1)
    clock.advance(timedelta(days=365 * 500))
    assert f(1) == [1, 1]
    assert colour.get_backend(None).get("own") == 1
    assert colour.get_backend(inf).get("own") == 1


def test_a_hit_does_not_prolong_life(colour: Colour, clock: FakeClock) -> None:
    f = colour.cached(ttl=100)
    f(1)
    for _ in range(3):
        clock.advance(30)
        assert f(1) == [1, 1]
    clock.advance(10)
    assert f(1) == [1, 2]


def test_zero_or_less_stores_nothing(colour: Colour) -> None:
    backend = colour.get_backend()
    none: list[Any] = [0, -1, timedelta(0)]
    for ttl in none:
        f = colour.cached(ttl=ttl)
        assert f(1) == [1, 1]
        assert f(1) == [1, 2]
        backend.set("own", "old")
        backend.set("own", "new", ttl=ttl)
        assert backend.get("own", None) is None


def test_equal_times_are_one_region(colour: Colour) -> None:
    colour.get_backend(60).set("own", 1)
    equal: list[Any] = [60.0, timedelta(minutes=1), timedelta(seconds=60)]
    for ttl in equal:
        assert colour.get_backend(ttl).get("own") == 1
    for other in (90, 59, 61, 60.5, None, 300, 3600, 5400):
        assert colour.get_backend(other).get("own", None) is None


def test_functions_of_one_name_share_what_they_have_in_one_region(colour: Colour) -> None:
    f, same = colour.cached(ttl=60, name="shared"), colour.cached(ttl=60.0, name="shared")
    other = colour.cached(ttl=90, name="shared")
    assert f(1) == [1, 1]
    assert same(1) == [1, 1]
    assert same.runs == 0
    assert other("other") == ["other", 1]
    assert other(1) == [1, 2]
    assert f(1) == [1, 1]


def test_an_entry_may_have_a_ttl_of_its_own(colour: Colour, clock: FakeClock) -> None:
    backend = colour.get_backend(300)
    backend.set("short", 1, ttl=10)
    backend.set("long", 1, ttl=timedelta(hours=1))
    backend.set("ever", 1, ttl=None)
    backend.set("usual", 1)
    clock.advance(10)
    assert backend.get("short", None) is None
    assert backend.get("usual") == 1
    clock.advance(290)
    assert backend.get("usual", None) is None
    clock.advance(3299)
    assert backend.get("long") == 1
    clock.advance(1)
    assert backend.get("long", None) is None
    clock.advance(1e9)
    assert backend.get("ever") == 1


def test_a_functions_entry_may_have_a_ttl_of_its_own(colour: Colour, clock: FakeClock) -> None:
    f = colour.cached(ttl=300)
    colour.get_backend(300).set(f.key(1), "short", ttl=10)
    colour.get_backend(300).set(f.key(2), "long", ttl=1000)
    clock.advance(9)
    assert f(1) == "short"
    clock.advance(1)
    assert f(1) == [1, 1]
    clock.advance(989)
    assert f(2) == "long"
    clock.advance(1)
    assert f(2) == [2, 2]


def test_an_entry_knows_its_age(colour: Colour, clock: FakeClock) -> None:
    f = colour.cached()
    f(1)
    made = clock.now
    clock.advance(17)
    entry: Any = colour.get_backend().load(f.key(1))
    assert entry.value == [1, 1]
    assert entry.created_at == made
    assert entry.age == clock.now - made
    clock.set(made - 1)
    assert entry.age == 0


def test_setting_again_starts_anew(colour: Colour, clock: FakeClock) -> None:
    f = colour.cached(ttl=100)
    f(1)
    clock.advance(90)
    colour.call("cache_set", f, "set", 1)
    clock.advance(90)
    assert f(1) == "set"
    f.refresh(1)
    clock.advance(90)
    assert f(1) == [1, 2]
    clock.advance(10)
    assert f(1) == [1, 3]


@needs(Capability.COUNT)
def test_what_is_stale_does_not_count(colour: Colour, clock: FakeClock) -> None:
    f = colour.cached(ttl=100)
    backend = colour.get_backend(100)
    f(1)
    clock.advance(50)
    f(2)
    assert backend.count() == f.info().currsize == 2
    clock.advance(50)
    assert backend.count() == f.info().currsize == 1
    clock.advance(50)
    assert backend.count() == f.info().currsize == 0


def test_a_stale_entry_may_be_deleted(colour: Colour, clock: FakeClock) -> None:
    f = colour.cached(ttl=100)
    f(1)
    clock.advance(100)
    f.invalidate(1)
    assert f(1) == [1, 2]
