"""The same as `cachu.backends.clearable` for asynchronous code."""

from __future__ import annotations

import time

from cachu.backends import Capability
from cachu.backends.clearable import declared
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
from cachu.backends.stores import AsyncStore, Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from cachu.backends import RegionName


class AsyncClearableStore(AsyncStore):
    """Any asynchronous store, with clears; method for method as `ClearableStore`."""

    fences: ClassVar[bool] = True

    def __init__(self, store: AsyncStore, registry: AsyncStore, region: RegionName) -> None:
        self.inner = store
        self.registry = registry
        self.capabilities: Capability = declared(store.capabilities)
        self._batch = Capability.BATCH in store.capabilities
        self._ttl = region[2]
        self._slots = Slots(region[2])
        self._registration = Registration(region)

    async def load(self, key: str, tag: str | None = None) -> bytes | None:
        key = plain(key)
        found: dict[str, bytes] = {}
        if self._batch:
            wanted = names(self._slots.at(time.time(), self._ttl), tag or "")
            found = await self.inner.load_many([key, *wanted])
            data = found.get(key)
        else:
            data = await self.inner.load(key, tag)
        if data is None:
            return None
        return await self._checked(data, found)

    async def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        await self._changed(key)
        stamp = await self._stamp(tag, ttl)
        await self.inner.store(plain(key), stamp.put_on(data), ttl, tag)

    async def delete(self, key: str) -> bool:
        there = await self.load(key) is not None
        await self._changed(key)
        return await self.inner.delete(plain(key)) and there

    async def clear(self, tag: str | None = None) -> int:
        slots = self._slots.alive(time.time())
        gone = [await self.inner.delete(names(slot, tag or "")[-1]) for slot in slots]
        return -1 if any(gone) else 0

    async def regions(self) -> Iterable[RegionName]:
        if Capability.REGIONS in self.inner.capabilities:
            return await self.inner.regions()
        return listed(await self.registry.load_many(RECORDS), time.time())

    async def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        if force:
            await self._changed(key)
        else:
            data = await self.load(key, tag)
            if data is not None:
                return data
        # Before the function runs.
        changed = await self.inner.load(mark(key))
        stamp = await self._stamp(tag, self._ttl)
        return Lease(key, (changed, stamp))

    async def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        stamp: Stamp
        key, (changed, stamp) = lease.key, lease.token
        if await self.inner.load(mark(key)) != changed or not await self._holds(stamp, {}):
            return False
        await self.inner.store(plain(key), stamp.put_on(data), ttl, tag)
        # Somebody may have changed it since we looked.
        if await self.inner.load(mark(key)) == changed:
            return True
        await self.inner.delete(plain(key))
        return False

    async def abandon(self, lease: Lease) -> None:
        """Do nothing: nobody waits for this lease."""

    async def lock_name(self, key: str, tag: str) -> str:
        """Return what to lock while *key* is computed: not what those lock who were overtaken."""
        changed = await self.inner.load(mark(key))
        stamp = await self._stamp(tag, self._ttl)
        return " ".join((key, *(each.hex() for each in (changed or b"", *stamp.tokens))))

    async def close(self) -> None:
        try:
            await self.inner.close()
        finally:
            await self.registry.close()

    async def _checked(self, stamped: bytes, found: dict[str, bytes]) -> bytes | None:
        """Return the data of an entry unless it was cleared."""
        parts = parted(stamped)
        if parts is None:
            return stamped  # foreign; whoever unpacks it says so
        stamp, data = parts
        return data if await self._holds(stamp, found) else None

    async def _holds(self, stamp: Stamp, found: dict[str, bytes]) -> bool:
        missing = [name for name in stamp.names if name not in found]
        if missing:
            found = found | await self._many(missing)
        return stamp.holds(found)

    async def _many(self, keys: list[str]) -> dict[str, bytes]:
        if self._batch:
            return await self.inner.load_many(keys)
        loaded = {key: await self.inner.load(key) for key in keys}
        return {key: data for key, data in loaded.items() if data is not None}

    async def _stamp(self, tag: str, ttl: float) -> Stamp:
        """Return the tokens that count now; make those that are not there."""
        now = time.time()
        await self._register(now, ttl)
        slot = self._slots.at(now, ttl)
        wanted = names(slot, tag)
        found = await self._many(wanted)
        for name in wanted:
            if name not in found:
                found[name] = token()
                await self.inner.store(name, found[name], self._slots.life(slot, now))
        return Stamp(slot, tag, [found[name] for name in wanted])

    async def _changed(self, key: str) -> None:
        """Keep out whoever computes *key* now, in any process."""
        await self.inner.store(mark(key), token(), MARK_LIFE)

    async def _register(self, now: float, ttl: float) -> None:
        ours, life = self._registration, self._slots.registered(ttl)
        if Capability.REGIONS in self.inner.capabilities or not ours.is_due(now, life):
            return
        added = ours.added_to(await self.registry.load(ours.record), now, life)
        if added is not None:
            await self.registry.store(ours.record, *added)
