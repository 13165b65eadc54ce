"""cache_info(): hits, misses and the current size (D5)."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import cachu
from cachu.counters import FREE_THREADED, Counters, ThreadCounters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachu.testing import FakeClock
    from conftest import Colour

THREADS, CALLS = 8, 20_000


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(work: Any, threads: int = THREADS) -> None:
    """Run *work* in several threads, all at the same time; it gets the number of its thread."""
    barrier = threading.Barrier(threads, timeout=20)

    def start(number: int) -> None:
        barrier.wait()
        work(number)

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(start, number) for number in range(threads)]:
            done.result(60)


def test_d5_hits_misses_and_size(colour: Colour) -> None:
    f = colour.define("x, y=0")
    assert f.counts == (0, 0, 0)
    for x in (1, 2, 1, 1, (1,), (1,)):
        f(x)
    assert f.counts == (3, 3, 3)
    info = f.info()
    assert (info.hits, info.misses, info.currsize) == (3, 3, 3)
    assert info == colour.operation("cache_info")(f.cached)
    assert repr(info) == "CacheInfo(hits=3, misses=3, currsize=3)"
    assert info._asdict() == {"hits": 3, "misses": 3, "currsize": 3, "faults": 0}


@pytest.mark.parametrize("value", [1, (1,)], ids=["raw", "spelled"])
def test_d5_every_way_to_hit_counts_once(colour: Colour, value: Any) -> None:
    for options in ({}, {"ttl": None}, {"copy": True}, {"validate": lambda entry: True}):
        f = colour.define("x", **options)
        for expected in range(3):
            f(value)
            assert f.counts == (expected, 1, 1)


def test_d5_the_twins_count_nothing_but_refresh_a_miss(colour: Colour) -> None:
    f = colour.define("x")
    f.set(5, 1)
    f.get(1)
    f.key(1)
    f.skip(1)
    f.invalidate(1)
    with pytest.raises(KeyError):
        f.get(1)
    assert f.counts == (0, 0, 0)
    f.refresh(1)
    assert f.counts == (0, 1, 1)


def test_d5_control_keywords(colour: Colour) -> None:
    f = colour.define("x")
    f(1, _skip_cache=True)
    assert f.counts == (0, 0, 0)
    f(1, _overwrite_cache=True)
    f(1, _overwrite_cache=True)
    assert f.counts == (0, 2, 1)
    f(1, _skip_cache=True)
    assert f.counts == (0, 2, 1)


def test_d5_disabled_counts_nothing(colour: Colour) -> None:
    f, zero = colour.define("x"), colour.define("x", ttl=0)
    f(1)
    cachu.disable()
    for _ in range(3):
        f(1)
        f(2)
        f(1, _overwrite_cache=True)
        f(1, _skip_cache=True)
        zero(1)
    assert f.counts == (0, 1, 1)
    assert zero.counts == (0, 0, 0)
    cachu.enable()
    f(1)
    assert f.counts == (1, 1, 1)


def test_d5_counts_survive_settings_and_clears(colour: Colour) -> None:
    f = colour.define("x")
    f(1)
    f(1)
    assert f.counts == (1, 1, 1)
    cachu.cache_clear()
    assert f.counts == (1, 1, 0)
    f(1)
    cachu.clear_backends()
    assert f.counts == (1, 2, 0)
    f(1)
    for option, value in (("key_prefix", "v2:"), ("backend", "null"), ("backend", "memory")):
        cachu.configure(**{option: value})
        before = f.counts
        f(1)
        hit = value == "memory"  # the entries of v2 are back
        assert f.counts[:2] == (before[0] + hit, before[1] + 1 - hit)
    cachu.disable()
    f(1)
    cachu.enable()
    assert f.counts == (2, 5, 1)


def test_d5_counts_belong_to_the_function(colour: Colour) -> None:
    plain = colour.define("x").plain
    one, two = (cachu.cache(name="counted")(plain) for _ in range(2))
    colour.run(one(1))
    colour.run(two(1))
    colour.run(two(1))
    assert tuple(colour.run(one.info())) == (0, 1, 1)
    assert tuple(colour.run(two.info())) == (2, 0, 1)


def test_d5_only_fresh_entries_make_the_size(colour: Colour, clock: FakeClock) -> None:
    f = colour.define("x", ttl=60)
    for x in range(600):
        f(x)
        clock.advance(0.25)
    assert f.counts[2] == 239  # those of the last minute; another one expires right now
    f((1,))
    f.set(5, "by hand")
    cachu.get_backend("memory", ttl=60).set(f.key("short"), 5, ttl=10)
    assert f.counts[2] == 242
    clock.advance(10)
    assert f.counts[2] == 201
    clock.advance(50)
    assert f.counts[2] == 0
    f(1)
    assert f.counts[2] == 1


def test_d5_the_size_is_right_when_the_clock_goes_backwards(
    colour: Colour, clock: FakeClock
) -> None:
    f = colour.define("x", ttl=60)
    for x in range(100):
        f(x)
    clock.set(clock.now - 30)
    for x in range(100, 150):
        f(x)
    assert f.counts[2] == 150
    clock.advance(60)
    assert f.counts[2] == 100
    for x in range(100, 150):
        f(x)
    clock.advance(29.5)
    assert f.counts[2] == 150
    clock.advance(0.5)
    assert f.counts[2] == 50
    clock.advance(30)
    assert f.counts[2] == 0


@pytest.mark.usefixtures("switching")
@pytest.mark.parametrize("maxsize", [None, 4096])
def test_d5_exact_under_threads(sync: Colour, maxsize: int | None) -> None:
    cachu.configure(memory_maxsize=maxsize or cachu.DEFAULT)
    f = sync.define("x, y=0", body="return x")

    def work(number: int) -> None:
        call, spelled = f.cached, (number,)
        for n in range(CALLS):
            x = n % 1000
            assert call(x) == x
            if n % 100 == 0:
                assert call(spelled) is spelled

    at_once(work)
    hits, misses, size = f.counts
    assert hits + misses == THREADS * (CALLS + CALLS // 100)
    assert misses == size == len(f.calls) == 1000 + THREADS


@pytest.mark.usefixtures("switching")
def test_d5_exact_under_threads_that_clear_and_configure(sync: Colour) -> None:
    f = sync.define("x", body="return x")
    running = [True]

    def disturb() -> None:
        n = 0
        while running[0]:
            n += 1
            cachu.cache_clear()
            cachu.configure(memory_maxsize=50 + n % 50)
            with cachu.disabled():
                pass
            f.info()

    disturber = threading.Thread(target=disturb)
    disturber.start()

    def work(number: int) -> None:
        call = f.cached
        for n in range(CALLS // 4):
            assert call(n % 100) == n % 100

    try:
        at_once(work)
    finally:
        running[0] = False
        disturber.join(20)
    hits, misses, _ = f.counts
    assert hits + misses == THREADS * (CALLS // 4)
    assert misses == len(f.calls)


@pytest.mark.usefixtures("switching")
@pytest.mark.parametrize("kind", [Counters, ThreadCounters])
def test_d5_counters_are_exact_under_threads(kind: Any) -> None:
    """D5: both kinds, whichever this interpreter chooses; the first one needs the lock."""
    if kind is Counters and FREE_THREADED:
        pytest.skip("this interpreter counts with the other kind")
    counters = kind()

    def work(number: int) -> None:
        for n in range(CALLS):
            counters.hits += 1
            if n % 10 == number:
                counters.misses += 1

    at_once(work)
    at_once(work)  # threads that may have the identifiers of those before
    assert counters.total()[:2] == (2 * THREADS * CALLS, 2 * THREADS * CALLS // 10)
