"""The entries of one function in memory: bounded if asked for, swept without a thread.

One dict holds two kinds of entries. A call whose arguments are exact scalars is kept under its raw
arguments, as `(value, stamp, *types)`, which is what the compiled wrappers read. Any other call is
kept under the one-element tuple of its spelled key, as `(value, deadline, created_at, tag)`. A raw
key is a scalar, or a tuple of none or at least two elements, so that the kinds never meet.

Reading takes no lock. Entries are replaced at the end of the dict, so that as long as the clock
goes forwards the oldest stand first, and what has expired is found without a search.
"""

from __future__ import annotations

import time
from itertools import islice, takewhile
from math import inf

from cachu.counters import FREE_THREADED
from cachu.flights import Flights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any, TypeAlias

    from cachu.flights import Flight

    Entry: TypeAlias = tuple[Any, ...]
    # A key, and for a raw one the types that tell the entry from those of lookalikes: a class for
    # each argument, and for a tuple what the classes of its elements are.
    Place: TypeAlias = tuple[Hashable, tuple[Any, ...] | None]

# A call sweeps twice this part of a table at most: about a millisecond at a million entries.
_SHARE = 1024
# Seconds after which nobody is going to look. A float could not hold the sum of more than that and
# the time of day, and still give the latter back.
AGES = 1e11
_LEAST = 256
# The key of a place that is not known: whoever computes anything might be computing it.
EVERYWHERE = object()


class Table:
    """The entries of one function until they are cleared; then another table takes its place.

    Attributes:
        entries: What is cached.
        flights: What is being computed.
        under_way: The flight of each key; theirs, one look-up nearer.
        lasting: Whether entries never expire. The stamp of a raw entry is then the time when it
            was made, and otherwise the time when it expires.
        maxsize: How many entries there may be, the least recently used going first; None for any.
    """

    __slots__ = (
        "_acquire",
        "_countdown",
        "_latest",
        "_ordered",
        "_position",
        "_release",
        "entries",
        "flights",
        "lasting",
        "maxsize",
        "under_way",
    )

    def __init__(self, *, lasting: bool, maxsize: int | None) -> None:
        self.lasting: bool = lasting
        self.maxsize: int | None = maxsize
        self.flights: Flights = Flights()
        self._reach()
        self._countdown = _LEAST
        self._latest = -inf
        self._position = 0
        self.entries: dict[Hashable, Entry] = self._empty()
        self._ordered = maxsize is None

    def _empty(self) -> dict[Hashable, Entry]:
        if self.maxsize is None:
            return {}
        from collections import OrderedDict

        return OrderedDict()

    def deadline(self, key: Hashable, entry: Entry) -> float:
        """Return when *entry* expires."""
        return inf if self.lasting and not spelled(key) else entry[1]

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
            self.entries = self._empty()
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

    def _slice(self, start: int = 0, stop: int | None = None) -> list[tuple[Hashable, Entry]]:
        while True:
            try:
                return list(islice(self.entries.items(), start, stop))
            except RuntimeError:
                # Garbage collection ran code that stores something, in the middle of it.
                continue

    def _insert(self, key: Hashable, entry: Entry, deadline: float) -> object:
        """Put *entry* at the end; return what had to go.

        Values may run code when they die, so the caller lets go of them without the lock.
        """
        entries = self.entries
        dropped: object = entries.pop(key, None)
        entries[key] = entry
        if deadline < self._latest:
            self._ordered = False
        else:
            self._latest = deadline
        self._countdown -= 1
        if self._countdown <= 0:
            dropped = dropped, self._sweep_locked()
        if self.maxsize is not None:
            while len(entries) > self.maxsize:
                # In one step, for wrappers move entries to the end without taking the lock.
                dropped = dropped, entries.popitem(last=False)  # type: ignore[call-arg]
        return dropped

    def _sweep(self) -> object:
        with self.flights.lock:
            return self._sweep_locked()

    def _sweep_locked(self) -> list[object]:
        """Take out a bounded number of expired entries, the oldest first, and return them."""
        entries = self.entries
        share = max(_LEAST, len(entries) // _SHARE)
        self._countdown = share
        now = time.time()

        def stale(item: tuple[Hashable, Entry]) -> bool:
            return now >= self.deadline(*item)

        # Twice as many as were added since, so that sweeping outruns storing.
        if self._ordered:
            part = self._slice(0, 1)
            if part and stale(part[0]):
                part = self._slice(0, 2 * share)
            expired = [key for key, _ in takewhile(stale, part)]
        else:
            if self._position >= len(entries):
                self._position = 0
            part = self._slice(self._position, self._position + 2 * share)
            expired = [item[0] for item in part if stale(item)]
            self._position += 2 * share - len(expired)
        dropped: list[object] = [entries.pop(key, None) for key in expired]
        if not entries and self.maxsize is None:
            self._ordered, self._latest = True, -inf
        return dropped


def spelled(key: Hashable) -> bool:
    """Tell whether *key* is a spelled key, and not a raw one."""
    return type(key) is tuple and len(key) == 1
