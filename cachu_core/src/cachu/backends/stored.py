"""A backend made out of a store: values instead of bytes, and one caller at a time per key."""

from __future__ import annotations

from cachu.backends import AsyncBackend, Backend, Capability
from cachu.backends.stores import AsyncStore, Lease, Store
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import SerializationError
from cachu.flights import Flights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from logging import Logger

    from cachu.backends import RegionName
    from cachu.locks import LockProvider
    from cachu.serializers.envelope import Codec


class _Packing:
    """What both colours do with bytes, and what they count.

    Attributes:
        rejected: How many entries were found that could not be read.
        unstorable: How many values could not be turned into bytes.
    """

    def __init__(
        self,
        codec: Codec,
        label: str,
        ttl: float,
        locks: LockProvider | None,
        lock_timeout: float,
        flights: Flights | None,
    ) -> None:
        self._codec = codec
        self._label = label
        self._locks = locks
        self._lock_timeout = lock_timeout
        # What is being computed for this store in this process.
        self._flights = flights or Flights()
        self.ttl = ttl
        self.rejected: int = 0
        self.unstorable: int = 0

    def _open(self, data: bytes) -> CacheEntry | NoValue | None:
        """Return the entry in *data*, `NO_VALUE` if it is stale, None if it cannot be read."""
        try:
            return self._codec.unpack(data)
        except SerializationError as error:
            self.rejected += 1
            if self.rejected == 1:
                _log().warning(
                    "An entry of %s was not used: %s. Further ones are only counted.",
                    self._label,
                    error,
                )
            return None

    def _seal(self, entry: CacheEntry, ttl: float) -> bytes | None:
        """Return *entry* as bytes; None if that cannot be done, which is no reason to fail."""
        try:
            return self._codec.pack(entry, ttl)
        except SerializationError as error:
            self.unstorable += 1
            if self.unstorable == 1:
                _log().warning(
                    "SerializationError: a result was not stored in %s: %s. Further ones are only "
                    "counted.",
                    self._label,
                    error,
                )
            return None


class StoreBackend(_Packing, Backend):
    """The backend of a `Store`."""

    def __init__(
        self,
        store: Store,
        codec: Codec,
        label: str,
        ttl: float,
        locks: LockProvider | None = None,
        lock_timeout: float = 30.0,
        flights: Flights | None = None,
    ) -> None:
        super().__init__(codec, label, ttl, locks, lock_timeout, flights)
        self.wrapped = store
        self.capabilities: Capability = store.capabilities

    def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        data = self.wrapped.load(key, tag)
        if data is None:
            return NO_VALUE
        entry = self._open(data)
        if entry is None:
            self.wrapped.delete(key)
            return NO_VALUE
        return entry

    def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        data = self._codec.pack(entry, ttl)
        self._flights.fence(key)
        self.wrapped.store(key, data, ttl, tag)

    def delete(self, key: str) -> bool:
        self._flights.fence(key)
        return self.wrapped.delete(key)

    def clear(self, tag: str | None = None) -> int:
        self._flights.fence_all()
        return self.wrapped.clear(tag)

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        return self.wrapped.count(tag, function)

    def regions(self) -> Iterable[RegionName]:
        return self.wrapped.regions() if Capability.REGIONS in self.capabilities else ()

    def close(self) -> None:
        self.wrapped.close()

    def get_or_create(
        self,
        key: str,
        create: Callable[[], CacheEntry | NoValue],
        usable: Callable[[CacheEntry], bool],
        ttl: float,
        tag: str = "",
        *,
        force: bool = False,
    ) -> CacheEntry | NoValue:
        if Capability.LEASES in self.capabilities:
            return self._under_lease(key, create, usable, ttl, tag, force=force)

        def make() -> CacheEntry | NoValue:
            entry = create()
            if entry is not NO_VALUE:
                data = self._seal(entry, ttl)
                if data is not None:
                    self.wrapped.store(key, data, ttl, tag)
            return entry

        if self._locks is None or force:
            return make()
        from dogpile import Lock, NeedRegenerationException

        def look() -> tuple[CacheEntry, float]:
            entry = self.load(key, tag)
            if entry is NO_VALUE or not usable(entry):
                raise NeedRegenerationException
            return entry, entry.created_at

        def made() -> tuple[CacheEntry | NoValue, float]:
            entry = make()
            return entry, 0.0 if entry is NO_VALUE else entry.created_at

        with Lock(self._locks.mutex(key), made, look, None) as entry:  # type: ignore[no-untyped-call]
            return entry  # type: ignore[no-any-return]

    def _under_lease(
        self,
        key: str,
        create: Callable[[], CacheEntry | NoValue],
        usable: Callable[[CacheEntry], bool],
        ttl: float,
        tag: str,
        *,
        force: bool,
    ) -> CacheEntry | NoValue:
        found = self.wrapped.begin(key, tag, wait=self._lock_timeout, force=force)
        if not isinstance(found, Lease):
            entry = self._open(found)
            if isinstance(entry, CacheEntry) and usable(entry):
                return entry
            found = self.wrapped.begin(key, tag, wait=self._lock_timeout, force=True)
        lease = _lease(found, self.wrapped)
        data = None
        try:
            entry = create()
            data = None if entry is NO_VALUE else self._seal(entry, ttl)
        finally:
            if data is None:
                self.wrapped.abandon(lease)
        if data is not None:
            self.wrapped.commit(lease, data, ttl, tag)
        return entry


class AsyncStoreBackend(_Packing, AsyncBackend):
    """The backend of an `AsyncStore`."""

    def __init__(
        self,
        store: AsyncStore,
        codec: Codec,
        label: str,
        ttl: float,
        locks: LockProvider | None = None,
        lock_timeout: float = 30.0,
        flights: Flights | None = None,
    ) -> None:
        super().__init__(codec, label, ttl, locks, lock_timeout, flights)
        self.wrapped = store
        self.capabilities: Capability = store.capabilities

    async def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        data = await self.wrapped.load(key, tag)
        if data is None:
            return NO_VALUE
        entry = self._open(data)
        if entry is None:
            await self.wrapped.delete(key)
            return NO_VALUE
        return entry

    async def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        data = self._codec.pack(entry, ttl)
        self._flights.fence(key)
        await self.wrapped.store(key, data, ttl, tag)

    async def delete(self, key: str) -> bool:
        self._flights.fence(key)
        return await self.wrapped.delete(key)

    async def clear(self, tag: str | None = None) -> int:
        self._flights.fence_all()
        return await self.wrapped.clear(tag)

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        return await self.wrapped.count(tag, function)

    async def regions(self) -> Iterable[RegionName]:
        return await self.wrapped.regions() if Capability.REGIONS in self.capabilities else ()

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
        if Capability.LEASES in self.capabilities:
            return await self._under_lease(key, create, usable, ttl, tag, force=force)
        if self._locks is None or force:
            return await self._make(key, create, ttl, tag)
        async with self._locks.async_lock(key):
            entry = await self.load(key, tag)
            if entry is not NO_VALUE and usable(entry):
                return entry
            return await self._make(key, create, ttl, tag)

    async def _make(
        self, key: str, create: Callable[[], Awaitable[CacheEntry | NoValue]], ttl: float, tag: str
    ) -> CacheEntry | NoValue:
        entry = await create()
        if entry is not NO_VALUE:
            data = self._seal(entry, ttl)
            if data is not None:
                await self.wrapped.store(key, data, ttl, tag)
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
        found = await self.wrapped.begin(key, tag, wait=self._lock_timeout, force=force)
        if not isinstance(found, Lease):
            entry = self._open(found)
            if isinstance(entry, CacheEntry) and usable(entry):
                return entry
            found = await self.wrapped.begin(key, tag, wait=self._lock_timeout, force=True)
        lease = _lease(found, self.wrapped)
        data = None
        try:
            entry = await create()
            data = None if entry is NO_VALUE else self._seal(entry, ttl)
        finally:
            if data is None:
                await self.wrapped.abandon(lease)
        if data is not None:
            await self.wrapped.commit(lease, data, ttl, tag)
        return entry


def _lease(found: bytes | Lease, store: object) -> Lease:
    if isinstance(found, Lease):
        return found
    message = f"{type(store).__name__}.begin(force=True) must return a Lease"
    raise TypeError(message)


def _log() -> Logger:
    import logging

    return logging.getLogger("cachu")
