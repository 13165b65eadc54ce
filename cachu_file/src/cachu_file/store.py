"""The file store for plain code."""
# ruff: noqa: PTH100, PTH111, PTH120, PTH208  paths are text here, for the rooms below take text

from __future__ import annotations

import logging
import os
import sqlite3
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Final

from cachu.backends import Capability
from cachu.backends.stores import Lease, Store
from cachu_file import claims, listing, reads, removals, table, upkeep, writes
from cachu_file.engine import Engine
from cachu_file.errors import AbsentError, UnsafeDirectoryError
from cachu_file.files import SUFFIX
from cachu_file.leases import Claim
from cachu_file.near import CHECK
from cachu_file.patience import Patience
from cachu_file.writes import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cachu.backends import RegionName
    from cachu.regions import Region
    from cachu_file.near import NearRegion

log: Final = logging.getLogger("cachu")

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
# Characters of a package's name in a file name; what is longer ends in a digest.
_LONGEST_NAME: Final = 100


class RegionStore:
    """What the stores of both colours know about their region.

    Attributes:
        engine: The database of the package.
        near: What was read of the region lately.
        region: How keys and tags of the region are spelled.
    """

    def __init__(self, region: Region) -> None:
        settings = region.config  # as checked when they were configured, not as they are by now
        root = os.path.abspath(os.path.expanduser(os.fspath(settings.file_dir)))
        self.engine: Engine = Engine.of(root, file_name(region.namespace.partition(":")[0]))
        if settings.package == region.package:  # else it is to be cleared by another package
            self.engine.limit_size(settings.file_size_limit)
            self.engine.near.limit = settings.file_near_cache
        self.near: NearRegion = self.engine.near.region()
        self.region: table.RegionKeys = table.region_keys(
            region.namespace, region.shared_package, region.key_prefix, region.ttl
        )

    def entry(self, key: str, data: bytes, ttl: float, tag: str) -> Entry:
        """Describe what is to be stored."""
        return Entry(self.region.key(key), self.region.tag(tag) if tag else None, ttl, data)

    def tag(self, tag: str | None) -> bytes | None:
        """Spell a tag, if there is one."""
        return None if tag is None else self.region.tag(tag)

    def all_regions(self) -> list[RegionName]:
        """List the regions of all packages that have a database in this directory."""
        try:
            names = os.listdir(os.path.dirname(self.engine.path))
        except FileNotFoundError:
            return []
        found: list[RegionName] = []
        for name in sorted(name for name in names if name.endswith(SUFFIX)):
            engine = Engine.of(self.engine.files.root, name.removesuffix(SUFFIX))
            try:
                found += engine.run(listing.regions, False)
            except AbsentError:
                continue  # it is being made
            except (sqlite3.Error, OSError, UnsafeDirectoryError) as error:
                if engine is self.engine:
                    raise
                log.warning("The cache in %s was passed over by a clear: %s", engine.path, error)
            finally:
                if not engine.users:
                    engine.close()
        return found


class FileStore(RegionStore, Store):
    """One region of a package's database, for plain code.

    Args:
        region: The region.
    """

    capabilities = CAPABILITIES
    shares_all = True

    def __init__(self, region: Region) -> None:
        super().__init__(region)
        self.engine.users.add(self)
        self._idle = self.engine.pool.idle
        self._pool = self.engine.pool
        self._spell = self.region.key
        self._near = self.near.find

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key*, or None."""
        held = self._near(key)
        if held is not None:
            return held
        spelled = self._spell(key)
        try:
            connection = self._idle.pop()
        except IndexError:
            pass
        else:
            # The short way, for what is in the database itself: nothing but the query.
            try:
                if 0.0 < connection.check_at - monotonic() <= CHECK:
                    mark = self.near.mark(connection)
                    row = connection.find(table.FIND, (spelled,)).fetchone()
                    if row is None:
                        return None
                    data: bytes = row[0]
                    if type(data) is bytes:
                        return data if mark is None else self.near.keep(key, data, mark, connection)
            except BaseException as error:
                connection.give_up(error)  # the long way repairs it, or raises it again
            finally:
                self._idle.append(connection)
                if connection.generation != self._pool.generation:
                    self._pool.drain()  # it was renewed meanwhile
        try:
            return self.engine.run(reads.load_near, False, spelled, self.near, key)
        except AbsentError:
            return None

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*."""
        entry = self.entry(key, data, ttl, tag)
        try:
            connection = self._idle.pop()
        except IndexError:
            pass
        else:
            # The short way, while nobody else writes.
            try:
                if writes.store_at_once(self.engine, connection, self.region, entry):
                    return
            finally:
                self._idle.append(connection)
                if connection.generation != self._pool.generation:
                    self._pool.drain()
        self.engine.run(writes.store, True, self.region, entry)

    def delete(self, key: str) -> bool:
        """Forget the data under *key*, and say whether it was there."""
        try:
            return self.engine.run(removals.delete, False, self._spell(key))
        except AbsentError:
            return False

    def clear(self, tag: str | None = None) -> int:
        """Forget all data of the region, or that with *tag*; say how much was fresh."""
        try:
            return self.engine.run(removals.clear, False, self.region, self.tag(tag))
        except AbsentError:
            return 0

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh."""
        bounds = self.region, self.tag(tag), function
        try:
            return self.engine.run(reads.count, False, *bounds)
        except AbsentError:
            return 0

    def regions(self) -> Iterable[RegionName]:
        """List the regions of all packages in the directory."""
        return self.all_regions()

    def load_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what there is under each of *keys*."""
        spelled = {self._spell(key): key for key in keys}
        try:
            found = self.engine.run(reads.load_many, False, list(spelled))
        except AbsentError:
            return {}
        return {spelled[key]: data for key, data in found.items()}

    def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        """Return the data under *key*, or a lease to make it."""
        spelled, kind = self._spell(key), self.region.tag(tag) if tag else None
        claim, patience = Claim(), Patience(wait)
        lease = Lease(key, claim)
        try:
            while True:
                data = self.engine.run(claims.begin, True, self.region, spelled, kind, claim, force)
                if data is not None:
                    return data
                if claim.counts:
                    return lease
                if not patience.sleep():
                    return lease
        except BaseException:
            claim.release()
            raise

    def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        """Store what was made under *lease*, unless it was overtaken."""
        claim: Claim = lease.token
        if not claim.counts:
            return False
        entry = self.entry(lease.key, data, ttl, tag)
        try:
            return self.engine.run(writes.commit, True, self.region, entry, claim)
        finally:
            claim.release()

    def abandon(self, lease: Lease) -> None:
        """Give up *lease*, so that the next caller may try."""
        lease.token.release()

    def sweep(self, grace: float = upkeep.GRACE) -> int:
        """Remove files that a killed process left behind, at once; otherwise done every hour.

        Args:
            grace: Seconds for which such files are left alone.

        Returns:
            How many there were.
        """
        try:
            return self.engine.run(upkeep.sweep, False, grace)
        except AbsentError:
            return 0

    def close(self) -> None:
        """Close the database if no other region uses it; the next call opens it again."""
        self.engine.users.discard(self)
        if not self.engine.users:
            self.engine.close()


def file_name(package: str) -> str:
    """Name the files of a package.

    Args:
        package: Its escaped name.

    Returns:
        A name that every file system takes. Where two packages get the same one, as on file systems
        that take no notice of case, they share a database, but no entries.
    """
    name = package.replace("<", "%3C").replace(">", "%3E")
    if len(name) > _LONGEST_NAME:
        digest = blake2b(package.encode(), digest_size=16).hexdigest()
        name = f"{name[: _LONGEST_NAME - 33]}~{digest}"
    return name
