"""The commands that the stores of both colours send for their region."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cachu.backends import Capability
from cachu_redis import region_scripts, scripts
from cachu_redis.registrations import LONGEST, Registration
from cachu_redis.settings import RedisSettings
from cachu_redis.spelling import RegionKeys
from cachu_redis.stamps import SIZE, TAGGED, UNTAGGED, stamp
from cachu_redis.tokens import fresh as unlike_others

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu.regions import Region
    from cachu_redis.claims import Claim
    from cachu_redis.spelling import Bucket

    Command: TypeAlias = tuple[Any, ...]
    Turn: TypeAlias = tuple[float, bytes]

CAPABILITIES: Final = (
    Capability.CLEAR
    | Capability.TAGS
    | Capability.COUNT
    | Capability.EXPIRY
    | Capability.REGIONS
    | Capability.LEASES
    | Capability.BATCH
    | Capability.SHARED
    | Capability.PERSISTENT
)
# The server keeps an entry so many seconds longer, for clocks that are not quite right. Whether it
# is stale is told by its own deadline.
_GRACE: Final = 2.0
# Seconds for which a computation that keeps nobody waiting may be fenced off.
_JOINED: Final = 3600.0
# Bytes of the token in a lock; see `cachu_redis.scripts`.
_TOKEN: Final = 16
# So many generations are remembered.
_REMEMBERED: Final = 1000


class RegionCommands:
    """Writes the commands of one region.

    Args:
        region: The region.
        buckets: How many buckets its entries are in.

    Attributes:
        keys: How its keys are spelled.
        exclusive: Whether an entry is made by one host at a time.
        lease: Seconds after which a host that died loses what it makes.
        registration: Its place in the registry.
    """

    def __init__(self, region: Region, buckets: int) -> None:
        settings = settings_of(region)
        self.keys: RegionKeys = RegionKeys(region.namespace, buckets)
        self.exclusive: bool = settings.redis_distributed
        self.lease: float = settings.redis_lease
        self._kind = b"d" if self.exclusive else b"s"
        self._begin = scripts.BEGIN if self.exclusive else scripts.JOIN
        self._lock_life = _milliseconds(self.lease if self.exclusive else _JOINED)
        self._life = _life(region.ttl)
        # The generations that counted last, by bucket and tag.
        self._stamps: dict[tuple[int, str], bytes] = {}
        name = region.shared_package, region.key_prefix, region.ttl
        self.registration: Registration = Registration(name)

    def place(self, key: str) -> tuple[Bucket, str]:
        """Return the bucket of *key*, and what stands for it there."""
        digest = self.keys.digest(key)
        return self.keys.bucket(digest), digest

    def claim(self, claim: Claim) -> tuple[Command, Command] | None:
        """Return plain commands that usually do what `begin` does, and cost the server less.

        The first takes the lock if it is free, and the second looks what there is.

        Returns:
            The commands, to be sent together; None if nobody knows which generations count.
        """
        seen = self._stamps.get((claim.bucket.number, claim.tag))
        if seen is None:
            return None
        claim.stamp = seen
        claim.token = token = self._kind + unlike_others(15)
        keys = self._keys(claim.bucket, claim.digest, claim.tag)
        lock = ("SET", keys[2], token + b"-" + seen, "NX", "GET", "PX", self._lock_life)
        return lock, ("MGET", *keys[:2], *keys[4:])

    def claimed(self, claim: Claim, replies: Sequence[Any]) -> bytes | bool:
        """Read the answers to `claim`.

        Returns:
            The data of an entry that somebody stored a moment ago, and if the claim has a token,
            it is to be given up; True if the claim counts now; False if `begin` has to tell.
        """
        holder, found = replies
        if isinstance(holder, Exception) or isinstance(found, Exception):
            return False
        entry, region, *others = found
        if None in found[1:] or stamp(region, claim.tag, *others) != claim.stamp:
            self._stamps.pop((claim.bucket.number, claim.tag), None)
            return False
        joined = None if holder is None or holder[:_TOKEN] == claim.token else holder
        if joined is not None:
            if self.exclusive or joined[_TOKEN + 1 :] != claim.stamp:
                return False
            claim.token = joined[:_TOKEN]
        if entry is None or not entry.startswith(claim.stamp):
            return True
        if joined is not None:
            claim.token = None  # it is theirs
        return bytes(entry[len(claim.stamp) :])

    def begin(self, claim: Claim, force: bool) -> Command:
        """Return the command that finds an entry or gets the right to make it."""
        fresh = unlike_others(2 * SIZE + 15)
        if claim.token is None:
            claim.token = self._kind + fresh[2 * SIZE :]
        return self._begin.call(
            self._keys(claim.bucket, claim.digest, claim.tag),
            claim.token,
            self._lock_life,
            fresh[: 2 * SIZE],
            self._life,
            TAGGED if claim.tag else UNTAGGED,
            claim.tag,
            "1" if force else "0",
        )

    def begun(self, claim: Claim, reply: Sequence[Any]) -> bytes | Turn | None:
        """Read the answer to `begin`.

        Returns:
            The data of an entry; None if the claim counts now; or how long to wait for another one.
        """
        status = reply[0]
        if status == 0:
            entry: bytes = reply[1]
            return entry[len(TAGGED) + SIZE + (len(claim.tag) + SIZE if claim.tag else 0) :]
        if status == 1:
            claim.stamp = reply[1]
            if len(self._stamps) >= _REMEMBERED:
                self._stamps.clear()
            self._stamps[claim.bucket.number, claim.tag] = claim.stamp
            if not self.exclusive:
                claim.token = reply[2]
            return None
        claim.token = None
        return turn(reply[1])

    def commit(self, claim: Claim, key: str, data: bytes, ttl: float) -> Command:
        """Return the command that stores what was made under *claim*."""
        return scripts.COMMIT.call(
            self._keys(claim.bucket, claim.digest, claim.tag),
            claim.token,
            claim.stamp + data,
            _life(ttl),
            *self._indexed(claim.digest, key, claim.tag, ttl),
        )

    def abandon(self, claim: Claim) -> Command:
        """Return the command that gives up *claim*."""
        bucket, digest = claim.bucket, claim.digest
        keys = (bucket.region, bucket.lock + digest, bucket.wake + digest)
        return scripts.ABANDON.call(keys, claim.token)

    def renew(self, claim: Claim) -> Command:
        """Return the command that keeps *claim* alive."""
        return scripts.RENEW.call((claim.bucket.lock + claim.digest,), claim.token, self._lock_life)

    def store(
        self, place: tuple[Bucket, str], key: str, data: bytes, ttl: float, tag: str
    ) -> Command:
        """Return the command that stores an entry, whatever was there."""
        bucket, digest = place
        mark = self.keys.tag(tag)
        return scripts.STORE.call(
            self._keys(bucket, digest, mark),
            TAGGED if mark else UNTAGGED,
            mark,
            unlike_others(2 * SIZE),
            data,
            _life(ttl),
            *self._indexed(digest, key, mark, ttl),
        )

    def delete(self, place: tuple[Bucket, str], key: str) -> Command:
        """Return the command that deletes an entry."""
        bucket, digest = place
        function = self.keys.function(key.rpartition(":")[0])
        return scripts.DELETE.call(self._keys(bucket, digest, ""), digest, function)

    def clear(self, tag: str | None) -> list[tuple[int, Command]]:
        """Return the commands that clear the region, or a tag of it, one per bucket."""
        now = repr(time.time())
        mark = "" if tag is None else self.keys.tag(tag)
        return [
            (
                bucket.number,
                region_scripts.CLEAR.call(
                    (bucket.region, bucket.tag + mark) if mark else (bucket.region,), now, mark
                ),
            )
            for bucket in self.keys.buckets
        ]

    def count(self, tag: str | None, function: str | None) -> list[tuple[int, Command]]:
        """Return the commands that count entries, one per bucket."""
        now = repr(time.time())
        mark = "" if tag is None else self.keys.tag(tag)
        name = "" if function is None else self.keys.function(function)
        return [
            (bucket.number, region_scripts.COUNT.call((bucket.region,), now, name, mark))
            for bucket in self.keys.buckets
        ]

    def _keys(self, bucket: Bucket, digest: str, mark: str) -> tuple[str, ...]:
        keys = (bucket.entry + digest, bucket.region, bucket.lock + digest, bucket.wake + digest)
        return (*keys, bucket.tag + mark) if mark else keys

    def _indexed(self, digest: str, key: str, mark: str, ttl: float) -> tuple[str, str, str]:
        function = self.keys.function(key.rpartition(":")[0])
        return digest, f"{function}:{mark}", repr(time.time() + ttl)


def settings_of(region: Region) -> RedisSettings:
    """Return how the servers of a region are configured."""
    settings = region.config.settings("redis")
    assert isinstance(settings, RedisSettings)  # noqa: S101  which the plugin declares
    return settings


def turn(reply: Sequence[Any]) -> Turn:
    """Return for how many seconds somebody has a lock at most, and after which call the next is."""
    return reply[0] / 1000, reply[1]


def total(replies: Sequence[Any]) -> int:
    """Add up what each bucket answered, or raise the error of one that did not."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return sum(replies)


def _life(ttl: float) -> str:
    """Return the time to live of an entry on the server, as the scripts take it."""
    return "" if ttl >= LONGEST else _milliseconds(ttl + _GRACE)


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
