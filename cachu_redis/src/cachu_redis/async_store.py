"""The Redis store for asynchronous code."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from cachu.backends.stores import AsyncStore, Lease
from cachu_redis import region_scripts
from cachu_redis.claims import Claim
from cachu_redis.near_regions import NearRegion
from cachu_redis.region import CAPABILITIES, RegionCommands, settings_of, total
from cachu_redis.replies import load_each, opened, opened_each, opened_tagged
from cachu_redis.servers import Servers
from cachu_redis.spelling import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from cachu.backends import RegionName
    from cachu.regions import Region
    from cachu_redis.region import Turn
    from cachu_redis.servers import AnyAsyncBucketLine
    from cachu_redis.spelling import Bucket


class AsyncRedisStore(AsyncStore):
    """One region on a server, for asynchronous code; method for method as `RedisStore`.

    Args:
        region: The region.
    """

    capabilities = CAPABILITIES

    def __init__(self, region: Region) -> None:
        self._servers = Servers.of(settings_of(region))
        self._commands = RegionCommands(region, self._servers.buckets)
        self._keys = self._commands.keys
        self._line = self._servers.async_line
        self._servers.async_users.add(id(self))
        near = self._servers.near
        self._near = None if near is None else NearRegion(near)
        self._background: set[asyncio.Task[None]] = set()

    async def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key*, or None."""
        near, ticket = self._near, None
        if near is not None:
            data = near.find(key)
            if data is not None:
                return data
            ticket = near.table.ticket()
        keys = self._keys
        digest = keys.digest(key)
        bucket = keys.bucket(digest)
        line = self._line().at(bucket.number)
        mark = keys.tag(tag) if tag else tag
        if mark:
            reply = await line.read("MGET", bucket.entry + digest, bucket.region, bucket.tag + mark)
        else:
            reply = await line.read("MGET", bucket.entry + digest, bucket.region)
        data, other = opened(reply, mark)
        if other is not None:
            mark = other
            found = await line.read("MGET", bucket.tag + other)
            data = opened([*reply[:2], *found], other)[0]
        if ticket is not None and data is not None and near is not None:
            names = [bucket.entry + digest, bucket.region]
            if mark:
                names.append(bucket.tag + mark)
            return near.table.keep(near, key, names, data, ticket)
        return data

    async def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*."""
        place = self._commands.place(key)
        await self._register(ttl)
        command = self._commands.store(place, key, data, ttl, tag)
        await self._line().at(place[0].number).ask(*command)
        self._changed(*place)

    async def delete(self, key: str) -> bool:
        """Forget the data under *key*, and say whether it was there."""
        place = self._commands.place(key)
        command = self._commands.delete(place, key)
        found = bool(await self._line().at(place[0].number).ask(*command))
        self._changed(*place)
        return found

    async def clear(self, tag: str | None = None) -> int:
        """Forget all data of the region, or that with *tag*; say how much was fresh."""
        removed = total(await self._line().ask_each(self._commands.clear(tag)))
        if self._near is not None:
            self._near.table.forget(self._keys.generations(tag))
        return removed

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh."""
        return total(await self._line().ask_each(self._commands.count(tag, function)))

    async def regions(self) -> Iterable[RegionName]:
        """List the regions of all packages on the server."""
        return self._commands.registration.listed(
            await self._line().at(0).ask(*region_scripts.REGIONS.call((REGISTRY,)))
        )

    async def load_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what there is under each of *keys*."""
        found: dict[str, bytes] = {}
        wanted = [(key, *self._commands.place(key)) for key in keys]
        line = self._line()
        replies = await line.ask_each(load_each(wanted))
        tagged = opened_each(wanted, replies, found)
        if tagged:
            generations = await line.ask_each([command for *_, command in tagged])
            opened_tagged(tagged, generations, found)
        return found

    async def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        """Return the data under *key*, or a lease to make it."""
        bucket, digest = self._commands.place(key)
        claim = Claim(bucket, digest, self._keys.tag(tag))
        await self._register(0.0)
        line = self._line().at(bucket.number)
        plainly = line.raw and not force
        give_up = monotonic() + wait
        while True:
            try:
                found = await self._begun(line, claim, force, plainly)
            except asyncio.CancelledError:
                if self._commands.exclusive:  # the server may hand out a lease all the same
                    self._in_background(self._give_up(claim))
                raise
            if isinstance(found, bytes):
                return found
            if found is None:
                if self._commands.exclusive:
                    self._renew_later(claim)
                return Lease(key, claim)
            left = give_up - monotonic()
            if left <= 0:
                return Lease(key, claim)
            await line.wait(bucket.wake + digest, found[1], min(left, found[0]))
            plainly = False  # there will be an entry, and no need of a lock

    async def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        """Store what was made under *lease*, unless it was overtaken."""
        claim = _ended(lease)
        if claim is None:
            return False
        await self._register(ttl)
        command = self._commands.commit(claim, lease.key, data, ttl)
        done = bool(await self._line().at(claim.bucket.number).ask(*command))
        self._changed(claim.bucket, claim.digest)
        return done

    async def abandon(self, lease: Lease) -> None:
        """Give up *lease*, so that the next caller may try."""
        claim = _ended(lease)
        # A lock that is held together keeps nobody waiting, and expires.
        if claim is not None and self._commands.exclusive:
            await self._line().at(claim.bucket.number).ask(*self._commands.abandon(claim))

    async def close(self) -> None:
        """Close this loop's connections if no other region uses them."""
        self._servers.async_users.discard(id(self))
        await self._servers.close_async()

    async def _begun(
        self, line: AnyAsyncBucketLine, claim: Claim, force: bool, plainly: bool
    ) -> bytes | Turn | None:
        """Find an entry, get the right to make it, or learn how long to wait for another one."""
        commands = self._commands
        plain = commands.claim(claim) if plainly else None
        if plain is not None:
            found = commands.claimed(claim, await line.ask_all(plain))
            if found is True:
                return None
            if found is not False:
                if claim.token is not None:
                    await line.ask(*commands.abandon(claim))
                return found
        return commands.begun(claim, await line.ask(*commands.begin(claim, force)))

    def _changed(self, bucket: Bucket, digest: str) -> None:
        """Forget what is near of an entry that was written."""
        if self._near is not None:
            self._near.table.forget((bucket.entry + digest,))

    async def _register(self, ttl: float) -> None:
        commands = self._commands.registration.due(ttl)
        if commands is None:
            return
        line, (look, change) = self._line().at(0), commands
        try:
            try:
                listed = not await line.ask(*look)
            except ResponseError:
                listed = False  # something else is there; the script removes it, or says why not
            if not listed:
                await line.ask(*change)
        except BaseException:
            self._commands.registration.forget()
            raise

    def _renew_later(self, claim: Claim) -> None:
        loop = asyncio.get_running_loop()
        claim.renewal = loop.call_later(self._commands.lease / 3, self._renew_soon, claim)

    def _renew_soon(self, claim: Claim) -> None:
        self._in_background(self._renew(claim))
        self._renew_later(claim)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _give_up(self, claim: Claim) -> None:
        try:
            await self._line().at(claim.bucket.number).ask(*self._commands.abandon(claim))
        except Exception as error:
            logging.getLogger("cachu").debug("A lease could not be given up: %s", error)

    async def _renew(self, claim: Claim) -> None:
        try:
            await self._line().at(claim.bucket.number).ask(*self._commands.renew(claim))
        except Exception as error:
            # The lease may be lost, and then nothing will be stored. Whoever stores is told why.
            logging.getLogger("cachu").debug("A lease could not be renewed: %s", error)


def _ended(lease: Lease) -> Claim | None:
    """Return the claim of a lease if it ever counted; it is not kept alive any more."""
    claim: Claim = lease.token
    if claim.renewal is not None:
        claim.renewal.cancel()
        claim.renewal = None
    return claim if claim.token is not None else None
