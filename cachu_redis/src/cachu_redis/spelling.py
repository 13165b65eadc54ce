"""How the keys of a region are spelled on the server.

All begin with `cachu:`, so that one pattern, `~cachu:*`, is all that an access control list needs.
Next comes a letter, then the bucket in braces: on a Cluster, what has the same text in braces is on
the same node, so that an entry, its generations and its lock can be read by one command.

    cachu:e:{0}:<digest>                        entry
    cachu:l:{0}:<digest>                        lock: who makes the entry now
    cachu:w:{0}:<digest>                        wake-up call for those who wait for it
    cachu:g:{0}:<region>                        generation of the region
    cachu:g:{0}:<region>:<tag>                  generation of a tag
    cachu:s:{0}:<region>:<function>:<tag>       series: the entries of one function and tag
    cachu:n:{0}:<region>                        names of its series
    cachu:t:{0}:<region>                        trash: series of what was cleared
    cachu:r:{0}                                 registry of all regions

Text of the user's appears nowhere but in `<region>`, where it is escaped; all else is a digest.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX: Final = "cachu:"
REGISTRY: Final = f"{PREFIX}r:{{0}}"
CLUSTER_BUCKETS: Final = 64
# Characters of a region's name; what is longer is a digest.
_LONGEST_NAME: Final = 100
# So many digests of tags are remembered.
_REMEMBERED: Final = 1000


class Bucket:
    """The beginnings of all keys of one region in one bucket.

    Attributes:
        number: Which bucket it is.
        region: The key of the region's generation.
        names: The key of the names of its series.
        entry, lock, wake: What a digest is added to.
        tag: What the digest of a tag is added to, for its generation.
        series: What the digests of a function and a tag are added to.
    """

    __slots__ = ("entry", "lock", "names", "number", "region", "series", "tag", "wake")

    def __init__(self, number: int, region: str) -> None:
        self.number: int = number
        self.entry: str = f"{PREFIX}e:{{{number}}}:"
        self.lock: str = f"{PREFIX}l:{{{number}}}:"
        self.wake: str = f"{PREFIX}w:{{{number}}}:"
        self.region: str = f"{PREFIX}g:{{{number}}}:{region}"
        self.tag: str = f"{self.region}:"
        self.series: str = f"{PREFIX}s:{{{number}}}:{region}:"
        self.names: str = f"{PREFIX}n:{{{number}}}:{region}"


class RegionKeys:
    """Spells the keys of one region.

    Args:
        namespace: What tells the region from all others.
        buckets: How many buckets there are: 1, or more on a Cluster.
    """

    __slots__ = ("_functions", "_seed", "_tags", "buckets")

    def __init__(self, namespace: str, buckets: int) -> None:
        # Starting from here saves a part of every digest.
        self._seed: Any = blake2b(f"{len(namespace)} {namespace}".encode(), digest_size=16)
        name = namespace
        if len(name) > _LONGEST_NAME:
            name = f"{name[:60]}~{_digest(namespace)}"
        self.buckets: Sequence[Bucket] = [Bucket(number, name) for number in range(buckets)]
        self._tags: dict[str, str] = {}
        self._functions: dict[str, str] = {}

    def digest(self, key: str) -> str:
        """Return what stands for *key*: 32 hexadecimal digits."""
        digest = self._seed.copy()
        try:
            digest.update(key.encode())
        except UnicodeEncodeError:
            digest.update(key.encode("utf-8", "surrogatepass"))
        text: str = digest.hexdigest()
        return text

    def bucket(self, digest: str) -> Bucket:
        """Return the bucket that a digest belongs to."""
        return self.buckets[int(digest[:4], 16) % len(self.buckets)]

    def tag(self, tag: str) -> str:
        """Return what stands for *tag*: 24 hexadecimal digits, or nothing for no tag."""
        return _remembered(self._tags, tag) if tag else ""

    def generations(self, tag: str | None) -> list[str]:
        """Return the keys of all generations of the region, or of a tag of it."""
        if tag is None:
            return [bucket.region for bucket in self.buckets]
        return [bucket.tag + self.tag(tag) for bucket in self.buckets]

    def function(self, name: str) -> str:
        """Return what stands for a function, given the part of its keys before the last colon."""
        return _remembered(self._functions, name)


def _remembered(digests: dict[str, str], text: str) -> str:
    found = digests.get(text)
    if found is None:
        if len(digests) >= _REMEMBERED:
            digests.clear()
        found = digests[text] = _digest(text)
    return found


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
