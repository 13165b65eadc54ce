"""The entries of one function in memory, and who computes what is not among them.

Reading takes no lock; whoever changes anything holds that of the flights.
"""

from __future__ import annotations

import time

from cachu.backends.rows import Rows, spelled
from cachu.counters import FREE_THREADED
from cachu.flights import Flights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any, TypeAlias

    from cachu.backends.rows import Entry
    from cachu.flights import Flight

    # A key, and for a raw one the types that tell the entry from those of lookalikes: a class for
    # each argument, and for a tuple what the classes of its elements are.
    Place: TypeAlias = tuple[Hashable, tuple[Any, ...] | None]

# Seconds after which nobody is going to look. A float could not hold the sum of more than that and
# the time of day, and still give the latter back.
AGES = 1e11
# The key of a place that is not known: whoever computes anything might be computing it.
EVERYWHERE = object()


class Table(Rows):
    """The entries of one function until they are cleared; then another table takes its place.

    Attributes:
        flights: What is being computed.
        under_way: The flight of each key; theirs, one look-up nearer.
    """

    __slots__ = ("_acquire", "_release", "flights", "under_way")

    def __init__(self, *, lasting: bool, maxsize: int | None) -> None:
        super().__init__(lasting=lasting, maxsize=maxsize)
        self.flights: Flights = Flights()
        self._reach()

    def commit(
        self,
        key: Hashable,
        entry: Entry,
        deadline: float,
        flight: Flight,
        new: bool = False,
    ) -> bool:
        """Keep what *flight* brought home, unless it was overtaken; either way it has landed.

        If it was not, nobody else stored anything since it took off: there is no older entry if
        there was none then, and *new* says so.
        """
        # Every miss comes by here, and a with statement would cost twice as much.
        self._acquire()
        try:
            under_way = self.under_way
            kept = under_way.get(key) is flight
            if kept:
                entries = self.entries
                if (
                    new
                    and self._countdown > 1
                    and deadline >= self._latest
                    and self.maxsize is None
                ):  # what _insert would do, without the call
                    entries[key] = entry
                    self._latest = deadline
                    self._countdown -= 1
                else:
                    _dropped = self._insert(key, entry, deadline)
                # In this order: a caller must find the one or the other.
                under_way.pop(key, None)
        finally:
            self._release()
        flight.landed = True
        if flight.wakers is not None:
            flight.land()
        return kept

    def after_fork(self) -> None:
        """Let go of what threads of the parent process held."""
        self.flights.after_fork()
        self._reach()

    def _reach(self) -> None:
        self.under_way: dict[Hashable, Flight] = self.flights.under_way
        self._acquire = self.flights.lock.acquire
        self._release = self.flights.lock.release

    def refuse(self, key: Hashable, flight: Flight) -> None:
        """Let *flight* land with nothing to keep; an older entry goes too."""
        with self.flights.lock:
            if self.flights.under_way.get(key) is flight:
                _dropped = self.entries.pop(key, None)
        self.flights.land(key, flight)

    def put(
        self, key: Hashable, entry: Entry, deadline: float, beside: Place | None = None
    ) -> None:
        """Keep *entry*, whatever is being computed for *key*, and nothing for it *beside*."""
        with self.flights.lock:
            # In this order: who takes off after being fenced off finds the entry.
            _dropped = self._insert(key, entry, deadline), self._vacate(beside)
            self.flights.fence(key)

    def delete(self, key: Hashable, beside: Place | None = None) -> bool:
        """Forget the entry, fence off whoever computes it, and say whether it was there, fresh."""
        with self.flights.lock:
            entry = self.entries.pop(key, None)
            self.flights.fence(key)
            other = self._vacate(beside)
        now = time.time()
        return (entry is not None and now < self.deadline(key, entry)) or (
            beside is not None and other is not None and now < self.deadline(beside[0], other)
        )

    def _vacate(self, place: Place | None) -> Entry | None:
        """Take out what another key of the same call has; a lookalike's entry stays."""
        if place is None:
            return None
        key, types = place
        if key is EVERYWHERE:
            self.flights.fence_all()
            return None
        self.flights.fence(key)
        entry = self.entries.get(key)
        if entry is None or (types is not None and entry[2:] != types):
            return None
        return self.entries.pop(key)

    def resize(self, maxsize: int | None) -> None:
        """Bound the table, or lift the bound, keeping what fits; nobody may read past the lock."""
        with self.flights.lock:
            # Not by age: entries of a bounded table stand in order of use.
            self._ordered = self._ordered and maxsize is None
            self.maxsize = maxsize
            kept = self._slice()
            self.entries: dict[Hashable, Entry] = self._empty()
            dropped: object = None
            for key, entry in kept:
                dropped = dropped, self._insert(key, entry, self.deadline(key, entry))

    def touch(self, key: Hashable) -> None:
        """Mark the entry as the one used last, in a bounded table."""
        with self.flights.lock:
            if key in self.entries:
                self.entries.move_to_end(key)  # type: ignore[attr-defined]

    def toucher(self) -> Callable[[Hashable], None] | None:
        """Return what a wrapper marks the entry with that it is about to return, if anything."""
        if self.maxsize is None:
            return None
        if FREE_THREADED:
            return self.touch
        # One step, as long as there is an interpreter lock.
        return self.entries.move_to_end  # type: ignore[attr-defined, no-any-return]

    def count(self) -> int:
        """Count the fresh entries: at once, as long as the clock has only gone forwards."""
        while self._ordered and self._sweep():
            continue
        if self._ordered:
            return len(self.entries)
        now = time.time()
        return sum(now < self.deadline(*item) for item in self.items())

    def count_tagged(self, tag: str, raw_tag: str) -> int:
        """Count the fresh entries with *tag*, those with raw keys having *raw_tag*."""
        return len(self._tagged(tag, raw_tag))

    def delete_tagged(self, tag: str, raw_tag: str) -> int:
        """Forget the entries with *tag* and all computations; say how many entries there were."""
        with self.flights.lock:
            self.flights.fence_all()
            removed = [self.entries.pop(key, None) for key in self._tagged(tag, raw_tag)]
        return len(removed)

    def _tagged(self, tag: str, raw_tag: str) -> list[Hashable]:
        now = time.time()
        return [
            key
            for key, entry in self.items()
            if now < self.deadline(key, entry) and tag == (entry[3] if spelled(key) else raw_tag)
        ]

    def items(self) -> list[tuple[Hashable, Entry]]:
        """Return a copy of all that is here, stale or not."""
        with self.flights.lock:
            return self._slice()

    def _sweep(self) -> object:
        with self.flights.lock:
            return self._sweep_locked()
