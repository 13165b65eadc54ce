"""What this process has read lately: kept in memory until anybody writes to the database.

Nobody has to be asked whether that has happened, see `cachu_file.wal_index`; so a value that is
read again and again costs no query, and asynchronous code no hop to a thread.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from cachu.backends.stores import Held
from cachu.living import living

if TYPE_CHECKING:
    from cachu_file.connections import Connection
    from cachu_file.pool import Pool

#: Seconds between two looks, on behalf of reads, whether the files are still there. Tests that stop
#: the clock may leave a time for the next look that is far away: it does not count.
CHECK: Final = 1.0
# The part of all that may be kept which one value may take.
_PART: Final = 4
# What an entry takes beside its data, in bytes.
_MORE: Final = 400


class Near:
    """What is kept of one database, of all regions together.

    Attributes:
        pool: The connections to it.
        limit: Bytes that may be kept.
        until: When to look whether the database is still there, on the monotonic clock.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.limit: int = 0
        self.until: float = -inf
        self._kept = 0
        self._regions: WeakValueDictionary[int, NearRegion] = WeakValueDictionary()

    def region(self) -> NearRegion:
        """Return a place for what is read of one region by one store."""
        region = NearRegion(self)
        self._regions[id(region)] = region
        return region

    def has_room(self, size: int) -> bool:
        """Make room for data of so many bytes; say whether it may be kept at all."""
        if size > self.limit // _PART:
            return False
        self._kept += size + _MORE
        if self._kept > self.limit:
            # All of it: what is still wanted comes back, and nobody has to keep lists.
            for region in living(self._regions):
                region.clear()
            self._kept = size + _MORE
        return True


class NearRegion:
    """What one store has read lately of its region.

    Args:
        near: What is kept of the whole database.
    """

    __slots__ = ("__weakref__", "_found", "_near", "_pool", "_seen")

    def __init__(self, near: Near) -> None:
        self._near = near
        self._pool = near.pool
        self._found: dict[str, tuple[Held, bytes, memoryview, int]] = {}
        self._seen: bytes | None = None

    def find(self, key: str) -> Held | None:
        """Return the data under *key* if it was kept and is current."""
        found = self._found.get(key)
        if found is None:
            return None
        held, mark, header, generation = found
        try:
            if (
                header.tobytes() == mark
                and 0.0 < self._near.until - monotonic() <= CHECK
                and generation == self._pool.generation
            ):
                return held
        except ValueError:
            return None  # the database was closed meanwhile
        return None

    def mark(self, connection: Connection) -> bytes | None:
        """Return what proves later that something read on *connection* from now on is current.

        Returns:
            None if it is not worth to keep it: somebody has written since the last time.
        """
        mark = connection.mark()
        if mark == self._seen:
            return mark
        self._seen = mark
        return None

    def keep(self, key: str, data: bytes, mark: bytes, connection: Connection) -> bytes:
        """Keep what was read after *mark* was made, and return it."""
        header = connection.header
        if header is None or not self._near.has_room(len(data) + len(key)):
            return data
        held = Held(data)
        self._found[key] = held, mark, header, connection.generation
        return held

    def clear(self) -> None:
        """Let go of everything."""
        self._found.clear()
