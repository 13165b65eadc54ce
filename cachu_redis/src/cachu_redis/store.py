"""The Redis store for plain code."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from cachu.backends.stores import Lease, Store
from cachu_redis import region_scripts
from cachu_redis.claims import Claim
from cachu_redis.near_regions import NearRegion
from cachu_redis.region import CAPABILITIES, RegionCommands, settings_of, total
from cachu_redis.renewals import renewals
from cachu_redis.replies import load_each, opened, opened_each, opened_tagged
from cachu_redis.servers import Servers
from cachu_redis.spelling import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cachu.backends import RegionName
    from cachu.regions import Region
    from cachu_redis.region import Turn
    from cachu_redis.servers import AnyBucketLine
    from cachu_redis.spelling import Bucket


class RedisStore(Store):
    """One region on a server, for plain code.

    Args:
        region: The region.
    """

    capabilities = CAPABILITIES

    def __init__(self, region: Region) -> None:
        self._servers = Servers.of(settings_of(region))
        self._commands = RegionCommands(region, self._servers.buckets)
        self._keys = self._commands.keys
        self._line = self._servers.line
        self._servers.users.add(id(self))
        near = self._servers.near
        self._near = None if near is None else NearRegion(near)

    def load(self, key: str, tag: str | None = None) -> bytes | None:
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
        line = self._line.at(bucket.number)
        mark = keys.tag(tag) if tag else tag
        if mark:
            reply = line.ask("MGET", bucket.entry + digest, bucket.region, bucket.tag + mark)
        else:
            reply = line.ask("MGET", bucket.entry + digest, bucket.region)
        data, other = opened(reply, mark)
        if other is not None:
            mark = other
            found = line.ask("MGET", bucket.tag + other)
            data = opened([*reply[:2], *found], other)[0]
        if ticket is not None and data is not None and near is not None:
            names = [bucket.entry + digest, bucket.region]
            if mark:
                names.append(bucket.tag + mark)
            return near.table.keep(near, key, names, data, ticket)
        return data

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*."""
        place = self._commands.place(key)
        self._register(ttl)
        command = self._commands.store(place, key, data, ttl, tag)
        self._line.at(place[0].number).ask(*command)
        self._changed(*place)

    def delete(self, key: str) -> bool:
        """Forget the data under *key*, and say whether it was there."""
        place = self._commands.place(key)
        found = bool(self._line.at(place[0].number).ask(*self._commands.delete(place, key)))
        self._changed(*place)
        return found

    def clear(self, tag: str | None = None) -> int:
        """Forget all data of the region, or that with *tag*; say how much was fresh."""
        removed = total(self._line.ask_each(self._commands.clear(tag)))
        if self._near is not None:
            self._near.table.forget(self._keys.generations(tag))
        return removed

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh."""
        return total(self._line.ask_each(self._commands.count(tag, function)))

    def regions(self) -> Iterable[RegionName]:
        """List the regions of all packages on the server."""
        return self._commands.registration.listed(
            self._line.at(0).ask(*region_scripts.REGIONS.call((REGISTRY,)))
        )

    def load_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what there is under each of *keys*."""
        found: dict[str, bytes] = {}
        wanted = [(key, *self._commands.place(key)) for key in keys]
        replies = self._line.ask_each(load_each(wanted))
        tagged = opened_each(wanted, replies, found)
        if tagged:
            generations = self._line.ask_each([command for *_, command in tagged])
            opened_tagged(tagged, generations, found)
        return found

    def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        """Return the data under *key*, or a lease to make it."""
        bucket, digest = self._commands.place(key)
        claim = Claim(bucket, digest, self._keys.tag(tag))
        self._register(0.0)
        line = self._line.at(bucket.number)
        plainly = line.raw and not force
        give_up = monotonic() + wait
        while True:
            found = self._begun(line, claim, force, plainly)
            if isinstance(found, bytes):
                return found
            if found is None:
                if self._commands.exclusive:
                    self._renew(claim)
                return Lease(key, claim)
            left = give_up - monotonic()
            if left <= 0:
                return Lease(key, claim)
            line.wait(bucket.wake + digest, found[1], min(left, found[0]))
            plainly = False  # there will be an entry, and no need of a lock

    def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        """Store what was made under *lease*, unless it was overtaken."""
        claim = self._ended(lease)
        if claim is None:
            return False
        self._register(ttl)
        command = self._commands.commit(claim, lease.key, data, ttl)
        done = bool(self._line.at(claim.bucket.number).ask(*command))
        self._changed(claim.bucket, claim.digest)
        return done

    def abandon(self, lease: Lease) -> None:
        """Give up *lease*, so that the next caller may try."""
        claim = self._ended(lease)
        # A lock that is held together keeps nobody waiting, and expires.
        if claim is not None and self._commands.exclusive:
            self._line.at(claim.bucket.number).ask(*self._commands.abandon(claim))

    def close(self) -> None:
        """Close the connections if no other region uses them; the next call opens new ones."""
        self._servers.users.discard(id(self))
        self._servers.close()

    def _begun(
        self, line: AnyBucketLine, claim: Claim, force: bool, plainly: bool
    ) -> bytes | Turn | None:
        """Find an entry, get the right to make it, or learn how long to wait for another one."""
        commands = self._commands
        plain = commands.claim(claim) if plainly else None
        if plain is not None:
            found = commands.claimed(claim, line.ask_all(plain))
            if found is True:
                return None
            if found is not False:
                if claim.token is not None:
                    line.ask(*commands.abandon(claim))
                return found
        return commands.begun(claim, line.ask(*commands.begin(claim, force)))

    def _changed(self, bucket: Bucket, digest: str) -> None:
        """Forget what is near of an entry that was written."""
        if self._near is not None:
            self._near.table.forget((bucket.entry + digest,))

    def _register(self, ttl: float) -> None:
        commands = self._commands.registration.due(ttl)
        if commands is None:
            return
        line, (look, change) = self._line.at(0), commands
        try:
            try:
                listed = not line.ask(*look)
            except ResponseError:
                listed = False  # something else is there; the script removes it, or says why not
            if not listed:
                line.ask(*change)
        except BaseException:
            self._commands.registration.forget()
            raise

    def _renew(self, claim: Claim) -> None:
        line, commands = self._line.at(claim.bucket.number), self._commands
        claim.renewal = renewals.start(lambda: line.ask(*commands.renew(claim)), commands.lease / 3)

    def _ended(self, lease: Lease) -> Claim | None:
        """Return the claim of a lease if it ever counted; it is not kept alive any more."""
        claim: Claim = lease.token
        if claim.renewal is not None:
            renewals.stop(claim.renewal)
            claim.renewal = None
        return claim if claim.token is not None else None
