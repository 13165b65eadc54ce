"""The lock provider `redis`: locks that all hosts share, for any backend.

    configure(backend="mine", lock="redis", redis_url="redis://cache/0")

A lock is a key on the server, kept alive while it is held. It is free again a lease after its
holder died.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from cachu_redis import scripts
from cachu_redis.region import settings_of, turn
from cachu_redis.renewals import renewals
from cachu_redis.servers import Servers
from cachu_redis.spelling import RegionKeys
from cachu_redis.tokens import fresh

if TYPE_CHECKING:
    from cachu.regions import Region


class RedisLocks:
    """Hands out the locks of one region.

    Args:
        region: The region.
    """

    def __init__(self, region: Region) -> None:
        settings = settings_of(region)
        self.servers: Servers = Servers.of(settings)
        self.keys: RegionKeys = RegionKeys(f"lock {region.namespace}", self.servers.buckets)
        self.lease: float = settings.redis_lease

    def mutex(self, key: str) -> RedisLock:
        """Return the lock of *key* for plain code."""
        return RedisLock(self, key)

    def async_lock(self, key: str) -> AsyncRedisLock:
        """Return the lock of *key* for asynchronous code."""
        return AsyncRedisLock(self, key)


class _Lock:
    """What both colours know. A lock is not reentrant."""

    def __init__(self, locks: RedisLocks, key: str) -> None:
        self._locks = locks
        self._key = key
        digest = locks.keys.digest(key)
        bucket = locks.keys.bucket(digest)
        self._bucket = bucket.number
        self._lock = bucket.lock + digest
        self._wake = bucket.wake + digest
        self._token = b""
        self._renewal: Any = None

    def _take(self) -> tuple[Any, ...]:
        self._token = b"d" + fresh(15)
        life = round(self._locks.lease * 1000)
        return scripts.TAKE.call((self._lock, self._wake), self._token, life)

    def _free(self) -> tuple[Any, ...]:
        if self._renewal is None:
            raise RuntimeError(f"the lock of {self._key!r} is not held here")
        return scripts.ABANDON.call((self._lock, self._lock, self._wake), self._token)

    def _renew(self) -> tuple[Any, ...]:
        return scripts.RENEW.call((self._lock,), self._token, round(self._locks.lease * 1000))


class RedisLock(_Lock):
    """The lock of one key for plain code."""

    def acquire(self, wait: bool = True) -> bool:
        """Take the lock, waiting for it unless told not to; say whether it was taken."""
        line = self._locks.servers.line.at(self._bucket)
        while (reply := line.ask(*self._take())) is not None:
            if not wait:
                return False
            left, since = turn(reply)
            line.wait(self._wake, since, left)
        renew = self._renew()
        self._renewal = renewals.start(lambda: line.ask(*renew), self._locks.lease / 3)
        return True

    def release(self) -> None:
        """Give the lock back."""
        command = self._free()
        renewals.stop(self._renewal)
        self._renewal = None
        self._locks.servers.line.at(self._bucket).ask(*command)


class AsyncRedisLock(_Lock):
    """The lock of one key for asynchronous code."""

    async def __aenter__(self) -> AsyncRedisLock:  # noqa: PYI034  typing.Self is too new
        line = self._locks.servers.async_line().at(self._bucket)
        while (reply := await line.ask(*self._take())) is not None:
            left, since = turn(reply)
            await line.wait(self._wake, since, left)
        self._renewal = asyncio.create_task(self._keep_alive(line, self._renew()))
        return self

    async def __aexit__(self, *error: object) -> None:
        command = self._free()
        self._renewal.cancel()
        self._renewal = None
        await self._locks.servers.async_line().at(self._bucket).ask(*command)

    async def _keep_alive(self, line: Any, command: tuple[Any, ...]) -> None:
        while True:
            await asyncio.sleep(self._locks.lease / 3)
            try:
                await line.ask(*command)
            except Exception as error:
                logging.getLogger("cachu").debug("A lock could not be renewed: %s", error)
