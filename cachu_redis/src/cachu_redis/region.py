"""What the stores of both colours know about their region: commands to send, replies to read."""

from __future__ import annotations

import json
import time
from math import ceil, inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cachu.backends import Capability
from cachu_redis import scripts
from cachu_redis.settings import RedisSettings
from cachu_redis.spelling import REGISTRY, Bucket, RegionKeys
from cachu_redis.stamps import SIZE, TAGGED, UNTAGGED, opened, other_tag
from cachu_redis.tokens import fresh as unlike_others

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu.backends import RegionName
    from cachu.regions import Region

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
# The longest time to live that a server understands for certain, in seconds.
_LONGEST: Final = 1e11
# How long the registry is trusted to list a region, in seconds.
_TRUSTED: Final = 10.0
# Seconds for which a computation that keeps nobody waiting may be fenced off.
_JOINED: Final = 3600.0


class Claim:
    """What the token of a lease is.

    Attributes:
        digest: What stands for the key.
        bucket: Where it is.
        tag: What stands for the tag.
        token: What the lock holds as long as nobody overtook this computation; None for a claim
            that never counted, because another computation was waited for in vain.
        stamp: The generations that were seen before the function ran.
        renewal: What keeps the lock alive meanwhile.
    """

    __slots__ = ("bucket", "digest", "renewal", "stamp", "tag", "token")

    def __init__(self, bucket: Bucket, digest: str, tag: str) -> None:
        self.bucket: Bucket = bucket
        self.digest: str = digest
        self.tag: str = tag
        self.token: bytes | None = None
        self.stamp: bytes = b""
        self.renewal: Any = None


class RegionCommands:
    """Writes the commands of one region, and reads what is answered.

    Args:
        region: The region.
        buckets: How many buckets its entries are in.
    """

    def __init__(self, region: Region, buckets: int) -> None:
        settings = settings_of(region)
        self.keys: RegionKeys = RegionKeys(region.namespace, buckets)
        self.exclusive: bool = settings.redis_distributed
        self.lease: float = settings.redis_lease
        self._kind = b"d" if self.exclusive else b"s"
        self._begin = scripts.BEGIN if self.exclusive else scripts.JOIN
        self._lock_life = _milliseconds(self.lease if self.exclusive else _JOINED)
        self._ttl = region.ttl
        self._life = _life(region.ttl)
        self._region: RegionName = region.shared_package, region.key_prefix, region.ttl
        self._row = json.dumps([*self._region[:2], repr(region.ttl)])
        self._trusted_until = -inf
        self._listed_for = 0.0

    def place(self, key: str) -> tuple[Bucket, str]:
        """Return the bucket of *key*, and what stands for it there."""
        digest = self.keys.digest(key)
        return self.keys.bucket(digest), digest

    def opened(
        self, reply: Sequence[bytes | None], tag: str | None
    ) -> tuple[bytes | None, str | None]:
        """Read an entry and its generations.

        Args:
            reply: The entry, the generation of the region, and that of the tag if there is one.
            tag: What stands for the tag that was asked for; None if it is not known.

        Returns:
            The data if there is an entry that counts, and what stands for a tag whose generation
            has to be looked at first.
        """
        entry, region = reply[0], reply[1]
        if entry is None or region is None:
            return None, None
        generation = reply[2] if len(reply) > 2 else None  # noqa: PLR2004
        data = opened(entry, region, tag or "", generation)
        return (data, None) if data is not None else (None, other_tag(entry, region, tag))

    def load_each(self, wanted: Sequence[tuple[str, Bucket, str]]) -> list[tuple[int, Command]]:
        """Return the commands that load many keys, whatever tags they have."""
        return [
            (bucket.number, ("MGET", bucket.entry + digest, bucket.region))
            for _, bucket, digest in wanted
        ]

    def opened_each(
        self,
        wanted: Sequence[tuple[str, Bucket, str]],
        replies: Sequence[Any],
        found: dict[str, bytes],
    ) -> list[tuple[str, list[Any], str, tuple[int, Command]]]:
        """Read the answers to `load_each`.

        Args:
            wanted: What was asked for.
            replies: What was answered.
            found: Gets the data of what counts.

        Returns:
            What has a tag: the key, the answer, the tag, and what to ask for its generation.
        """
        tagged: list[tuple[str, list[Any], str, tuple[int, Command]]] = []
        for (key, bucket, _), reply in zip(wanted, replies):
            if isinstance(reply, Exception):
                raise reply
            data, tag = self.opened(reply, None)
            if data is not None:
                found[key] = data
            elif tag is not None:
                tagged.append((key, reply, tag, (bucket.number, ("MGET", bucket.tag + tag))))
        return tagged

    def opened_tagged(
        self,
        tagged: Sequence[tuple[str, list[Any], str, tuple[int, Command]]],
        generations: Sequence[Any],
        found: dict[str, bytes],
    ) -> None:
        """Add to *found* what has a tag and counts."""
        for (key, reply, tag, _), generation in zip(tagged, generations):
            if isinstance(generation, Exception):
                raise generation
            data = self.opened([*reply[:2], *generation], tag)[0]
            if data is not None:
                found[key] = data

    def begin(self, claim: Claim, force: bool) -> Command:
        """Return the command that finds an entry or gets the right to make it."""
        fresh = unlike_others(2 * SIZE + 15)
        claim.token = token = self._kind + fresh[2 * SIZE :]
        return self._begin.call(
            self._keys(claim.bucket, claim.digest, claim.tag),
            token,
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
                scripts.CLEAR.call(
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
            (bucket.number, scripts.COUNT.call((bucket.region,), now, name, mark))
            for bucket in self.keys.buckets
        ]

    def registration(self, ttl: float) -> tuple[Command, Command] | None:
        """Return how to list the region, if it is time to do so.

        Returns:
            A command that answers 0 if it is listed already, and another one for when it is not.
        """
        now, life = monotonic(), max(ttl, self._ttl)
        if now < self._trusted_until and life <= self._listed_for:
            return None
        self._trusted_until, self._listed_for = now + _TRUSTED, life
        until = time.time() + life + _TRUSTED
        # All who register in the same minute say the same.
        till = "inf" if life >= _LONGEST else str(60 * ceil(until / 60))
        look = ("ZADD", REGISTRY, "GT", "CH", till, self._row)
        return look, scripts.REGISTER.call((REGISTRY,), self._row, till)

    def forget_registration(self) -> None:
        """List the region again the next time: nobody knows whether it is listed."""
        self._trusted_until = -inf

    def listed(self, reply: Sequence[bytes]) -> list[RegionName]:
        """Return the regions that the registry lists."""
        found: list[RegionName] = []
        for row in reply:
            try:
                package, prefix, ttl = json.loads(row)
                found.append((str(package), str(prefix), float(ttl)))
            except (TypeError, ValueError):
                continue  # nothing of ours
        if self._listed_for and self._region not in found:
            # The server lost it since we wrote there.
            self.forget_registration()
            found.append(self._region)
        return found

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
    return "" if ttl >= _LONGEST else _milliseconds(ttl + _GRACE)


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
