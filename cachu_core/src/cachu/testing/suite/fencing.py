"""What was being computed while it was cleared, deleted or set is never read afterwards."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Event

from cachu.backends import Capability
from cachu.testing.suite.colours import Colour, Lifted, Running, wait_until
from cachu.testing.suite.gates import needs


class _Slow:
    """A cached function whose first run lasts until it is released."""

    def __init__(self, colour: Colour, **options: object) -> None:
        self._inside, self._gate = Event(), Event()
        self._colour = colour
        self.cached: Lifted = colour.cached(self._body, **options)

    def _body(self, x: int) -> object:
        value = [x, self.cached.runs]
        if self.cached.runs > 1:
            return value
        self._inside.set()
        return self._colour.hold(self._gate.is_set, value)

    @contextmanager
    def under_way(self) -> Generator[Running, None, None]:
        """Do the block while the first run is under way; then let it end."""
        running = self._colour.start(self.cached, 1)
        wait_until(self._inside.is_set)
        try:
            yield running
        finally:
            self._gate.set()
        assert running.result() == [1, 1]


@needs(Capability.CLEAR)
def test_a_clear_keeps_older_computations_out(colour: Colour) -> None:
    slow = _Slow(colour)
    with slow.under_way():
        colour.clear()
    assert not slow.cached.holds(1)
    assert slow.cached(1) == [1, 2]


@needs(Capability.CLEAR)
def test_a_clear_by_ttl_keeps_older_computations_out(colour: Colour) -> None:
    slow = _Slow(colour, ttl=60)
    with slow.under_way():
        colour.clear(ttl=60)
    assert slow.cached(1) == [1, 2]


@needs(Capability.TAGS)
def test_a_clear_by_tag_keeps_older_computations_out(colour: Colour) -> None:
    slow = _Slow(colour, tag="users")
    with slow.under_way():
        colour.clear(tag="users")
    assert slow.cached(1) == [1, 2]


@needs(Capability.CLEAR)
def test_a_clear_reaches_functions_with_options_of_their_own(colour: Colour) -> None:
    slow = _Slow(colour, backend=colour.backend_name, lock_timeout=20)
    colour.cached()(1)
    colour.get_backend()
    with slow.under_way():
        colour.clear()
    assert slow.cached(1) == [1, 2]


@needs(Capability.CLEAR)
def test_a_clear_after_a_change_of_configuration_reaches_older_calls(colour: Colour) -> None:
    slow = _Slow(colour)
    with slow.under_way():
        colour.configure(lock_timeout=20)
        colour.get_backend()
        colour.clear()
    assert slow.cached(1) == [1, 2]


@needs(Capability.CLEAR)
def test_a_computation_after_a_clear_is_kept(colour: Colour) -> None:
    slow = _Slow(colour)
    with slow.under_way():
        colour.clear()
        assert slow.cached(1) == [1, 2]
        assert slow.cached(1) == [1, 2]
    assert slow.cached(1) == [1, 2]


def test_a_delete_keeps_older_computations_out(colour: Colour) -> None:
    slow = _Slow(colour)
    with slow.under_way():
        slow.cached.invalidate(1)
    assert slow.cached(1) == [1, 2]


def test_a_value_that_was_set_outlives_older_computations(colour: Colour) -> None:
    slow = _Slow(colour)
    with slow.under_way():
        slow.cached.set("set", 1)
        assert slow.cached(1) == "set"
    assert slow.cached(1) == "set"


def test_a_refresh_outlives_older_computations(colour: Colour) -> None:
    slow = _Slow(colour)
    with slow.under_way():
        assert slow.cached(1, _overwrite_cache=True) == [1, 2]
        assert slow.cached(1) == [1, 2]
    assert slow.cached(1) == [1, 2]


def test_a_delete_of_another_key_disturbs_nobody(colour: Colour) -> None:
    slow = _Slow(colour)
    with slow.under_way():
        slow.cached.invalidate(2)
        slow.cached(2)
    assert slow.cached(1) == [1, 1]
