"""The memory backend: objects, not bytes, one table per cached function."""

from __future__ import annotations

import os
import time
from _thread import RLock
from weakref import WeakSet, WeakValueDictionary

from cachu.backends import AsyncBackend, Backend, Capability
from cachu.backends.rows import spelled
from cachu.backends.tables import AGES, EVERYWHERE, Table
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.keys.names import function_of
from cachu.living import living

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any, Protocol

    from cachu.backends.rows import Entry
    from cachu.backends.tables import Place

    class View(Protocol):
        """A cached function, as far as its place in memory needs to know it."""

        def expose(self) -> None:
            """Show the wrapper the table that counts now."""
            ...

        def spell(self, raw: Hashable) -> str:
            """Return the key of the call that has the raw key *raw*."""
            ...


_MOST_ALIASES = 4096
_lock = RLock()


class Shelf:
    """The place of one function in a region; functions that share a name share it.

    Attributes:
        table: The entries, replaced as a whole when they are cleared.
        layout: What the raw keys stand for: parameter names and tag. None once two functions that
            share the shelf disagree; from then on all its entries have spelled keys.
        tag: The tag of the entries with raw keys.
        mixed: Whether there may be entries of other tags or times to live, and spelled keys of
            calls that would have raw ones. No call ever has entries under both.
        moving: Whether the entries are being moved, so that wrappers must not look by themselves.
    """

    def __init__(self, *, ttl: float, maxsize: int | None) -> None:
        self._ttl = ttl
        self._maxsize = maxsize
        self._views: WeakSet[View] = WeakSet()
        self._aliases: dict[str, tuple[Hashable, tuple[Any, ...]]] = {}
        self.layout: object = None
        self.tag: str = ""
        self.mixed: bool = False
        self.moving: bool = False
        self.table: Table = self._blank()

    def join(self, view: View, layout: object, tag: str) -> None:
        """Let *view* use the shelf, with raw keys only if all that use it mean the same by them."""
        with _lock:
            if not self._views:
                self.layout, self.tag = layout, tag
                self.mixed = self.mixed or layout is None
            elif self.layout != layout and self.layout is not None:
                self._spell_out()
            self._views.add(view)

    def alias(self, key: str, raw: Hashable, types: tuple[Any, ...]) -> None:
        """Remember that *key* is spelled *raw* here, if its entry has these *types*."""
        with self.table.flights.lock:
            if len(self._aliases) >= _MOST_ALIASES:
                del self._aliases[next(iter(self._aliases))]
            self._aliases[key] = raw, types

    def seek(self, key: str) -> Hashable:
        """Return what *key* is kept under."""
        entries = self.table.entries
        if self.layout is None or (key,) in entries:
            return (key,)
        place = self._aliases.get(key) or self._search(key)
        if place is None:
            return (key,)
        raw, types = place
        entry = entries.get(raw)
        # Under an equal raw key there may be the entry of a lookalike: 1, 1.0, True.
        return raw if entry is not None and entry[2:] == types else (key,)

    def read(self, where: Hashable, entry: Entry) -> CacheEntry:
        """Return *entry*, kept under *where*, as people see it."""
        if spelled(where):
            return CacheEntry(entry[0], entry[2])
        return CacheEntry(entry[0], entry[1] if self.table.lasting else entry[1] - self._ttl)

    def clear(self, tag: str | None = None) -> int:
        """Forget all entries, or those with *tag*; computations under way will not be kept."""
        if tag is not None and self.mixed:
            return self.table.delete_tagged(tag, self.tag)
        if tag is not None and tag != self.tag:
            return 0
        # Kept until the end, because values may run code when they die.
        table = self.table
        removed = table.count()
        self.table = self._blank()
        self.mixed = self.layout is None
        self._aliases.clear()
        self._show()
        return removed

    def count(self, tag: str | None = None) -> int:
        """Count the fresh entries, all or those with *tag*."""
        if tag is None or (tag == self.tag and not self.mixed):
            return self.table.count()
        return self.table.count_tagged(tag, self.tag)

    def put(self, key: str, entry: CacheEntry, deadline: float, tag: str) -> None:
        """Keep an entry that did not come from a call of the function."""
        self.mixed = True
        row = (entry.value, deadline, entry.created_at, tag)
        self.table.put((key,), row, deadline, self._beside(key))

    def delete(self, key: str) -> bool:
        """Forget an entry, fence off whoever computes it, and say whether it was there."""
        return self.table.delete((key,), self._beside(key))

    def resize(self, maxsize: int | None) -> None:
        """Bound the table, or lift the bound, keeping what fits."""
        if maxsize == self._maxsize:
            return
        self._maxsize = maxsize
        # Wrappers read past the lock, so they must not look while entries move.
        self.moving = True
        self._show()
        self.table.resize(maxsize)
        self.moving = False
        self._show()

    def _blank(self) -> Table:
        return Table(lasting=self._ttl > AGES, maxsize=self._maxsize)

    def _show(self) -> None:
        with _lock:
            views = list(self._views)
        for view in views:
            view.expose()

    def _beside(self, key: str) -> Place | None:
        """Return where else there may be an entry of the call that is spelled *key*."""
        if self.layout is None:
            return None
        return self._aliases.get(key) or self._search(key) or (EVERYWHERE, None)

    def _search(self, key: str) -> tuple[Hashable, tuple[Any, ...]] | None:
        view = next(iter(self._views), None)
        if view is not None:
            for where, entry in self.table.items():
                if not spelled(where) and view.spell(where) == key:
                    self.alias(key, where, entry[2:])
                    return where, entry[2:]
        return None

    def _spell_out(self) -> None:
        view = next(iter(self._views))
        # In this order: from now on everybody spells, and no wrapper looks by itself.
        self.layout, self.mixed = None, True
        self._show()
        self.table.flights.fence_all()
        for where, entry in self.table.items():
            if not spelled(where):
                made, deadline = self.read(where, entry), self.table.deadline(where, entry)
                row = (made.value, deadline, made.created_at, self.tag)
                self.table.put((view.spell(where),), row, deadline, (where, entry[2:]))


class MemoryBackend(Backend):
    """The entries of one region in the memory of this process."""

    capabilities: Capability = (
        Capability.CLEAR | Capability.TAGS | Capability.COUNT | Capability.EXPIRY
    )

    def __init__(self, ttl: float, maxsize: int | None = None) -> None:
        self.ttl = ttl
        self._maxsize = maxsize
        self._loose = Shelf(ttl=ttl, maxsize=maxsize)
        self._shelves: WeakValueDictionary[str, Shelf] = WeakValueDictionary()
        _regions.add(self)

    def shelf(self, function: str) -> Shelf:
        """Return the place of *function*, which lasts as long as somebody holds it."""
        with _lock:
            shelf = self._shelves.get(function)
            if shelf is None:
                shelf = self._shelves[function] = Shelf(ttl=self.ttl, maxsize=self._maxsize)
            return shelf

    def resize(self, maxsize: int | None) -> None:
        """Bound the tables of all functions to *maxsize* entries each, or lift the bound."""
        self._maxsize = maxsize
        for shelf in self._all():
            shelf.resize(maxsize)

    def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        shelf = self._shelf_of(key)
        table, where = shelf.table, shelf.seek(key)
        entry = table.entries.get(where)
        if entry is None or time.time() >= table.deadline(where, entry):
            return NO_VALUE
        return shelf.read(where, entry)

    def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        self._shelf_of(key).put(key, entry, entry.created_at + ttl, tag)

    def delete(self, key: str) -> bool:
        return self._shelf_of(key).delete(key)

    def clear(self, tag: str | None = None) -> int:
        return sum(shelf.clear(tag) for shelf in self._all())

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        shelves = self._all() if function is None else [self._shelves.get(function)]
        return sum(shelf.count(tag) for shelf in shelves if shelf is not None)

    def close(self) -> None:
        self.clear()

    def _all(self) -> list[Shelf]:
        return [self._loose, *living(self._shelves)]

    def _shelf_of(self, key: str) -> Shelf:
        return self._shelves.get(function_of(key)) or self._loose

    def _after_fork(self) -> None:
        for shelf in self._all():
            shelf.table.after_fork()


class AsyncMemoryBackend(AsyncBackend):
    """The same entries as those of a `MemoryBackend`, for asynchronous code."""

    capabilities: Capability = MemoryBackend.capabilities

    def __init__(self, backend: MemoryBackend) -> None:
        self.ttl: float = backend.ttl
        self.plain = backend

    async def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        return self.plain.load(key, tag)

    async def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        self.plain.store(key, entry, ttl, tag)

    async def delete(self, key: str) -> bool:
        return self.plain.delete(key)

    async def clear(self, tag: str | None = None) -> int:
        return self.plain.clear(tag)

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        return self.plain.count(tag, function)

    async def close(self) -> None:
        self.plain.close()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()
    for region in _regions:
        region._after_fork()  # noqa: SLF001


_regions: WeakSet[MemoryBackend] = WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
