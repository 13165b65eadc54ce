"""Entries of one function, in one dict: bounded if asked for, swept without a thread.

One dict holds two kinds of entries. A call whose arguments are exact scalars is kept under its raw
arguments, as `(value, stamp, *types)`, which is what the compiled wrappers read. Any other call is
kept under the one-element tuple of its spelled key, as `(value, deadline, created_at, tag)`. A raw
key is a scalar, or a tuple of none or at least two elements, so that the kinds never meet.

Entries are replaced at the end of the dict, so that as long as the clock goes forwards the oldest
stand first, and what has expired is found without a search.
"""

from __future__ import annotations

import time
from itertools import islice, takewhile
from math import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any, TypeAlias

    Entry: TypeAlias = tuple[Any, ...]

# A call sweeps twice this part of a table at most: about a millisecond at a million entries.
_SHARE = 1024
_LEAST = 256


class Rows:
    """The entries of one function. Whoever calls a method that changes them holds a lock.

    Attributes:
        entries: What is cached.
        lasting: Whether entries never expire. The stamp of a raw entry is then the time when it
            was made, and otherwise the time when it expires.
        maxsize: How many entries there may be, the least recently used going first; None for any.
    """

    __slots__ = ("_countdown", "_latest", "_ordered", "_position", "entries", "lasting", "maxsize")

    def __init__(self, *, lasting: bool, maxsize: int | None) -> None:
        self.lasting: bool = lasting
        self.maxsize: int | None = maxsize
        self._countdown = _LEAST
        self._latest = -inf
        self._position = 0
        self.entries: dict[Hashable, Entry] = self._empty()
        self._ordered = maxsize is None

    def deadline(self, key: Hashable, entry: Entry) -> float:
        """Return when *entry* expires."""
        return inf if self.lasting and not spelled(key) else entry[1]

    def _empty(self) -> dict[Hashable, Entry]:
        if self.maxsize is None:
            return {}
        from collections import OrderedDict

        return OrderedDict()

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
