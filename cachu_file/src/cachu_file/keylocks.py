"""Who computes which key: between processes by byte ranges, inside one by a table.

Whoever computes a key locks two bytes of the lock file. One is for this key since the last time
that it was cleared, deleted or set: others who want to compute it wait for that byte. After a clear
it is another byte, for nobody need wait for a result that will not be stored. The second byte is
shared by all who compute the key: who deletes or sets it looks there whether anybody is to be
fenced off.
"""

from __future__ import annotations

from _thread import allocate_lock
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from zlib import crc32

from cachu_file.ranges import SPAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from cachu_file.ranges import Ranges

#: Bytes at the beginning of the file that are not for keys.
WRITING: Final = 0
SETTING_UP: Final = 1
SWEEPING: Final = 2
_FIRST: Final = 16
# Half of the file is for those who compute a key alone, half for all who compute it.
_ROOM: Final = SPAN // 2 - _FIRST
# Of two keys with one checksum the one is fenced off with the other, which does no harm.
_COMPUTED: Final = _FIRST + _ROOM


class Holding:
    """A byte, or two, that this process has locked on behalf of one caller.

    Attributes:
        ranges: The lock file.
    """

    __slots__ = ("_bytes", "_locks", "ranges")

    def __init__(self, locks: KeyLocks, ranges: Ranges, locked: tuple[int, ...]) -> None:
        self._locks: KeyLocks | None = locks
        self.ranges: Ranges = ranges
        self._bytes = locked

    def release(self) -> None:
        """Unlock them; doing so twice is no error."""
        locks, self._locks = self._locks, None
        if locks is not None:
            locks.release(self.ranges, self._bytes)


class KeyLocks:
    """The keys that this process computes.

    Args:
        ranges: Returns the lock file as it is now.
    """

    def __init__(self, ranges: Callable[[], Ranges]) -> None:
        self._ranges = ranges
        self.after_fork()

    def take(self, key: bytes, since: int | None = None) -> Holding | None:
        """Become the one that others wait for.

        Args:
            key: The key.
            since: The last fence of the key; None for a lock that is just a lock.

        Returns:
            What was locked; None if somebody else has it.
        """
        first = _place(key, b"\xfclocked" if since is None else b"\xfcsince %d" % since)
        with self._guard:
            ranges = self._ranges()
            if (ranges, first) in self._held or not ranges.take(first):
                return None
            locked: tuple[int, ...] = (first,)
            if since is not None:
                second = _COMPUTED + crc32(key) % _ROOM
                beside = self._held.get((ranges, second), 0)
                if not beside and not ranges.take(second, shared=True):
                    ranges.free(first)  # a platform without shared locks
                    return None
                self._held[ranges, second] = beside + 1
                locked = (first, second)
            self._held[ranges, first] = 1
        return Holding(self, ranges, locked)

    def release(self, ranges: Ranges, locked: tuple[int, ...]) -> None:
        """Undo `take`."""
        with self._guard:
            for byte in locked:
                count = self._held.pop((ranges, byte), 0)
                if count > 1:
                    self._held[ranges, byte] = count - 1
                elif count:
                    ranges.free(byte)

    def computed(self, key: bytes) -> bool:
        """Tell whether anybody computes a key."""
        place = _COMPUTED + crc32(key) % _ROOM
        ranges = self._ranges()
        if not self._held:
            return ranges.taken_elsewhere(place)
        with self._guard:
            return (ranges, place) in self._held or ranges.taken_elsewhere(place)

    def after_fork(self) -> None:
        """Forget, in a child process, what its parent computes."""
        self._guard = allocate_lock()
        self._held: dict[tuple[Ranges, int], int] = {}


def _place(key: bytes, what: bytes) -> int:
    digest = blake2b(key + what, digest_size=8).digest()
    return _FIRST + int.from_bytes(digest, "big") % _ROOM
