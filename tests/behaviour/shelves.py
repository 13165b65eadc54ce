"""Small backends in this process, one for each way to implement cachu's interfaces.

Their data outlives `clear_backends()`, as if it were in another process.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from math import inf
from threading import Condition
from weakref import WeakSet

from cachu import plugins
from cachu.backends import AsyncBackend, Backend, Capability
from cachu.backends.stores import AsyncStore, Held, Lease, Store, Watch
from cachu.entries import NO_VALUE
from cachu.hookspecs import hookimpl
from cachu.testing import dicts


class Shelf:
    """The data of one region: rows of (data, deadline, tag), by key."""

    every = WeakSet()  # noqa: RUF012  of all

    def __init__(self, region) -> None:
        self.every.add(self)
        self.name = (region.shared_package, region.key_prefix, region.ttl)
        self.rows = {}
        self.leases = {}
        self.changed = Condition()
        self.calls = Counter()
        self.held, self.watch = {}, Watch(inf)


def _after_fork():
    """Let a forked child not wait for threads that it does not have."""
    for shelf in Shelf.every:
        shelf.changed = Condition()
        shelf.leases.clear()


os.register_at_fork(after_in_child=_after_fork)


class DictStore(Store):
    """Three methods, no more."""

    def __init__(self, shelf: Shelf, rack: dict[str, Shelf]) -> None:
        self.shelf, self.rack, self.rows = shelf, rack, shelf.rows

    def load(self, key, tag=None):
        row = self.rows.get(key)
        return row and row[0]

    def store(self, key, data, ttl, tag=""):
        self.rows[key] = (data, time.time() + ttl, tag)

    def delete(self, key):
        return self.rows.pop(key, None) is not None


class AsyncDictStore(AsyncStore):
    """Three coroutines, no more."""

    def __init__(self, shelf: Shelf, rack: dict[str, Shelf]) -> None:
        self.plain = DictStore(shelf, rack)

    async def load(self, key, tag=None):
        return self.plain.load(key, tag)

    async def store(self, key, data, ttl, tag=""):
        self.plain.store(key, data, ttl, tag)

    async def delete(self, key):
        return self.plain.delete(key)


class FullStore(dicts.DictStore):
    """Everything but leases."""

    capabilities = (
        dicts.DictStore.capabilities | Capability.REGIONS | Capability.BATCH | Capability.PERSISTENT
    )

    def __init__(self, shelf: Shelf, rack: dict[str, Shelf]) -> None:
        super().__init__(shelf.rows)
        self.shelf, self.rack = shelf, rack

    def regions(self):
        return [shelf.name for shelf in self.rack.values() if shelf.rows]

    def load_many(self, keys):
        found = {key: self.load(key) for key in keys}
        return {key: data for key, data in found.items() if data is not None}


class WatchingStore(FullStore):
    """Everything, and what was read is held, for cached functions to use without asking."""

    def load(self, key, tag=None):
        self.shelf.calls["load"] += 1
        held = self.shelf.held.get(key)
        if held is None:
            data = super().load(key, tag)
            if data is None:
                return None
            held = self.shelf.held[key] = Held.watched(data, self.shelf.watch)
        return held

    def store(self, key, data, ttl, tag=""):
        super().store(key, data, ttl, tag)
        self.end(key)

    def delete(self, key):
        found = super().delete(key)
        self.end(key)
        return found

    def clear(self, tag=None):
        removed = super().clear(tag)
        self.end_all()
        return removed

    def end(self, key):
        held = self.shelf.held.pop(key, None)
        if held is not None:
            held.end()

    def end_all(self):
        self.shelf.watch.until = -inf
        self.shelf.watch = Watch(inf)
        self.shelf.held.clear()


class LeaseStore(FullStore):
    """Leases too: a dict of who may commit, and a condition to wait on."""

    capabilities = FullStore.capabilities | Capability.LEASES

    def begin(self, key, tag="", *, wait=30.0, force=False):
        limit = time.monotonic() + wait
        with self.shelf.changed:
            self.shelf.calls["begin"] += 1
            while not force:
                data = self.load(key)
                if data is not None:
                    return data
                if key not in self.shelf.leases:
                    break
                self.shelf.calls["wait"] += 1
                left = limit - time.monotonic()
                if left <= 0 or not self.shelf.changed.wait(left):
                    self.shelf.calls["timeout"] += 1
                    return Lease(key)
            lease = Lease(key, tag)
            self.shelf.leases[key] = lease
            return lease

    def commit(self, lease, data, ttl, tag=""):
        with self.shelf.changed:
            self.shelf.calls["commit"] += 1
            if self.shelf.leases.get(lease.key) is not lease:
                self.shelf.calls["overtaken"] += 1
                return False
            super().store(lease.key, data, ttl, tag)
            self._end(lease.key)
            return True

    def abandon(self, lease):
        with self.shelf.changed:
            self.shelf.calls["abandon"] += 1
            if self.shelf.leases.get(lease.key) is lease:
                self._end(lease.key)

    def store(self, key, data, ttl, tag=""):
        with self.shelf.changed:
            self.shelf.calls["store"] += 1
            super().store(key, data, ttl, tag)
            self._end(key)

    def delete(self, key):
        with self.shelf.changed:
            self._end(key)
            return super().delete(key)

    def clear(self, tag=None):
        with self.shelf.changed:
            for key, lease in list(self.shelf.leases.items()):
                if tag is None or lease.token == tag:
                    self._end(key)
            return super().clear(tag)

    def _end(self, key):
        self.shelf.leases.pop(key, None)
        self.shelf.changed.notify_all()


class BatchStore(DictStore):
    """Counts its round trips."""

    capabilities = Capability.BATCH

    def load(self, key, tag=None):
        self.shelf.calls["load"] += 1
        return super().load(key, tag)

    def load_many(self, keys):
        self.shelf.calls["load"] += 1
        found = {key: super(BatchStore, self).load(key) for key in keys}
        return {key: data for key, data in found.items() if data is not None}


class LeasesOnly(LeaseStore):
    """Leases, but no clears."""

    capabilities = Capability.LEASES


class WholeBackend(Backend):
    """No store at all, but objects: what a plugin may return instead of one."""

    capabilities = Capability.CLEAR | Capability.TAGS | Capability.COUNT

    def __init__(self, shelf: Shelf) -> None:
        self.rows = shelf.rows

    def load(self, key, tag=None):
        row = self.rows.get(key)
        return row[0] if row is not None and time.time() < row[1] else NO_VALUE

    def store(self, key, entry, ttl, tag=""):
        self.rows[key] = (entry, entry.created_at + ttl, tag)

    def delete(self, key):
        return self.rows.pop(key, None) is not None

    def clear(self, tag=None):
        found = self._found(tag, None)
        for key in found:
            del self.rows[key]
        return len(found)

    def count(self, tag=None, function=None):
        return len(self._found(tag, function))

    def _found(self, tag, function):
        return [
            key
            for key, row in list(self.rows.items())
            if time.time() < row[1]
            and tag in (None, row[2])
            and function in (None, key.rpartition(":")[0])
        ]


class AsyncWholeBackend(AsyncBackend):
    """The same for asynchronous code."""

    def __init__(self, plain: WholeBackend) -> None:
        self.plain = plain
        self.capabilities = plain.capabilities

    async def load(self, key, tag=None):
        return self.plain.load(key, tag)

    async def store(self, key, entry, ttl, tag=""):
        self.plain.store(key, entry, ttl, tag)

    async def delete(self, key):
        return self.plain.delete(key)

    async def clear(self, tag=None):
        return self.plain.clear(tag)

    async def count(self, tag=None, function=None):
        return self.plain.count(tag, function)


class Plugin:
    """Makes backends of one kind, on shelves that are there as long as the process."""

    def __init__(self, name, make) -> None:
        self.name, self.make, self.rack = name, make, {}

    def shelf(self, region) -> Shelf:
        return self.rack.setdefault(region.namespace, Shelf(region))

    def of(self, package) -> Shelf:
        """Return the shelf of *package*, which has used one region."""
        (found,) = (shelf for shelf in self.rack.values() if shelf.name[0] == package)
        return found


class StorePlugin(Plugin):
    @hookimpl
    def cachu_make_backend(self, name, region):
        return self.make(self.shelf(region), self.rack) if name == self.name else None


class AsyncStorePlugin(Plugin):
    @hookimpl
    def cachu_make_async_backend(self, name, region):
        return self.make(self.shelf(region), self.rack) if name == self.name else None


class WholePlugin(Plugin):
    @hookimpl
    def cachu_make_backend(self, name, region):
        return self.make(self.shelf(region)) if name == self.name else None

    @hookimpl
    def cachu_make_async_backend(self, name, region):
        if name == self.name:
            return AsyncWholeBackend(self.make(self.shelf(region)))
        return None


def register(plugin):
    """Register *plugin* under its name and return it."""
    plugins.register(plugin, plugin.name)
    return plugin


DICT = register(StorePlugin("dict", DictStore))
ASYNC_DICT = register(AsyncStorePlugin("async-dict", AsyncDictStore))
FULL = register(StorePlugin("full", FullStore))
BATCH = register(StorePlugin("batch", BatchStore))
LEASES_ONLY = register(StorePlugin("leases-only", LeasesOnly))
WATCHING = register(StorePlugin("watching", WatchingStore))
LEASE = register(StorePlugin("lease", LeaseStore))
WHOLE = register(WholePlugin("whole", WholeBackend))
