"""What one call does: skipping, overwriting, conditions, statistics, CRUD."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import cachu
from cachu.backends import Capability
from cachu.testing.clock import FakeClock
from cachu.testing.suite.colours import Colour
from cachu.testing.suite.gates import needs


def test_a_skipped_call_neither_reads_nor_writes(colour: Colour) -> None:
    f = colour.cached()
    assert f(1, _skip_cache=True) == [1, 1]
    assert f(1) == [1, 2]
    assert f(1, _skip_cache=True) == [1, 3]
    assert f.skip(1) == [1, 4]
    assert f(1) == [1, 2]


def test_an_overwriting_call_replaces_the_entry(colour: Colour) -> None:
    f = colour.cached()
    assert f(1, _overwrite_cache=True) == [1, 1]
    assert f(1) == [1, 1]
    assert f(1, _overwrite_cache=True) == [1, 2]
    assert f(1) == [1, 2]
    assert f.refresh(1) == [1, 3]
    assert f(1) == [1, 3]


def test_false_controls_change_nothing(colour: Colour) -> None:
    f = colour.cached()
    f(1)
    assert f(1, _skip_cache=False) == [1, 1]
    assert f(1, _overwrite_cache=False) == [1, 1]


def test_refused_results_are_not_cached(colour: Colour) -> None:
    f = colour.cached(cache_if=lambda result: result[1] % 2 == 0)
    assert f(1) == [1, 1]
    assert f(1) == [1, 2]
    assert f(1) == [1, 2]


def test_a_refused_overwrite_deletes_the_old_entry(colour: Colour) -> None:
    f = colour.cached(cache_if=lambda result: result[1] != 2)
    assert f(1) == [1, 1]
    assert f(1, _overwrite_cache=True) == [1, 2]
    assert colour.get_backend().get(f.key(1), None) is None
    assert f(1) == [1, 3]


def test_validate_decides_over_an_entry(colour: Colour, clock: FakeClock) -> None:
    f = colour.cached(validate=lambda entry: entry.age < 100 and entry.value[0] == 1)
    assert f(1) == [1, 1]
    clock.advance(99)
    assert f(1) == [1, 1]
    clock.advance(1)
    assert colour.call("cache_get", f, 1, default=None) is None
    assert f(1) == [1, 2]
    assert f(1) == [1, 2]
    assert f(2) == [2, 3]
    assert f(2) == [2, 4]


def test_an_invalid_entry_goes_if_its_successor_is_refused(colour: Colour) -> None:
    f = colour.cached(validate=lambda _: False, cache_if=lambda result: result[1] == 1)
    assert f(1) == [1, 1]
    assert colour.get_backend().get(f.key(1)) == [1, 1]
    assert f(1) == [1, 2]
    assert colour.get_backend().get(f.key(1), None) is None


@pytest.mark.parametrize("callback", ["cache_if", "validate"])
def test_a_callback_that_raises_costs_only_the_entry(
    colour: Colour, callback: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any) -> bool:
        raise ZeroDivisionError

    f = colour.cached(**{callback: broken})
    with caplog.at_level(logging.WARNING, "cachu"):
        assert [f(1) for _ in range(3)] == [[1, 1], [1, 2], [1, 3]]
    assert [record.name for record in caplog.records] == ["cachu"]


def test_crud(colour: Colour) -> None:
    f = colour.cached()
    colour.call("cache_set", f, "set", 1)
    assert colour.call("cache_get", f, 1) == "set"
    assert f(1) == "set"
    f.set("twin", 2)
    assert f(2) == f.get(2) == "twin"
    assert colour.call("cache_delete", f, 1) is True
    assert f(1) == [1, 1]
    assert f.invalidate(x=1) is True
    assert f(1) == [1, 2]
    assert f(2) == "twin"


def test_deleting_twice_is_no_error(colour: Colour) -> None:
    f = colour.cached()
    backend = colour.get_backend()
    f(1)
    backend.set("own", 1)
    assert [f.invalidate(1), f.invalidate(1)] == [True, False]
    assert [backend.delete("own"), backend.delete("own")] == [True, False]
    assert colour.call("cache_delete", f, "never seen") is False


@needs(Capability.COUNT)
def test_statistics_are_exact(colour: Colour) -> None:
    f, g = colour.cached(), colour.cached()
    assert list(f.info()) == [0, 0, 0]
    for x in (1, 1, 2, 1, [3], [3]):
        f(x)
    assert list(f.info()) == [3, 3, 3]
    assert list(g.info()) == [0, 0, 0]
    f(1, _skip_cache=True)
    assert list(f.info()) == [3, 3, 3]
    f(1, _overwrite_cache=True)
    assert list(f.info()) == [3, 4, 3]
    colour.call("cache_get", f, 1)
    colour.call("cache_get", f, 9, default=None)
    colour.call("cache_set", f, 0, 9)
    assert list(colour.call("cache_info", f)) == [3, 4, 4]
    f.invalidate(9)
    f.invalidate(1)
    assert list(f.info()) == [3, 4, 2]
    colour.configure(lock_timeout=5)
    assert list(f.info())[:2] == [3, 4]


@needs(Capability.COUNT)
def test_errors_are_misses(colour: Colour) -> None:
    def body(x: int) -> int:
        raise ZeroDivisionError(x)

    f = colour.cached(body)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            f(1)
    assert list(f.info()) == [0, 2, 0]


def test_caching_can_be_switched_off(colour: Colour) -> None:
    f = colour.cached()
    assert f(1) == [1, 1]
    cachu.disable()
    try:
        assert f(1) == [1, 2]
        assert f(2) == [2, 3]
        assert colour.call("cache_get", f, 1) == [1, 1]
        colour.call("cache_set", f, "set", 3)
    finally:
        cachu.enable()
    assert f(1) == [1, 1]
    assert f(2) == [2, 4]
    assert f(3) == "set"


def test_caching_can_be_switched_off_for_a_scope(colour: Colour) -> None:
    f = colour.cached()
    f(1)
    with cachu.disabled():
        assert f(1) == [1, 2]
        assert colour.start(f, 1).result() == [1, 1]
    assert f(1) == [1, 1]


def test_nothing_is_lost_when_handles_are_closed(colour: Colour) -> None:
    """Cached functions go on working after `clear_backends()`, and what persists is still there."""
    f = colour.cached()
    first = f(1)
    cachu.clear_backends()
    if Capability.PERSISTENT in colour.capabilities:
        assert f(1) == first
    assert f(2)[0] == 2
    assert f(2) == f(2)
    cachu.clear_backends()
    cachu.clear_backends()
    assert f(3)[0] == 3
