"""Who computes which key: between processes by byte ranges, inside one by a table.

Whoever computes a key locks two bytes of the lock file. One is for this key since the last time
that it was cleared, deleted or set: others who want to compute it wait for that byte. After a clear
it is another byte, for nobody need wait for a result that will not be stored. The second byte is
shared by all who compute the key: who deletes it looks there whether anybody is to be fenced off.
"""

from __future__ import annotations

from _thread import RLock
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

    It unlocks them when it is let go of, too: a signal may interrupt a caller anywhere.

    Attributes:
        ranges: The lock file.
        locked: The bytes.
    """

    __slots__ = ("_locks", "locked", "ranges")

    def __init__(self, locks: KeyLocks, ranges: Ranges) -> None:
        self._locks: KeyLocks | None = locks
        self.ranges: Ranges = ranges
        self.locked: tuple[int, ...] = ()

    def release(self) -> None:
        """Unlock them; doing so twice is no error."""
        if self._locks is not None:
            self._locks.release(self)
            self._locks = None

    def __del__(self) -> None:
        if getattr(self, "locked", ()):
            self.release()


class KeyLocks:
    """The keys that this process computes.

    Args:
        ranges: Returns the lock file as it is now.
    """

    def __init__(self, ranges: Callable[[], Ranges]) -> None:
        self._ranges = ranges
        self.after_fork()

    def take(self, key: bytes, since: tuple[int, int] | None = None) -> Holding | None:
        """Become the one that others wait for.

        Args:
            key: The key.
            since: The last fence of the key, and when it was set; None for a lock that is just a
                lock.

        Returns:
            What was locked; None if somebody else has it.
        """
        first = _place(key, b"\xfclocked" if since is None else b"\xfcsince %d %d" % since)
        with self._guard:
            ranges = self._ranges()
            if (ranges, first) in self._held:
                return None
            holding = Holding(self, ranges)
            if not self._lock(holding, first, shared=False):
                return None
            if since is not None:
                second = _COMPUTED + crc32(key) % _ROOM
                if not self._lock(holding, second, shared=True):
                    holding.release()  # a platform without shared locks
                    return None
        return holding

    def release(self, holding: Holding) -> None:
        """Undo `take`."""
        mine = id(holding)
        with self._guard:
            for byte in holding.locked:
                place = holding.ranges, byte
                holders = self._held.get(place, ())
                if mine in holders:
                    if len(holders) == 1:
                        holding.ranges.free(byte)
                        del self._held[place]
                    else:
                        self._held[place] = tuple(other for other in holders if other != mine)

    def computed(self, key: bytes) -> bool:
        """Tell whether anybody computes a key."""
        place = _COMPUTED + crc32(key) % _ROOM
        ranges = self._ranges()
        if not self._held:
            return ranges.taken_elsewhere(place)
        with self._guard:
            return (ranges, place) in self._held or ranges.taken_elsewhere(place)

    def any_computed(self) -> bool:
        """Tell whether anybody computes any key."""
        return bool(self._held) or self._ranges().taken_elsewhere(_COMPUTED, _ROOM)

    def after_fork(self) -> None:
        """Forget, in a child process, what its parent computes."""
        # Reentrant, because the garbage collector may let go of a holding anywhere.
        self._guard = RLock()
        self._held: dict[tuple[Ranges, int], tuple[int, ...]] = {}

    def _lock(self, holding: Holding, byte: int, *, shared: bool) -> bool:
        """Lock a byte that this process has not, or may share with itself."""
        place = holding.ranges, byte
        beside = self._held.get(place, ())
        # Noted before it is done, so that an interrupt leaves nothing that nobody undoes.
        holding.locked += (byte,)
        self._held[place] = (*beside, id(holding))
        if beside or holding.ranges.take(byte, shared=shared):
            return True
        self.release(holding)
        holding.locked = ()
        return False


def _place(key: bytes, what: bytes) -> int:
    digest = blake2b(key + what, digest_size=8).digest()
    return _FIRST + int.from_bytes(digest, "big") % _ROOM
