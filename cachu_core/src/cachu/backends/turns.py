"""Turns: of all who change one entry of a store, one at a time does, in this process.

A leader that was overtaken must not store what it brings home, but a store takes its time, and the
leader may be overtaken in the middle of it. So whoever changes an entry takes the key's turn first,
and a leader asks only then whether it still leads. A delete thereby comes after a store that had
begun, and keeps all others from beginning.

Nobody waits for ever: whoever could not wait for a store that hangs tells its leader, who deletes
what it stored as soon as it can. In between it can be read. Only a store that has leases, and so
refuses to store what was overtaken, closes that gap, and it alone does so between processes.
"""

from __future__ import annotations

import time
from _thread import get_ident

from cachu.flights import Flight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from cachu.flights import Flights


class Turn(Flight):
    """The right to change one entry.

    Attributes:
        creates: Whether a leader has it, to store what the function returned.
        passed: Whether somebody who could not wait for its end changed the entry meanwhile.
    """

    creates: bool = False
    passed: bool = False


class Turns:
    """Who changes which entry of a region now.

    Attributes:
        flights: What is computed in the region.
        taken: The turn of each key that is changed.
    """

    __slots__ = ("__weakref__", "flights", "taken")

    def __init__(self, flights: Flights) -> None:
        self.flights: Flights = flights
        self.taken: dict[Hashable, Turn] = {}

    def await_turn(self, key: Hashable, mine: Turn, timeout: float) -> bool:
        """Wait until *mine* is the turn of *key*.

        Whoever waits notes first what it waits for, and ends that whatever happens: a signal may
        come as soon as it has it.

        Returns:
            Whether it is; if not, waiting was in vain, or would be waiting for oneself. Whoever has
            the turn is told then, and if that is a leader, it will delete what it stored: of a late
            store and a change nobody knows which came last.
        """
        deadline = time.time() + timeout
        while (holder := self.taken.setdefault(key, mine)) is not mine:
            if holder.is_ours() or not holder.wait(deadline):
                holder.passed = True
                return False
        return True

    async def await_turn_async(self, key: Hashable, mine: Turn, timeout: float) -> bool:
        """Wait until *mine* is the turn of *key*, in asynchronous code, otherwise as above."""
        deadline = time.time() + timeout
        while (holder := self.taken.setdefault(key, mine)) is not mine:
            if holder.is_ours_async() or not await holder.wait_async(deadline):
                holder.passed = True
                return False
        return True

    def end(self, key: Hashable, turn: Turn) -> None:
        """Let the next one have its turn."""
        if self.taken.get(key) is turn:
            del self.taken[key]
        turn.landed = True
        if turn.wakers is not None:
            turn.wake()

    def creating(self, *, task: bool = False) -> Turn:
        """Return a turn for a leader, or for one that is a task, to be waited for."""
        turn = _task_turn() if task else _turn()
        turn.creates = True
        return turn

    def setting(self, key: Hashable, timeout: float) -> Change:
        """Return the guard of a set, to be held while the store is written to."""
        return Change(self, key, timeout, True)

    def deleting(self, key: Hashable, timeout: float) -> Change:
        """Return the guard of a delete."""
        return Change(self, key, timeout, False)

    def clearing(self, timeout: float) -> Clearing:
        """Return the guard of a clear."""
        return Clearing(self, self.flights, timeout)

    def is_ours(self, key: Hashable) -> bool:
        """Tell whether this thread changes *key*, other than by storing a result."""
        holder = self.taken.get(key)
        return holder is not None and not holder.creates and holder.is_ours()

    def is_ours_async(self, key: Hashable) -> bool:
        """Tell the same of this task."""
        holder = self.taken.get(key)
        return holder is not None and not holder.creates and holder.is_ours_async()

    def leaders(self) -> list[Turn]:
        """Return the turns of those who store what a function returned."""
        return [turn for turn in list(self.taken.values()) if turn.creates]

    def after_fork(self) -> None:
        """Forget, in a child process, the threads of its parent."""
        self.taken = {}


class Change:
    """Guards a set or a delete; no older result of the function is stored from then on.

    A set also flies, so that nobody computes what it is about to store. Its flight is not its turn:
    who overtakes it need not wait for the flight any more, but for the turn.

    While nobody else changes or computes the entry, as nearly always, it is a few steps in one
    place: they cost most of what a set in a near store takes.
    """

    __slots__ = ("_flight", "_key", "_sets", "_timeout", "_turn", "_turns")

    def __init__(self, turns: Turns, key: Hashable, timeout: float, sets: bool) -> None:
        self._turn: Turn | None = None
        self._flight: Flight | None = None
        self._turns = turns
        self._key = key
        self._timeout = timeout
        self._sets = sets

    def __enter__(self) -> None:
        taken, key = self._turns.taken, self._key
        if key in taken and self._turns.is_ours(key):
            return  # the same change, guarded further out
        try:
            turn = self._turn = Turn()
            turn.owner = get_ident()
            self._fence(turn)
            if taken.setdefault(key, turn) is not turn:
                self._turns.await_turn(key, turn, self._timeout)
        except BaseException:
            self.__exit__()
            raise

    async def __aenter__(self) -> None:
        taken, key = self._turns.taken, self._key
        if key in taken and self._turns.is_ours_async(key):
            return
        try:
            turn = self._turn = _task_turn()
            self._fence(turn)
            if taken.setdefault(key, turn) is not turn:
                await self._turns.await_turn_async(key, turn, self._timeout)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        turn = self._turn
        if turn is None:
            return
        # Still in our turn: a leader that took off meanwhile is waiting for it.
        turns, key, flight = self._turns, self._key, self._flight
        if flight is None:
            turns.flights.fence(key)
        else:
            turns.flights.land(key, flight)
        turns.end(key, turn)
        self._turn = None

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()

    def _fence(self, turn: Turn) -> None:
        flights, key = self._turns.flights, self._key
        if not self._sets:
            flights.fence(key)
            return
        flight = self._flight = Flight()
        flight.owner = turn.owner
        if turn.asynchronous:
            flight.asynchronous = True
        if flights.under_way.setdefault(key, flight) is not flight:
            flights.overtake(key, flight)

    def __del__(self) -> None:
        """Leave after all, if a signal interrupted that."""
        if getattr(self, "_turn", None) is not None:
            self.__exit__()


class Clearing:
    """Guards a clear: it comes after all stores that have begun, and no other may begin."""

    __slots__ = ("_flights", "_timeout", "_turns")

    def __init__(self, turns: Turns, flights: Flights, timeout: float) -> None:
        self._turns = turns
        self._flights = flights
        self._timeout = timeout

    def __enter__(self) -> None:
        self._flights.fence_all()
        deadline = time.time() + self._timeout
        for turn in self._turns.leaders():
            if turn.is_ours() or not turn.wait(deadline):
                turn.passed = True

    def __exit__(self, *error: object) -> None:
        self._flights.fence_all()

    async def __aenter__(self) -> None:
        self._flights.fence_all()
        deadline = time.time() + self._timeout
        for turn in self._turns.leaders():
            if turn.is_ours_async() or not await turn.wait_async(deadline):
                turn.passed = True

    async def __aexit__(self, *error: object) -> None:
        self._flights.fence_all()


def _turn() -> Turn:
    turn = Turn()
    turn.owner = get_ident()
    return turn


def _task_turn() -> Turn:
    turn = _turn()
    turn.asynchronous = True
    turn.lead_task()
    return turn
