"""Stores that cannot clear by themselves, made so that they can; see `cachu.backends.generations`.

They also keep out, between processes, what was overtaken by a clear, a delete or a set: a lease
remembers the tokens, and the mark of the last change of its key, from before the function ran.
"""

from __future__ import annotations

import time

from cachu.backends import Capability
from cachu.backends.generations import (
    MARK_LIFE,
    Slots,
    Stamp,
    mark,
    names,
    parted,
    plain,
    token,
)
from cachu.backends.registries import RECORDS, Registration, listed
from cachu.backends.stores import Lease, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from cachu.backends import RegionName


def declared(inner: Capability) -> Capability:
    """Return what a clearable store declares over one that declares *inner*."""
    # What was cleared is still there, so the store would count too many; and its leases would have
    # callers wait for those who began before a clear.
    lost = Capability.COUNT | Capability.LEASES
    return (inner & ~lost) | Capability.CLEAR | Capability.TAGS | Capability.REGIONS


class ClearableStore(Store):
    """A store that does not declare `CLEAR`, with clears.

    Args:
        store: The store.
        registry: The store of the reserved region.
        region: What to register there.
    """

    fences: ClassVar[bool] = True

    def __init__(self, store: Store, registry: Store, region: RegionName) -> None:
        self.inner = store
        self.registry = registry
        self.capabilities: Capability = declared(store.capabilities)
        self._batch = Capability.BATCH in store.capabilities
        self._ttl = region[2]
        self._slots = Slots(region[2])
        self._registration = Registration(region)

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        key = plain(key)
        found: dict[str, bytes] = {}
        if self._batch:
            wanted = names(self._slots.at(time.time(), self._ttl), tag or "")
            found = self.inner.load_many([key, *wanted])
            data = found.get(key)
        else:
            data = self.inner.load(key, tag)
        if data is None:
            return None
        return self._checked(data, found)

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        self._changed(key)
        stamp = self._stamp(tag, ttl)
        self.inner.store(plain(key), stamp.put_on(data), ttl, tag)

    def delete(self, key: str) -> bool:
        there = self.load(key) is not None
        self._changed(key)
        return self.inner.delete(plain(key)) and there

    def clear(self, tag: str | None = None) -> int:
        slots = self._slots.alive(time.time())
        gone = [self.inner.delete(names(slot, tag or "")[-1]) for slot in slots]
        return -1 if any(gone) else 0

    def regions(self) -> Iterable[RegionName]:
        if Capability.REGIONS in self.inner.capabilities:
            return self.inner.regions()
        return listed(self.registry.load_many(RECORDS), time.time())

    def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        if force:
            self._changed(key)
        else:
            data = self.load(key, tag)
            if data is not None:
                return data
        # Before the function runs.
        changed = self.inner.load(mark(key))
        stamp = self._stamp(tag, self._ttl)
        return Lease(key, (changed, stamp))

    def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        stamp: Stamp
        key, (changed, stamp) = lease.key, lease.token
        if self.inner.load(mark(key)) != changed or not self._holds(stamp, {}):
            return False
        self.inner.store(plain(key), stamp.put_on(data), ttl, tag)
        # Somebody may have changed it since we looked.
        if self.inner.load(mark(key)) == changed:
            return True
        self.inner.delete(plain(key))
        return False

    def abandon(self, lease: Lease) -> None:
        """Do nothing: nobody waits for this lease."""

    def lock_name(self, key: str, tag: str) -> str:
        """Return what to lock while *key* is computed: not what those lock who were overtaken."""
        changed = self.inner.load(mark(key))
        stamp = self._stamp(tag, self._ttl)
        return " ".join((key, *(each.hex() for each in (changed or b"", *stamp.tokens))))

    def close(self) -> None:
        try:
            self.inner.close()
        finally:
            self.registry.close()

    def _checked(self, stamped: bytes, found: dict[str, bytes]) -> bytes | None:
        """Return the data of an entry unless it was cleared."""
        parts = parted(stamped)
        if parts is None:
            return stamped  # foreign; whoever unpacks it says so
        stamp, data = parts
        return data if self._holds(stamp, found) else None

    def _holds(self, stamp: Stamp, found: dict[str, bytes]) -> bool:
        missing = [name for name in stamp.names if name not in found]
        if missing:
            found = found | self._many(missing)
        return stamp.holds(found)

    def _many(self, keys: list[str]) -> dict[str, bytes]:
        if self._batch:
            return self.inner.load_many(keys)
        loaded = {key: self.inner.load(key) for key in keys}
        return {key: data for key, data in loaded.items() if data is not None}

    def _stamp(self, tag: str, ttl: float) -> Stamp:
        """Return the tokens that count now; make those that are not there."""
        now = time.time()
        self._register(now, ttl)
        slot = self._slots.at(now, ttl)
        wanted = names(slot, tag)
        found = self._many(wanted)
        for name in wanted:
            if name not in found:
                found[name] = token()
                self.inner.store(name, found[name], self._slots.life(slot, now))
        return Stamp(slot, tag, [found[name] for name in wanted])

    def _changed(self, key: str) -> None:
        """Keep out whoever computes *key* now, in any process."""
        self.inner.store(mark(key), token(), MARK_LIFE)

    def _register(self, now: float, ttl: float) -> None:
        ours, life = self._registration, self._slots.registered(ttl)
        if Capability.REGIONS in self.inner.capabilities or not ours.is_due(now, life):
            return
        added = ours.added_to(self.registry.load(ours.record), now, life)
        if added is not None:
            self.registry.store(ours.record, *added)
