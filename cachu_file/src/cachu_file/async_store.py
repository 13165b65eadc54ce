"""The file store for asynchronous code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cachu.backends.stores import AsyncStore, Lease
from cachu_file import claims, reads, removals, upkeep, writes
from cachu_file.couriers import Couriers
from cachu_file.errors import AbsentError
from cachu_file.leases import Claim
from cachu_file.patience import Patience
from cachu_file.store import CAPABILITIES, RegionStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cachu.backends import RegionName
    from cachu.regions import Region


class AsyncFileStore(RegionStore, AsyncStore):
    """One region of a package's database, for asynchronous code; method for method as `FileStore`.

    Args:
        region: The region.
    """

    capabilities = CAPABILITIES
    shares_all = True

    def __init__(self, region: Region) -> None:
        super().__init__(region)
        self._couriers = Couriers.of(self.engine)
        self.engine.users.add(self)
        self.engine.async_users.add(self)
        self._spell = self.region.key

    async def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key*, or None."""
        held = self.near.find(key)
        if held is not None:
            return held
        spelled = self._spell(key)
        try:
            return await self._couriers.run(reads.load_near, False, False, spelled, self.near, key)
        except AbsentError:
            return None

    async def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*."""
        entry = self.entry(key, data, ttl, tag)
        await self._couriers.run(writes.store_soon, True, True, self.region, entry)

    async def delete(self, key: str) -> bool:
        """Forget the data under *key*, and say whether it was there."""
        try:
            return await self._couriers.run(removals.delete, False, True, self._spell(key))
        except AbsentError:
            return False

    async def clear(self, tag: str | None = None) -> int:
        """Forget all data of the region, or that with *tag*; say how much was fresh."""
        spelled = self.tag(tag)
        try:
            return await self._couriers.run(removals.clear, False, True, self.region, spelled)
        except AbsentError:
            return 0

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh."""
        bounds = self.region, self.tag(tag), function
        try:
            return await self._couriers.run(reads.count, False, False, *bounds)
        except AbsentError:
            return 0

    async def regions(self) -> Iterable[RegionName]:
        """List the regions of all packages in the directory."""
        return await asyncio.to_thread(self.all_regions)

    async def load_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what there is under each of *keys*."""
        spelled = {self._spell(key): key for key in keys}
        try:
            found = await self._couriers.run(reads.load_many, False, False, list(spelled))
        except AbsentError:
            return {}
        return {spelled[key]: data for key, data in found.items()}

    async def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        """Return the data under *key*, or a lease to make it."""
        spelled, kind = self._spell(key), self.region.tag(tag) if tag else None
        claim, patience = Claim(), Patience(wait)
        lease = Lease(key, claim)
        try:
            while True:
                data = await self._couriers.run(
                    claims.begin, True, True, self.region, spelled, kind, claim, force
                )
                if data is not None:
                    return data
                if claim.counts:
                    return lease
                pause = patience.pause()
                if not pause:
                    return lease
                await asyncio.sleep(pause)
        except BaseException:
            claim.release()
            raise

    async def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        """Store what was made under *lease*, unless it was overtaken."""
        claim: Claim = lease.token
        if not claim.counts:
            return False
        entry = self.entry(lease.key, data, ttl, tag)
        try:
            return await self._couriers.run(writes.commit, True, True, self.region, entry, claim)
        finally:
            claim.release()

    async def abandon(self, lease: Lease) -> None:
        """Give up *lease*, so that the next caller may try."""
        lease.token.release()

    async def sweep(self, grace: float = upkeep.GRACE) -> int:
        """Remove files that a killed process left behind; see `FileStore.sweep`."""
        try:
            return await self._couriers.run(upkeep.sweep, False, True, grace)
        except AbsentError:
            return 0

    async def close(self) -> None:
        """Close the database if no other region uses it; the next call opens it again."""
        self.engine.async_users.discard(self)
        self.engine.users.discard(self)
        if not self.engine.async_users:
            await self._couriers.close()
        if not self.engine.users:
            self.engine.close()
