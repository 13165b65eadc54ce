"""Keeps entries in a `diskcache.Cache`, one for each package.

For LRU and LFU eviction, and for who trusts diskcache. Clearing a region, counting and listing
regions look at every key of the package, because diskcache has no index for them: at 100,000
entries they take seconds, not milliseconds. Clearing a tag is quick. One caller at a time in each
process makes a value; with `lock="file"`, one on the machine.
"""

from __future__ import annotations

import json
import os
import time
from hashlib import blake2b
from math import inf, nextafter
from typing import TYPE_CHECKING, Final

from cachu.backends import Capability
from cachu.backends.stores import Lease, Store
from cachu_file.diskcache_caches import absolute, give_back, shared, shared_by_all
from cachu_file.diskcache_disk import library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, ClassVar

    from cachu.backends import RegionName
    from cachu.regions import Region
    from cachu_file.diskcache_caches import SharedCache

__all__ = ["DiskcacheStore"]

# The first byte after a region's name says what a row or a tag is of.
_ENTRY: Final = b"e"
_LEASE: Final = b"l"
_END: Final = b"\x00"
# Longer parts of keys are stored as digests, behind a byte that no text has.
_LONGEST: Final = 400
_FOLDED: Final = b"\xff"
# Seconds; a function that takes longer is not cached.
_LEASE_LIFE: Final = 86_400.0
_BATCH: Final = 500


class DiskcacheStore(Store):
    """The entries of one region.

    Args:
        region: The region.

    Raises:
        ConfigurationError: If diskcache is not installed, or the directory cannot be used.
    """

    capabilities: Capability = (
        Capability.CLEAR
        | Capability.TAGS
        | Capability.COUNT
        | Capability.EXPIRY
        | Capability.REGIONS
        | Capability.SHARED
        | Capability.PERSISTENT
    )
    # `begin` puts nobody in line, but what was overtaken is not stored.
    fences: ClassVar[bool] = True

    def __init__(self, region: Region) -> None:
        library()
        settings = region.config.settings("diskcache")
        self._root = absolute(settings.diskcache_dir)
        self._package = region.shared_package
        self._settings = {
            "size_limit": settings.diskcache_size_limit,
            "eviction_policy": settings.diskcache_eviction,
        }
        name = json.dumps([region.shared_package, region.key_prefix, region.ttl])
        self._prefix = name.encode() + _END
        self._entries = self._prefix + _ENTRY
        self._leases = self._prefix + _LEASE
        self._shared: SharedCache | None = None

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key*, or None."""
        cache = self._there()
        return None if cache is None else cache.get(self._entries + _row(key))

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*; whoever computes it now will not."""
        row = _row(key)
        cache = self._made()
        with cache.transact():
            cache.delete(self._leases + row)
            self._set(cache, row, data, ttl, tag)

    def delete(self, key: str) -> bool:
        """Forget the data under *key*, and say whether it was there."""
        row = _row(key)
        cache = self._there()
        if cache is None:
            return False
        with cache.transact():
            cache.delete(self._leases + row)
            return bool(cache.delete(self._entries + row))

    def clear(self, tag: str | None = None) -> int:
        """Forget all data of the region, or that with *tag*; say how much was there."""
        cache = self._there()
        if cache is None:
            return 0
        _expire(cache)
        if tag is not None:
            cache.evict(self._tag(_LEASE, tag))
            return int(cache.evict(self._tag(_ENTRY, tag)))
        rows = list(self._rows(cache, self._prefix))
        # Leases first: who has one may not store what it computed before the clear.
        rows.sort(key=lambda row: row.startswith(self._entries))
        cleared = 0
        for start in range(0, len(rows), _BATCH):
            with cache.transact():
                for row in rows[start : start + _BATCH]:
                    cleared += cache.delete(row) and row.startswith(self._entries)
        return cleared

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh, in all or with *tag*, or of one *function*."""
        cache = self._there()
        if cache is None:
            return 0
        _expire(cache)
        rows: Iterable[bytes] = self._rows(cache, self._entries)
        if function is not None:
            start = self._entries + _folded(function)
            rows = (row for row in rows if row.rpartition(b":")[0] == start)
        if tag is not None:
            wanted = self._tag(_ENTRY, tag)
            rows = (row for row in rows if cache.get(row, tag=True)[1] == wanted)
        return sum(1 for _ in rows)

    def regions(self) -> Iterable[RegionName]:
        """List the regions of every package below this directory."""
        found: set[bytes] = set()
        for opened in shared_by_all(self._root):
            try:
                rows = opened.used().iterkeys()
                found.update(row.partition(_END)[0] for row in rows if _END in row)
            finally:
                give_back(opened)
        return [(str(package), str(prefix), float(ttl)) for package, prefix, ttl in _named(found)]

    def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        """Return the data under *key*, or a lease to make it; this waits for nobody."""
        data = None if force else self.load(key)
        if data is not None:
            return data
        token = os.urandom(16)
        self._made().set(
            self._leases + _row(key), token, expire=_LEASE_LIFE, tag=self._tag(_LEASE, tag)
        )
        return Lease(key, token)

    def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        """Store what was made under *lease*, unless it was overtaken."""
        row = _row(lease.key)
        cache = self._made()
        with cache.transact():
            if cache.get(self._leases + row) != lease.token:
                return False
            cache.delete(self._leases + row)
            self._set(cache, row, data, ttl, tag)
        return True

    def abandon(self, lease: Lease) -> None:
        """Give up *lease*."""
        row = self._leases + _row(lease.key)
        cache = self._made()
        with cache.transact():
            if cache.get(row) == lease.token:
                cache.delete(row)

    def close(self) -> None:
        """Let go of the cache; the next call opens it again."""
        opened, self._shared = self._shared, None
        if opened is not None:
            give_back(opened)

    def _set(self, cache: Any, row: bytes, data: bytes, ttl: float, tag: str) -> None:
        expire = None if ttl == inf else ttl
        cache.set(self._entries + row, data, expire=expire, tag=self._tag(_ENTRY, tag))

    def _tag(self, kind: bytes, tag: str) -> bytes | None:
        """Return what diskcache is given as tag, of a row of this *kind*."""
        return self._prefix + kind + _folded(tag) if tag else None

    def _rows(self, cache: Any, start: bytes) -> Iterator[bytes]:
        """List the rows that begin with *start*; they come in the order of their bytes."""
        for row in cache.iterkeys():
            if row.startswith(start):
                yield row
            elif row > start:
                break

    def _there(self) -> Any:
        """Return the cache, None if there is none yet."""
        return self._opened(creates=False)

    def _made(self) -> Any:
        """Return the cache, and make it if there is none yet."""
        return self._opened(creates=True)

    def _opened(self, *, creates: bool) -> Any:
        if self._shared is None:
            self._shared = shared(self._root, self._package, self._settings, creates=creates)
            if self._shared is None:
                return None
        return self._shared.used()


def _row(key: str) -> bytes:
    """Return a key as it is stored; what is before its last colon names a function."""
    function, colon, rest = key.rpartition(":")
    return _folded(function) + colon.encode() + _folded(rest) if colon else _folded(rest)


def _folded(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= _LONGEST:
        return data
    return _FOLDED + blake2b(data, digest_size=32).hexdigest().encode()


def _expire(cache: Any) -> None:
    """Remove stale rows, so that what is left counts."""
    cache.expire(nextafter(time.time(), inf))


def _named(found: set[bytes]) -> Iterator[list[Any]]:
    for name in sorted(found):
        try:
            parsed = json.loads(name)
        except ValueError:  # not a row of ours
            continue
        if isinstance(parsed, list) and len(parsed) == 3:  # noqa: PLR2004
            yield parsed
