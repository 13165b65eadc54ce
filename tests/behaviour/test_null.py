"""The null backend keeps nothing, and otherwise behaves."""

from threading import Event

import pytest

import cachu
from cachu.testing.suite import (  # noqa: F401
    test_nothing_cached_is_a_key_error,
    test_nothing_is_no_value,
    test_zero_or_less_stores_nothing,
)
from cachu.testing.suite.colours import wait_until


@pytest.fixture
def cachu_backend():
    return "null"


def test_every_call_runs(colour):
    f = colour.cached()
    assert [f(1), f(1), f.refresh(1), f(1, _skip_cache=True)] == [[1, 1], [1, 2], [1, 3], [1, 4]]
    assert list(f.info()) == [0, 3, 0]


def test_nothing_is_kept(colour):
    f = colour.cached(tag="a")
    f.set("set", 1)
    assert not f.holds(1)
    assert f.invalidate(1) is False
    backend = colour.get_backend()
    backend.set("own", 1)
    assert backend.get("own") is cachu.NO_VALUE
    assert backend.delete("own") is False
    assert backend.count() == backend.count("a") == backend.clear() == colour.clear("a") == 0


def test_nobody_waits(colour):
    gate = Event()
    f = colour.cached(lambda x: colour.hold(gate.is_set, x) if f.runs == 1 else x)
    running = colour.start(f, 1)
    wait_until(lambda: f.runs == 1)
    assert f(1) == 1
    gate.set()
    assert running.result() == 1


def test_a_switched_off_call_is_not_counted(colour):
    f = colour.cached()
    with cachu.disabled():
        f(1)
    assert list(f.info()) == [0, 0, 0]
