"""What cached functions call where there is no store that guards itself.

A `Backend` that a plugin made by itself is called past a guard, and one that could not be made is
stood in for.
"""

from __future__ import annotations

from cachu.backends import AsyncBackend, Backend, Capability

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from cachu.backends import RegionName
    from cachu.backends.guards import Guard
    from cachu.entries import CacheEntry, NoValue
    from cachu.errors import BackendError


class GuardedBackend(Backend):
    """Calls a backend past a guard: whatever it raises is a `BackendError`."""

    def __init__(self, backend: Backend, guard: Guard) -> None:
        self._backend = backend
        self._reads = guard.reads
        self._writes = guard.writes
        self.capabilities: Capability = backend.capabilities
        self.ttl: float = backend.ttl

    def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        return self._reads.run(self._backend.load, key, tag)

    def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        self._writes.run(self._backend.store, key, entry, ttl, tag)

    def delete(self, key: str) -> bool:
        return self._writes.run(self._backend.delete, key)

    def clear(self, tag: str | None = None) -> int:
        return self._writes.run(self._backend.clear, tag)

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        return self._reads.run(self._backend.count, tag, function)

    def regions(self) -> Iterable[RegionName]:
        return self._reads.ask(lambda: list(self._backend.regions()))

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
        work = self._backend.get_or_create
        return self._writes.run(work, key, create, usable, ttl, tag, force=force)


class StandIn(Backend):
    """Stands in for a backend that could not be made: every operation says why."""

    def __init__(self, error: BackendError) -> None:
        self._error = error

    def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        raise self._error

    def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        raise self._error

    def delete(self, key: str) -> bool:
        raise self._error

    def clear(self, tag: str | None = None) -> int:
        raise self._error

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        raise self._error

    def regions(self) -> Iterable[RegionName]:
        raise self._error


class AsyncStandIn(AsyncBackend):
    """The same for asynchronous code."""

    def __init__(self, error: BackendError) -> None:
        self._error = error

    async def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        raise self._error

    async def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        raise self._error

    async def delete(self, key: str) -> bool:
        raise self._error

    async def clear(self, tag: str | None = None) -> int:
        raise self._error

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        raise self._error

    async def regions(self) -> Iterable[RegionName]:
        raise self._error


class AsyncGuardedBackend(AsyncBackend):
    """The same for asynchronous code."""

    def __init__(self, backend: AsyncBackend, guard: Guard) -> None:
        self._backend = backend
        self._reads = guard.reads
        self._writes = guard.writes
        self.capabilities: Capability = backend.capabilities
        self.ttl: float = backend.ttl

    async def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        return await self._reads.run_async(self._backend.load, key, tag)

    async def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        await self._writes.run_async(self._backend.store, key, entry, ttl, tag)

    async def delete(self, key: str) -> bool:
        return await self._writes.run_async(self._backend.delete, key)

    async def clear(self, tag: str | None = None) -> int:
        return await self._writes.run_async(self._backend.clear, tag)

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        return await self._reads.run_async(self._backend.count, tag, function)

    async def regions(self) -> Iterable[RegionName]:
        return await self._reads.ask_async(self._backend.regions)

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
        work = self._backend.get_or_create
        return await self._writes.run_async(work, key, create, usable, ttl, tag, force=force)
