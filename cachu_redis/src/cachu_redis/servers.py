"""The servers of one configuration: one line for all threads, and one for each event loop.

All regions with the same options share them.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cachu_redis.addresses import Addresses
from cachu_redis.renewals import renewals
from cachu_redis.spelling import CLUSTER_BUCKETS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from cachu_redis.async_cluster import AsyncBucketLine, AsyncClusterLine
    from cachu_redis.async_lines import AsyncLine
    from cachu_redis.cluster import BucketLine, ClusterLine
    from cachu_redis.handed import AsyncHandedLine, HandedLine
    from cachu_redis.lines import Line
    from cachu_redis.near_cache import NearTable
    from cachu_redis.settings import RedisSettings

    AnyLine: TypeAlias = Line | ClusterLine | HandedLine
    AnyBucketLine: TypeAlias = Line | BucketLine | HandedLine
    AnyAsyncLine: TypeAlias = AsyncLine | AsyncClusterLine | AsyncHandedLine
    AnyAsyncBucketLine: TypeAlias = AsyncLine | AsyncBucketLine | AsyncHandedLine

_lock = threading.RLock()
_all: Final[dict[RedisSettings, Servers]] = {}


class Servers:
    """The servers of one configuration.

    Args:
        settings: The options.

    Attributes:
        buckets: How many buckets the entries of a region are in.
        users: The stores for plain code that are open, by their `id`.
        async_users: Those for asynchronous code.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._addresses = Addresses(settings)
        self._line: AnyLine | None = None
        self._client: Any = None
        self._near: NearTable | None = None
        self._async_lines: dict[int, tuple[Any, AnyAsyncLine, AsyncGenerator[None, None]]] = {}
        client = settings.redis_client
        scattered = settings.redis_cluster if client is None else hasattr(client, "nodes_manager")
        self.buckets: int = CLUSTER_BUCKETS if scattered else 1
        self.users: set[int] = set()
        self.async_users: set[int] = set()

    @classmethod
    def of(cls, settings: RedisSettings) -> Servers:
        """Return the servers that are configured like this, the same ones for equal options."""
        with _lock:
            found = _all.get(settings)
            if found is None:
                found = _all[settings] = cls(settings)
            return found

    @property
    def line(self) -> AnyLine:
        """The line for plain code."""
        with _lock:
            if self._line is None:
                self._line = self._make_line()
            return self._line

    @property
    def client(self) -> Any:
        """A client of redis-py for the application's own use."""
        from cachu_redis.made_clients import make_client

        with _lock:
            if self._client is None:
                self._client = make_client(self._settings, self._addresses)
            return self._client

    @property
    def near(self) -> NearTable | None:
        """What is near of these servers, if that was asked for."""
        if not self._settings.redis_near_cache:
            return None
        from cachu_redis.near_cache import NearTable

        with _lock:
            if self._near is None:
                connect = self._addresses.connection
                size = self._settings.redis_near_cache
                self._near = NearTable(size, connect, self._find())
            return self._near

    def async_line(self) -> AnyAsyncLine:
        """Return the line for the running event loop."""
        loop = asyncio.get_running_loop()
        found = self._async_lines.get(id(loop))
        if found is not None and found[0]() is loop:
            return found[1]
        line = self._make_async_line()
        lifetime = _lifetime(line)
        # Up to its `yield`, without a loop. From now on the loop ends it when it shuts down.
        with suppress(StopIteration):
            lifetime.__anext__().__await__().__next__()
        self._sweep()
        self._async_lines[id(loop)] = weakref.ref(loop), line, lifetime
        return line

    def close(self) -> None:
        """Close what plain code uses, if no store is open any more."""
        if not self.users:
            renewals.close()
            if self._line is not None:
                self._line.close()
            if self._client is not None and self._client is not self._settings.redis_client:
                self._client.close()
        self._let_go()

    async def close_async(self) -> None:
        """Close what this event loop uses, if no store is open any more."""
        if not self.async_users:
            loop = asyncio.get_running_loop()
            found = self._async_lines.pop(id(loop), None)
            if found is not None:
                await found[2].aclose()
        self._let_go()

    def after_fork(self) -> None:
        """Forget, in a child process, the connections of its parent."""
        for _, line, _ in self._async_lines.values():
            line.abandon(forked=True)
        self._async_lines = {}
        if self._near is not None:
            self._near.after_fork()
        if self._line is not None:
            self._line.after_fork()

    def _find(self) -> Callable[[], set[tuple[str, int]]]:
        """Return what finds all servers that write."""
        addresses, patience = self._addresses, self._settings.redis_timeout
        if addresses.cluster:
            from cachu_redis.cluster import ClusterLine

            line = self.line
            assert isinstance(line, ClusterLine)  # noqa: S101  see _make_line
            return line.masters
        if addresses.sentinel is not None:
            from cachu_redis.sentinels import Sentinels

            sentinels = Sentinels(addresses, patience)
            return lambda: {sentinels.server()}
        return lambda: {addresses.hosts[0]}

    def _sweep(self) -> None:
        """Close what loops left that were closed without a farewell."""
        with _lock:
            for number, (reference, line, _) in list(self._async_lines.items()):
                loop = reference()
                if loop is None or loop.is_closed():
                    del self._async_lines[number]
                    line.abandon()

    def _let_go(self) -> None:
        self._sweep()
        if self._near is not None and not self.users and not self.async_users:
            self._near.close()
        with _lock:
            idle = not self.users and not self.async_users and not self._async_lines
            if idle and _all.get(self._settings) is self:
                del _all[self._settings]

    def _make_line(self) -> AnyLine:
        settings, addresses = self._settings, self._addresses
        size, patience = settings.redis_pool_size, settings.redis_timeout
        if settings.redis_client is not None:
            from cachu_redis.handed import HandedLine

            return HandedLine(settings.redis_client)
        if addresses.cluster:
            from cachu_redis.cluster import ClusterLine

            return ClusterLine(addresses.connection, addresses.hosts, size, patience)
        from cachu_redis.lines import Line

        if addresses.sentinel is not None:
            from cachu_redis.sentinels import Sentinels

            sentinels = Sentinels(addresses, patience)
            return Line(sentinels.connection, size, patience, sentinels=sentinels)
        return Line(lambda: addresses.connection(*addresses.hosts[0]), size, patience)

    def _make_async_line(self) -> AnyAsyncLine:
        settings, addresses = self._settings, self._addresses
        size, patience = settings.redis_pool_size, settings.redis_timeout
        if settings.redis_async_client is not None:
            from cachu_redis.handed import AsyncHandedLine

            return AsyncHandedLine(settings.redis_async_client)

        health = settings.redis_health_check_interval or inf

        async def make(host: str, port: int) -> Any:
            return addresses.async_connection(host, port)

        if addresses.cluster:
            from cachu_redis.async_cluster import AsyncClusterLine

            return AsyncClusterLine(make, addresses.hosts, size, patience, health)
        from cachu_redis.async_lines import AsyncLine

        if addresses.sentinel is not None:
            from cachu_redis.sentinels import Sentinels

            sentinels = Sentinels(addresses, patience)
            return AsyncLine(
                sentinels.async_connection, size, patience, sentinels=sentinels, health=health
            )
        return AsyncLine(lambda: make(*addresses.hosts[0]), size, patience, health=health)


async def _lifetime(line: AnyAsyncLine) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await line.close()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = threading.RLock()
    for servers in list(_all.values()):
        servers.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
