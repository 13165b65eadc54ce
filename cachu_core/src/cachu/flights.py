"""Single-flight: of all callers of one cold key, one runs the function and the others wait.

A flight is a computation under way. The first caller of a key leads it; threads and tasks that
come later wait for it to land and then look again. Whoever deletes, sets or refreshes the key
meanwhile takes the flight's place, so that it can no longer store what it brings home.
"""

from __future__ import annotations

import os
import time
from _thread import RLock, get_ident
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Final, TypeAlias

    Waker: TypeAlias = Callable[[], None]

# The flight that the current task led last, which knows those around it: no task may wait for a
# flight of its own, not even in a task or a worker thread that it started itself.
_led: Final[ContextVar[Flight | None]] = ContextVar("cachu_led", default=None)

_parked: Final[set[Waker]] = set()
_guard = RLock()
# Waits are cut to what every operating system accepts, in seconds.
_LONGEST: Final = 1e6


class Flight:
    """One computation under way.

    Attributes:
        owner: The identifier of the thread that leads it.
        asynchronous: Whether asynchronous code leads it.
        landed: Whether there is nothing left to wait for.
        wakers: What wakes those who wait, None as long as nobody did.
        around: The flight inside which this one started, in the same task.
    """

    owner: int
    asynchronous: bool = False
    landed: bool = False
    around: Flight | None = None
    wakers: list[Waker] | None = None

    def lead_task(self) -> None:
        """Make this the flight that the current task leads."""
        around = _led.get()
        # Never taken back: those that have landed are passed over here.
        while around is not None and around.landed:
            around = around.around
        if around is not None:
            self.around = around
        _led.set(self)

    def again(self) -> Flight:
        """Return a flight of the same leader that nobody waits for yet."""
        flight = Flight()
        flight.owner, flight.asynchronous = self.owner, self.asynchronous
        return flight

    def is_ours(self) -> bool:
        """Tell whether waiting would be waiting for oneself: a recursion, in plain code."""
        return self.owner == get_ident() or self._is_led_here()

    def is_ours_async(self) -> bool:
        """Tell whether waiting would be waiting for oneself, in asynchronous code."""
        return (not self.asynchronous and self.owner == get_ident()) or self._is_led_here()

    def land(self) -> None:
        """Let nobody wait any more; whoever did looks again, and may lead the next flight."""
        self.landed = True
        # A waiter adds itself before it looks at `landed`, so that none is left behind.
        if self.wakers is not None:
            self.wake()

    def wake(self) -> None:
        """Wake everybody who waits."""
        with _guard:
            wakers = list(self.wakers or ())
        for wake in wakers:
            wake()

    def wait(self, deadline: float) -> bool:
        """Block this thread until the flight lands.

        Args:
            deadline: When to give up, on the clock of `time.time`, in seconds.

        Returns:
            Whether it has landed. If not, the caller computes by itself.
        """
        from threading import Event  # whoever waits for a thread has it loaded

        gate = Event()
        wake = gate.set
        self._park(wake)
        try:
            while not self.landed:
                left = min(deadline - time.time(), _LONGEST)
                if left <= 0 or not gate.wait(left):
                    return self.landed
                gate.clear()
            return True
        finally:
            self._leave(wake)

    async def wait_async(self, deadline: float) -> bool:
        """Suspend this task until the flight lands; otherwise as `wait`."""
        from asyncio import get_running_loop

        loop, here = get_running_loop(), get_ident()
        gate = loop.create_future()

        def open_gate() -> None:
            if not gate.done():
                gate.set_result(None)

        def wake() -> None:
            if get_ident() == here:
                open_gate()
                return
            try:
                loop.call_soon_threadsafe(open_gate)
            except RuntimeError:
                # Nobody waits any more in a loop that was closed.
                if not loop.is_closed():
                    raise

        self._park(wake)
        try:
            while not self.landed:
                left = min(deadline - time.time(), _LONGEST)
                if left <= 0:
                    return False
                alarm = loop.call_later(left, open_gate)
                began = loop.time()
                try:
                    await gate
                finally:
                    alarm.cancel()
                # A clock that stands still must not keep anybody waiting for ever.
                if loop.time() - began >= left:
                    return self.landed
                gate = loop.create_future()
            return True
        finally:
            self._leave(wake)

    def _is_led_here(self) -> bool:
        flight = _led.get()
        while flight is not None and flight is not self:
            flight = flight.around
        return flight is self

    def _park(self, wake: Waker) -> None:
        with _guard:
            if self.wakers is None:
                self.wakers = []
            self.wakers.append(wake)
            _parked.add(wake)

    def _leave(self, wake: Waker) -> None:
        with _guard:
            _parked.discard(wake)
            if self.wakers is not None:
                self.wakers.remove(wake)


class Flights:
    """What is being computed, by key.

    Attributes:
        under_way: The flight of each key; `setdefault` makes its caller the leader or finds one.
        lock: Held while flights are removed, and by whoever stores what one brought home.
        landings: How many have landed, so that a caller can tell if one did since it looked.
    """

    __slots__ = ("__weakref__", "landings", "lock", "under_way")

    def __init__(self) -> None:
        self.under_way: dict[Hashable, Flight] = {}
        # Reentrant, because a value that is dropped may run code of its own that caches.
        self.lock: RLock = RLock()
        self.landings: int = 0

    def overtake(self, key: Hashable, flight: Flight, leader: Flight | None = None) -> None:
        """Put *flight* in the place of whoever computes *key*, or only in that of *leader*."""
        with self.lock:
            overtaken = self.under_way.get(key)
            if leader is not None and overtaken is not leader:
                return
            self.under_way[key] = flight
        if overtaken is not None:
            overtaken.land()

    def land(self, key: Hashable, flight: Flight) -> None:
        """End *flight*, which may have been overtaken."""
        with self.lock:
            if self.under_way.get(key) is flight:
                del self.under_way[key]
                self.landings += 1
        flight.landed = True
        if flight.wakers is not None:
            flight.wake()

    def fence(self, key: Hashable) -> None:
        """Keep whoever computes *key* now from storing it."""
        overtaken = self.under_way.pop(key, None)
        if overtaken is not None:
            overtaken.land()

    def fence_all(self) -> None:
        """Keep everybody who computes anything now from storing it."""
        with self.lock:
            overtaken = list(self.under_way.values())
            self.under_way.clear()
        for flight in overtaken:
            flight.land()

    def after_fork(self) -> None:
        """Forget, in a child process, the threads of its parent: they lead and hold nothing."""
        self.under_way = {}
        self.lock = RLock()


def nudge() -> None:
    """Have everybody who waits look at the clock again; for clocks that were moved by hand."""
    with _guard:
        parked = list(_parked)
    for wake in parked:
        wake()


def _after_fork() -> None:
    global _guard  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _guard = RLock()
    _parked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
