"""The null backend: keeps nothing, so that every call runs its function."""

from __future__ import annotations

from cachu.backends import AsyncBackend, Backend, Capability
from cachu.entries import NO_VALUE, CacheEntry, NoValue

TYPE_CHECKING = False

_ALL = Capability.CLEAR | Capability.TAGS | Capability.COUNT


class NullBackend(Backend):
    """Accepts everything and keeps nothing."""

    capabilities: Capability = _ALL

    def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        return NO_VALUE

    def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        """Keep nothing."""

    def delete(self, key: str) -> bool:
        return False

    def clear(self, tag: str | None = None) -> int:
        return 0

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        return 0


class AsyncNullBackend(AsyncBackend):
    """Accepts everything and keeps nothing, for asynchronous code."""

    capabilities: Capability = _ALL

    async def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        return NO_VALUE

    async def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        """Keep nothing."""

    async def delete(self, key: str) -> bool:
        return False

    async def clear(self, tag: str | None = None) -> int:
        return 0

    async def count(
        self,
        tag: str | None = None,
        function: str | None = None,
    ) -> int:
        return 0
