"""What people use to reach cached values directly: one class for plain, one for asynchronous code.

`get_backend` and `get_async_backend` return these. A plugin may implement them, but seldom needs
to: it writes a `Store` (see `cachu.backends.stores`), and cachu makes both of them out of it.
"""

from __future__ import annotations

import enum
import time
from abc import ABC, abstractmethod
from math import inf

from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.ttls import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import timedelta
    from typing import Any, TypeAlias

    Ttl: TypeAlias = float | timedelta | None
    # A region as a store lists it: its package, its key prefix, its time to live in seconds.
    RegionName: TypeAlias = tuple[str, str, float]

__all__ = ["AsyncBackend", "Backend", "Capability"]


class Capability(enum.Flag):
    """What a backend or store can do beyond keeping, finding and deleting an entry.

    Attributes:
        NONE: Nothing more.
        CLEAR: Forget all entries of a region.
        TAGS: Forget the entries with a tag.
        COUNT: Count fresh entries.
        EXPIRY: Drop stale entries by itself.
        REGIONS: List the regions that it holds, also from a cold process.
        LEASES: Let one caller at a time make a value, and fence the others off.
        BATCH: Load several keys in one round trip.
        SHARED: Other processes see the same entries.
        PERSISTENT: Entries survive the process.
    """

    NONE = 0
    CLEAR = enum.auto()
    TAGS = enum.auto()
    COUNT = enum.auto()
    EXPIRY = enum.auto()
    REGIONS = enum.auto()
    LEASES = enum.auto()
    BATCH = enum.auto()
    SHARED = enum.auto()
    PERSISTENT = enum.auto()


class Backend(ABC):
    """The entries of one region, for plain code.

    Keys are what `f.key(...)` returns, or any text of your own. Times to live are seconds, with
    `math.inf` for entries that never expire.

    Attributes:
        capabilities: What this backend can do; calls for anything else raise `CapabilityError`.
        ttl: The time to live, in seconds, of entries that `set` is given none for.
    """

    capabilities: Capability = Capability.NONE
    ttl: float = inf

    @abstractmethod
    def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        """Return the entry under *key*, or `NO_VALUE` if there is none or it is stale.

        Args:
            key: The key.
            tag: The tag that the entry was stored with, if the caller knows it. Some backends
                need one round trip less then; none gives another answer.
        """

    @abstractmethod
    def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        """Keep *entry* under *key* until *ttl* seconds after it was made."""

    @abstractmethod
    def delete(self, key: str) -> bool:
        """Forget the entry under *key* and say whether there was one."""

    @abstractmethod
    def clear(self, tag: str | None = None) -> int:
        """Forget all entries of the region, or those with *tag*.

        Returns:
            How many there were, or -1 if the backend does not count what it clears.
        """

    @abstractmethod
    def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count the fresh entries of the region.

        Args:
            tag: Only those with this tag.
            function: Only those of this function: the part of their keys before the last colon.
        """

    def regions(self) -> Iterable[RegionName]:
        """List the regions of all packages that this backend shares with other processes.

        Returns:
            The package, the key prefix and the time to live, in seconds, of each; nothing where
            this process knows all there are.
        """
        return ()

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
        """Return the entry under *key*, or let one caller at a time make it.

        The callers of one process have already been put in line. A backend that several processes
        share puts those in line too, and fences off a caller that was overtaken.

        Args:
            key: The key.
            create: Makes the entry; `NO_VALUE` means that there is nothing to keep.
            usable: Whether an entry that is found may be returned instead.
            ttl: The time to live of a new entry, in seconds.
            tag: Its tag.
            force: Wait for nobody who is making it, and fence them off.

        Returns:
            The entry found or made, or `NO_VALUE` if *create* had nothing to keep.
        """
        entry = create()
        if entry is not NO_VALUE:
            self.store(key, entry, ttl, tag)
        return entry

    def close(self) -> None:
        """Let go of files, connections and threads; closing twice is no error."""

    def get(self, key: str, default: Any = NO_VALUE) -> Any:
        """Return the value under *key*, or *default*, which is `NO_VALUE` unless given."""
        entry = self.load(key)
        return default if entry is NO_VALUE else entry.value

    def set(self, key: str, value: Any, ttl: Ttl | NoValue = NO_VALUE, tag: str = "") -> None:
        """Keep *value* under *key*.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds, a `timedelta`, or None for ever; by default the region's own.
            tag: A tag to clear it by.
        """
        life = self.ttl if ttl is NO_VALUE else seconds(ttl)
        if life <= 0:
            self.delete(key)
        else:
            self.store(key, CacheEntry(value, time.time()), life, tag)


class AsyncBackend(ABC):
    """The entries of one region, for asynchronous code; method for method as `Backend`."""

    capabilities: Capability = Capability.NONE
    ttl: float = inf

    @abstractmethod
    async def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        """Return the entry under *key*, or `NO_VALUE`; see `Backend.load`."""

    @abstractmethod
    async def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        """Keep *entry* under *key*; see `Backend.store`."""

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Forget the entry under *key* and say whether there was one."""

    @abstractmethod
    async def clear(self, tag: str | None = None) -> int:
        """Forget all entries of the region, or those with *tag*; see `Backend.clear`."""

    @abstractmethod
    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count the fresh entries of the region; see `Backend.count`."""

    async def regions(self) -> Iterable[RegionName]:
        """List the regions of all packages; see `Backend.regions`."""
        return ()

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
        """Return the entry under *key*, or let one caller make it; see `Backend.get_or_create`."""
        entry = await create()
        if entry is not NO_VALUE:
            await self.store(key, entry, ttl, tag)
        return entry

    async def close(self) -> None:
        """Let go of files, connections and threads; closing twice is no error."""

    async def get(self, key: str, default: Any = NO_VALUE) -> Any:
        """Return the value under *key*, or *default*, which is `NO_VALUE` unless given."""
        entry = await self.load(key)
        return default if entry is NO_VALUE else entry.value

    async def set(self, key: str, value: Any, ttl: Ttl | NoValue = NO_VALUE, tag: str = "") -> None:
        """Keep *value* under *key*; see `Backend.set`."""
        life = self.ttl if ttl is NO_VALUE else seconds(ttl)
        if life <= 0:
            await self.delete(key)
        else:
            await self.store(key, CacheEntry(value, time.time()), life, tag)
