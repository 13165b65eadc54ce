"""The same as `cachu.backends.stored` for asynchronous code."""

from __future__ import annotations

from contextlib import nullcontext, suppress

from cachu.backends import AsyncBackend, Capability
from cachu.backends.lanes import PASSED
from cachu.backends.packing import Packing, lease_of
from cachu.backends.patience import AsyncPatient
from cachu.backends.stores import Lease
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import BackendError, SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from cachu.backends import RegionName
    from cachu.backends.stores import AsyncStore


class AsyncStoreBackend(Packing, AsyncBackend):
    """The backend of an `AsyncStore`."""

    wrapped: AsyncStore

    async def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        reads = self._reads
        if reads.troubled:
            reads.enter()
        try:
            data = await self._load(key, tag)
        except PASSED:
            raise
        except Exception as error:
            raise reads.failed(error) from error
        if reads.troubled:
            reads.recovered()
        if data is None:
            return NO_VALUE
        try:
            return self._unpack(key, data)
        except SerializationError as error:
            if self._refuse(error) is None:
                with suppress(BackendError):  # counted, and the entry is as useless as before
                    await self._writes.run_async(self.wrapped.delete, key)
            return NO_VALUE

    async def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        data = self._codec.pack(key, entry, ttl)
        writes = self._writes
        async with self._turns.setting(key, self._lock_timeout):
            if writes.troubled:
                writes.enter()
            try:
                await self.wrapped.store(key, data, ttl, tag)
            except PASSED:
                raise
            except Exception as error:
                raise writes.failed(error) from error
            if writes.troubled:
                writes.recovered()

    async def delete(self, key: str) -> bool:
        async with self._turns.deleting(key, self._lock_timeout):
            return await self._writes.run_async(self.wrapped.delete, key)

    async def clear(self, tag: str | None = None) -> int:
        async with self._turns.clearing(self._lock_timeout):
            return await self._writes.run_async(self.wrapped.clear, tag)

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        return await self._reads.run_async(self.wrapped.count, tag, function)

    async def regions(self) -> Iterable[RegionName]:
        if Capability.REGIONS not in self.capabilities:
            return ()
        return await self._reads.ask_async(self.wrapped.regions)

    async def close(self) -> None:
        await self.wrapped.close()

    async def get_or_create(
        self,
        key: str,
        create: Callable[[], Awaitable[CacheEntry | NoValue]],
        usable: Callable[[CacheEntry], bool],
        ttl: float,
        tag: str = "",
        *,
        force: bool = False,
    ) -> CacheEntry | NoValue:
        if self._locks is None or force:
            return await self._create(key, create, usable, ttl, tag, force=force)
        name = key
        if self._fences:
            name = await self._writes.begin_async(self._name_lock, key, tag)
        async with AsyncPatient(self._locks, name, self._lock_timeout, self._writes):
            entry = await self.load(key, tag)
            if entry is not NO_VALUE and usable(entry):
                return entry
            return await self._create(key, create, usable, ttl, tag)

    async def _create(
        self,
        key: str,
        create: Callable[[], Awaitable[CacheEntry | NoValue]],
        usable: Callable[[CacheEntry], bool],
        ttl: float,
        tag: str,
        *,
        force: bool = False,
    ) -> CacheEntry | NoValue:
        if self._fences:
            return await self._under_lease(key, create, usable, ttl, tag, force=force)
        entry = await create()
        if entry is not NO_VALUE:
            data = self._seal(key, entry, ttl)
            if data is None:
                return NO_VALUE
            await self._writes.run_async(self.wrapped.store, key, data, ttl, tag)
        return entry

    async def _under_lease(
        self,
        key: str,
        create: Callable[[], Awaitable[CacheEntry | NoValue]],
        usable: Callable[[CacheEntry], bool],
        ttl: float,
        tag: str,
        *,
        force: bool,
    ) -> CacheEntry | NoValue:
        found = await self._begin(key, tag, force=force)
        entry = self._opened(key, found, usable)
        if entry is not None:
            return entry
        if isinstance(found, Lease):
            return await self._leased(found, key, create, ttl, tag)
        async with self._in_line(key):
            found = await self._begin(key, tag, force=False)
            entry = self._opened(key, found, usable)
            if entry is not None:
                return entry
            if not isinstance(found, Lease):
                found = await self._begin(key, tag, force=True)
            lease = lease_of(found, self.wrapped)
            return await self._leased(lease, key, create, ttl, tag)

    async def _begin(self, key: str, tag: str, *, force: bool) -> bytes | Lease:
        begin = self.wrapped.begin
        return await self._writes.begin_async(begin, key, tag, wait=self._lock_timeout, force=force)

    async def _leased(
        self,
        lease: Lease,
        key: str,
        create: Callable[[], Awaitable[CacheEntry | NoValue]],
        ttl: float,
        tag: str,
    ) -> CacheEntry | NoValue:
        kept = False
        try:
            entry = await create()
            data = None if entry is NO_VALUE else self._seal(key, entry, ttl)
            if data is not None:
                await self._writes.commit_async(self.wrapped.commit, lease, data, ttl, tag)
                kept = True
        finally:
            if not kept:
                with suppress(BackendError):  # counted; it must not hide what went wrong before
                    await self._writes.abandon_async(self.wrapped.abandon, lease)
        return NO_VALUE if data is None else entry

    def _in_line(self, key: str) -> AbstractAsyncContextManager[object]:
        """Put in line, also with other processes, who may not use what is there."""
        if self._line is None:
            return nullcontext()
        return AsyncPatient(self._line, f"{key} in line", self._lock_timeout, self._writes)
