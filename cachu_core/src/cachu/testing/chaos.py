"""A backend that is slow, fails and damages what it keeps, when it is told to."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import ClassVar

from cachu.backends.stores import AsyncStore, Store
from cachu.hookspecs import hookimpl
from cachu.testing.dicts import DictStore
from cachu.testing.stages import Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachu.backends import Capability
    from cachu.region import Region
    from cachu.testing.dicts import Rows

__all__ = ["Chaos", "ChaosError"]


class ChaosError(ConnectionError):
    """What the chaos backend fails with, as if its server were gone."""


class Chaos(Stage):
    """A backend, `"chaos"`, that is slow, fails or damages what it keeps, when it is told to.

        with Chaos() as chaos:
            cachu.configure(backend="chaos", package="shop")
            chaos.errors = 1.0
            shop.get_price("apple")  # works all the same

    Entries are kept in memory, as bytes, and are there for plain and asynchronous code. Change the
    attributes at any time; the next operation follows them.

    Args:
        seed: Chance is the same for the same seed.

    Attributes:
        latency: Seconds that every operation takes; asynchronous code sleeps without blocking.
        errors: The share of operations that fail, from 0 to 1.
        garbage: The share of loads that find damaged bytes, from 0 to 1.
        done: How many operations were asked for, by name: `chaos.done["load"]`.
        failed: How many of them failed.
        damaged: How many loads found damaged bytes.
    """

    backend: ClassVar[str] = "chaos"

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.latency: float = 0.0
        self.errors: float = 0.0
        self.garbage: float = 0.0
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.damaged: int = 0
        self._random = Random(seed)  # noqa: S311  no secret
        self._rows: dict[object, Rows] = {}

    @hookimpl(tryfirst=True)
    def cachu_make_backend(self, name: str, region: Region) -> Store | None:
        """Make the store of a region."""
        return ChaosStore(self, self._rows_of(name, region)) if self.stands_for(name) else None

    @hookimpl(tryfirst=True)
    def cachu_make_async_backend(self, name: str, region: Region) -> AsyncStore | None:
        """Make the same for asynchronous code."""
        if not self.stands_for(name):
            return None
        return AsyncChaosStore(self, self._rows_of(name, region))

    def _rows_of(self, name: str, region: Region) -> Rows:
        return self._rows.setdefault((name, region.identity), {})

    def count(self, operation: str) -> None:
        """Count an operation, and fail if it is to fail."""
        self.done[operation] += 1
        if self._random.random() < self.errors:
            self.failed[operation] += 1
            raise ChaosError(f"{operation} fails, as {self.errors:.0%} are to")

    def passed(self, data: bytes | None) -> bytes | None:
        """Return what was loaded, or something damaged instead."""
        if data is None or self._random.random() >= self.garbage:
            return data
        self.damaged += 1
        place = self._random.randrange(len(data))
        flipped = data[:place] + bytes((data[place] ^ 0x40,)) + data[place + 1 :]
        return self._random.choice([flipped, data[:place], self._random.randbytes(len(data))])


class ChaosStore(Store):
    """The store of a region."""

    capabilities: Capability = DictStore.capabilities

    def __init__(self, chaos: Chaos, rows: Rows) -> None:
        self._chaos, self._kept = chaos, DictStore(rows)

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key*, perhaps damaged."""
        self._suffer("load")
        return self._chaos.passed(self._kept.load(key, tag))

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*."""
        self._suffer("store")
        self._kept.store(key, data, ttl, tag)

    def delete(self, key: str) -> bool:
        """Forget the data under *key*."""
        self._suffer("delete")
        return self._kept.delete(key)

    def clear(self, tag: str | None = None) -> int:
        """Forget everything, or what has *tag*."""
        self._suffer("clear")
        return self._kept.clear(tag)

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh."""
        self._suffer("count")
        return self._kept.count(tag, function)

    def _suffer(self, operation: str) -> None:
        if self._chaos.latency:
            time.sleep(self._chaos.latency)
        self._chaos.count(operation)


class AsyncChaosStore(AsyncStore):
    """The store of a region, for asynchronous code."""

    capabilities: Capability = DictStore.capabilities

    def __init__(self, chaos: Chaos, rows: Rows) -> None:
        self._chaos, self._kept = chaos, DictStore(rows)

    async def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key*, perhaps damaged."""
        await self._suffer("load")
        return self._chaos.passed(self._kept.load(key, tag))

    async def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*."""
        await self._suffer("store")
        self._kept.store(key, data, ttl, tag)

    async def delete(self, key: str) -> bool:
        """Forget the data under *key*."""
        await self._suffer("delete")
        return self._kept.delete(key)

    async def clear(self, tag: str | None = None) -> int:
        """Forget everything, or what has *tag*."""
        await self._suffer("clear")
        return self._kept.clear(tag)

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh."""
        await self._suffer("count")
        return self._kept.count(tag, function)

    async def _suffer(self, operation: str) -> None:
        if self._chaos.latency:
            from asyncio import sleep

            await sleep(self._chaos.latency)
        self._chaos.count(operation)
