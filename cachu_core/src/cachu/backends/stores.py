"""What the author of a backend writes: bytes in, bytes out.

A store implements three methods, and as many of the others as it can do better than cachu can
without it. It declares those in `capabilities`. cachu adds everything else: value serializers,
the envelope with its checksum, statistics, single-flight, and the other colour.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from cachu.backends import Capability
from cachu.errors import CapabilityError
from cachu.serializers.held import Held, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cachu.backends import RegionName

__all__ = ["AsyncStore", "Held", "Lease", "Store", "Watch"]


class Lease:
    """The right to make the value of one key, given out by `begin` and used up by `commit`.

    Attributes:
        key: The key.
        token: Whatever the store needs to recognise it: a random token, generations read, a file
            handle.
    """

    __slots__ = ("key", "token")

    key: str
    token: Any

    def __init__(self, key: str, token: Any = None) -> None:
        self.key = key
        self.token = token


def _lacks(store: object, what: Capability) -> CapabilityError:
    return CapabilityError(
        f"{type(store).__name__} does not declare Capability.{what.name}, so it cannot do this"
    )


class Store(ABC):
    """Keeps bytes under keys, for one region, in plain code.

    A key is text of any content and length, unique within the region; up to its last colon it
    names the function. Data is opaque. A method may raise whatever its driver raises.

    Attributes:
        capabilities: What it does beyond `load`, `store` and `delete`.
        shares_all: Whether all that it has open belongs to all stores of its plugin, which see to
            it themselves: one that nobody uses any more may be let go of without being closed.
    """

    capabilities: Capability = Capability.NONE
    shares_all: bool = False

    @abstractmethod
    def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key*, or None.

        Stale data may be returned, its age is checked by cachu. *tag* is the tag that the data
        was stored with if the caller knows it, else None; it never changes the answer. A store
        that keeps data at hand may return it as `Held`, the same object each time: what is in it is
        verified only once. One that is told of every change may return `Held.watched(data, watch)`:
        cached functions then use the entry without asking, for as long as the `Watch` says.
        """

    @abstractmethod
    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*, for at least *ttl* seconds if there is room.

        `math.inf` means for ever. *tag* is the empty text for data without a tag.
        """

    @abstractmethod
    def delete(self, key: str) -> bool:
        """Forget the data under *key*, fence off whoever holds its lease, say if it was there."""

    def clear(self, tag: str | None = None) -> int:
        """Forget all data of the region, or that with *tag* (`CLEAR`, `TAGS`).

        Whatever a `load` that starts afterwards returns was stored by a computation that began
        afterwards. Returns how much was there, -1 if it does not count.
        """
        raise _lacks(self, Capability.CLEAR if tag is None else Capability.TAGS)

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh, in all or with *tag*, or of one *function* (`COUNT`)."""
        raise _lacks(self, Capability.COUNT)

    def regions(self) -> Iterable[RegionName]:
        """List the regions of every package in this store (`REGIONS`).

        It must not create anything: a store that does not exist yet has no regions.
        """
        raise _lacks(self, Capability.REGIONS)

    def load_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what there is under each of *keys*, in one round trip (`BATCH`)."""
        found = ((key, self.load(key)) for key in keys)
        return {key: data for key, data in found if data is not None}

    def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        """Return the data under *key*, or a lease to make it (`LEASES`).

        While another caller holds the lease this waits, at most *wait* seconds, after which it
        hands out a lease that cannot commit. With *force* what is there does not count: the lease
        is always handed out, and whoever held it is fenced off.
        """
        raise _lacks(self, Capability.LEASES)

    def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        """Store what was made under *lease* and give it up (`LEASES`).

        Returns False, and stores nothing, if it was overtaken: by a clear, a delete, another
        store, or the end of the lease.
        """
        raise _lacks(self, Capability.LEASES)

    def abandon(self, lease: Lease) -> None:
        """Give up *lease* with nothing to store, so that the next caller may try (`LEASES`)."""
        raise _lacks(self, Capability.LEASES)

    def close(self) -> None:
        """Let go of files, connections and threads; closing twice is no error."""


class AsyncStore(ABC):
    """Keeps bytes under keys, in asynchronous code; method for method as `Store`."""

    capabilities: Capability = Capability.NONE
    shares_all: bool = False

    @abstractmethod
    async def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key*, or None; see `Store.load`."""

    @abstractmethod
    async def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*; see `Store.store`."""

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Forget the data under *key*; see `Store.delete`."""

    async def clear(self, tag: str | None = None) -> int:
        """Forget all data of the region, or that with *tag*; see `Store.clear`."""
        raise _lacks(self, Capability.CLEAR if tag is None else Capability.TAGS)

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh; see `Store.count`."""
        raise _lacks(self, Capability.COUNT)

    async def regions(self) -> Iterable[RegionName]:
        """List the regions of every package in this store; see `Store.regions`."""
        raise _lacks(self, Capability.REGIONS)

    async def load_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what there is under each of *keys*; see `Store.load_many`."""
        found = {key: await self.load(key) for key in keys}
        return {key: data for key, data in found.items() if data is not None}

    async def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        """Return the data under *key*, or a lease to make it; see `Store.begin`."""
        raise _lacks(self, Capability.LEASES)

    async def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        """Store what was made under *lease*; see `Store.commit`."""
        raise _lacks(self, Capability.LEASES)

    async def abandon(self, lease: Lease) -> None:
        """Give up *lease*; see `Store.abandon`."""
        raise _lacks(self, Capability.LEASES)

    async def close(self) -> None:
        """Let go of files, connections and threads; closing twice is no error."""
