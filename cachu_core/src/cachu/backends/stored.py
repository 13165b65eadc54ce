"""A backend made out of a store: values instead of bytes, and one caller at a time per key."""

from __future__ import annotations

import time

from cachu.backends import AsyncBackend, Backend, Capability
from cachu.backends.stores import AsyncStore, Lease, Store
from cachu.backends.turns import Turns
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import SerializationError
from cachu.flights import Flights
from cachu.serializers.envelope import OtherSerializerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager
    from logging import Logger
    from typing import Final

    from cachu.backends import RegionName
    from cachu.locks import LockProvider, Mutex
    from cachu.serializers.envelope import Codec

# How long a lock that was taken is left alone, in seconds: less at first, then more.
_SHORTEST: Final = 0.001
_LONGEST: Final = 0.05


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
        turns: Turns | None,
    ) -> None:
        self._codec = codec
        self._label = label
        self._locks = locks
        self._lock_timeout = lock_timeout
        self._turns = turns or Turns(Flights())
        self.ttl = ttl
        self.rejected: int = 0
        self.unstorable: int = 0

    def _open(self, data: bytes) -> CacheEntry | NoValue | None:
        """Return the entry in *data*, `NO_VALUE` if it will not do, None if it is to be deleted."""
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
            # What is whole is left to those who use that serializer.
            return NO_VALUE if isinstance(error, OtherSerializerError) else None

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
        turns: Turns | None = None,
    ) -> None:
        super().__init__(codec, label, ttl, locks, lock_timeout, turns)
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
        with self._turns.setting(key, self._lock_timeout):
            self.wrapped.store(key, data, ttl, tag)

    def delete(self, key: str) -> bool:
        with self._turns.deleting(key, self._lock_timeout):
            return self.wrapped.delete(key)

    def clear(self, tag: str | None = None) -> int:
        with self._turns.clearing(self._lock_timeout):
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

        mutex = _Patient(self._locks.mutex(key), self._lock_timeout)
        with Lock(mutex, made, look, None) as entry:  # type: ignore[no-untyped-call]
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
        turns: Turns | None = None,
    ) -> None:
        super().__init__(codec, label, ttl, locks, lock_timeout, turns)
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
        async with self._turns.setting(key, self._lock_timeout):
            await self.wrapped.store(key, data, ttl, tag)

    async def delete(self, key: str) -> bool:
        async with self._turns.deleting(key, self._lock_timeout):
            return await self.wrapped.delete(key)

    async def clear(self, tag: str | None = None) -> int:
        async with self._turns.clearing(self._lock_timeout):
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
        from contextlib import AsyncExitStack

        lock = self._locks.async_lock(key)
        async with AsyncExitStack() as held:
            if await _entered(lock, self._lock_timeout):
                held.push_async_exit(lock)
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


class _Patient:
    """A lock that is waited for no longer than *timeout* seconds; after that there is none."""

    def __init__(self, mutex: Mutex, timeout: float) -> None:
        self._mutex = mutex
        self._timeout = timeout
        self._held = False

    def acquire(self, wait: bool = True) -> bool:
        give_up, pause = time.monotonic() + self._timeout, _SHORTEST
        self._held = self._mutex.acquire(False)
        while wait and not self._held and (left := give_up - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST)
            self._held = self._mutex.acquire(False)
        return self._held

    def release(self) -> None:
        if self._held:
            self._held = False
            self._mutex.release()


async def _entered(lock: AbstractAsyncContextManager[object], timeout: float) -> bool:
    """Take *lock*, and say whether that was done within *timeout* seconds."""
    import asyncio

    try:
        await asyncio.wait_for(lock.__aenter__(), timeout)
    except asyncio.TimeoutError:
        return False
    return True


def _lease(found: bytes | Lease, store: object) -> Lease:
    if isinstance(found, Lease):
        return found
    message = f"{type(store).__name__}.begin(force=True) must return a Lease"
    raise TypeError(message)


def _log() -> Logger:
    import logging

    return logging.getLogger("cachu")
