"""Times to live and the clock (T1, T2)."""

from __future__ import annotations

import math
import sys
import time
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import freezegun
import pytest
import time_machine

import cachu

if TYPE_CHECKING:
    from cachu.testing import FakeClock
    from conftest import Colour

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def runs(f: Any, *args: Any) -> bool:
    before = len(f.calls)
    f(*args)
    return len(f.calls) > before


@pytest.mark.parametrize("value", [1, (1,)], ids=["raw", "spelled"])
@pytest.mark.parametrize(
    ("ttl", "lasts"),
    [(60, 60), (60.0, 60), (0.5, 0.5), (timedelta(minutes=1), 60), (timedelta(days=2), 172800)],
    ids=repr,
)
def test_t1_an_entry_is_stale_from_the_moment_it_expires(
    colour: Colour, clock: FakeClock, ttl: Any, lasts: float, value: Any
) -> None:
    f = colour.define("x", ttl=ttl)
    f(value)
    clock.advance(lasts - 0.25)
    assert not runs(f, value)
    clock.advance(0.25)
    with pytest.raises(KeyError):
        f.get(value)
    assert runs(f, value)
    assert not runs(f, value)


def test_t1_the_default_is_300_seconds(colour: Colour, clock: FakeClock) -> None:
    f = colour.define("x")
    f(1)
    clock.advance(299)
    assert not runs(f, 1)
    clock.advance(1)
    assert runs(f, 1)


def test_t1_a_hit_does_not_prolong_a_life(colour: Colour, clock: FakeClock) -> None:
    f = colour.define("x", ttl=60)
    f(1)
    for _ in range(5):
        clock.advance(10)
        assert not runs(f, 1)
    clock.advance(10)
    assert runs(f, 1)


@pytest.mark.parametrize("ttl", [None, math.inf])
def test_t1_entries_that_never_expire(colour: Colour, clock: FakeClock, ttl: Any) -> None:
    f = colour.define("x", ttl=ttl)
    f(1)
    f((1,))
    clock.advance(1e10)
    assert not runs(f, 1)
    assert not runs(f, (1,))
    assert cachu.cache_clear(ttl=300) == 0
    assert cachu.cache_clear(ttl=math.inf) == 2
    assert runs(f, 1)
    assert cachu.cache_clear(ttl=None) == 1


@pytest.mark.parametrize("ttl", [0, -1, -0.5, timedelta(0), timedelta(seconds=-5)], ids=repr)
def test_t1_zero_or_less_means_not_to_store(colour: Colour, ttl: Any) -> None:
    f = colour.define("x", ttl=ttl)
    for _ in range(3):
        assert runs(f, 1)
    f.set(5, 1)
    with pytest.raises(KeyError):
        f.get(1)
    assert f.invalidate(1) is False
    assert f.refresh(1) == {"x": 1}
    assert isinstance(f.key(1), str)
    assert f.counts == (0, 4, 0)
    other = colour.define("x", ttl=ttl)
    assert runs(other, 1)  # and no warning of two functions with one name
    assert cachu.cache_clear() == 0


def test_t1_spellings_of_one_time_to_live_are_one_region() -> None:
    for ttl in (60, 60.0, timedelta(minutes=1)):
        cachu.get_backend("memory", ttl=60).set("k", ttl)
        assert cachu.get_backend("memory", ttl=ttl).get("k") == ttl
        assert cachu.cache_clear(ttl=ttl) == 1


def test_t1_times_to_live_that_are_close_are_regions_of_their_own(colour: Colour) -> None:
    ttls = (60, 90, 60.5, 3600, 5400, None)
    made = [colour.define("x", ttl=ttl) for ttl in ttls]
    for f in made:
        f(1)
    for ttl, f in zip(ttls, made):
        assert cachu.get_backend("memory", ttl=ttl).get(f.key(1)) == {"x": 1}
        assert cachu.cache_clear(backend="memory", ttl=math.inf if ttl is None else ttl) == 1
        assert f.counts[2] == 0
    assert cachu.cache_clear() == 0


@pytest.mark.parametrize("ttl", ["60", True, math.nan, -math.inf, [60], Fraction(60)], ids=repr)
def test_t1_what_is_no_time_to_live(ttl: Any) -> None:
    for use in (
        lambda: cachu.cache(ttl=ttl),
        lambda: cachu.cache_clear(ttl=ttl),
        lambda: cachu.get_backend("memory", ttl=ttl),
    ):
        with pytest.raises(cachu.ConfigurationError, match="ttl must be"):
            use()


@pytest.mark.parametrize("ttl", [1e9, 1e12, sys.maxsize, 1e300, timedelta.max], ids=repr)
def test_t1_a_very_long_life_keeps_the_age_right(
    colour: Colour, clock: FakeClock, ttl: Any
) -> None:
    f = colour.define("x", ttl=ttl, validate=lambda entry: 0 <= entry.age < 100)
    f(1)
    assert not runs(f, 1)
    clock.advance(99)
    assert not runs(f, 1)
    clock.advance(1)
    assert runs(f, 1)


@pytest.mark.parametrize("value", [1, (1,)], ids=["raw", "spelled"])
def test_t2_freezegun_moves_expiry(colour: Colour, value: Any) -> None:
    f = colour.define("x", ttl=60)
    with freezegun.freeze_time(START) as frozen:
        f(value)
        frozen.tick(59)
        assert not runs(f, value)
        frozen.tick(1)
        assert runs(f, value)
        assert not runs(f, value)
        frozen.move_to(START)
        assert not runs(f, value)
    assert runs(f, value)


@pytest.mark.parametrize("value", [1, (1,)], ids=["raw", "spelled"])
def test_t2_time_machine_moves_expiry(colour: Colour, value: Any) -> None:
    f = colour.define("x", ttl=60)
    with time_machine.travel(START, tick=False) as traveller:
        f(value)
        traveller.shift(59)
        assert not runs(f, value)
        traveller.shift(1)
        assert runs(f, value)
        assert not runs(f, value)
        assert f.counts[2] == 1
    assert runs(f, value)


def test_t2_the_clock_is_looked_up_at_each_use(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = colour.define("x", ttl=60)
    f(1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert runs(f, 1)


def test_t2_a_negative_age_is_zero(colour: Colour, clock: FakeClock) -> None:
    ages: list[float] = []
    f = colour.define("x", ttl=60, validate=lambda entry: ages.append(entry.age) or True)
    f(1)
    clock.set(clock.now - 1000)
    assert not runs(f, 1)
    assert ages == [0.0]
    assert cachu.CacheEntry("value", clock.now + 5).age == 0.0


def test_t2_the_clock_going_back_neither_loses_nor_renews(colour: Colour, clock: FakeClock) -> None:
    f = colour.define("x", ttl=60)
    f(1)
    clock.set(clock.now - 30)
    f(2)
    assert f.counts == (0, 2, 2)
    clock.advance(60)
    assert f.counts == (0, 2, 1)
    assert not runs(f, 1)
    assert runs(f, 2)
    clock.advance(30)
    assert runs(f, 1)
    assert not runs(f, 2)
