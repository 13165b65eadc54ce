"""Writers take turns, so that none is left behind.

SQLite has a writer wait by sleeping, longer each time, and whoever comes next may be faster: with
eight writers one process got a twentieth of another's share. A lock that is asked for often is
fairer. It is only a courtesy: whoever cannot have it in time goes on, and SQLite's own lock
decides. So a writer that was stopped in the middle delays the others by no more than that.
"""

from __future__ import annotations

from _thread import RLock
from time import monotonic
from typing import TYPE_CHECKING, Final

from cachu_file.connections import PATIENCE
from cachu_file.keylocks import WRITING
from cachu_file.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from cachu_file.connections import Connection
    from cachu_file.ranges import Ranges

# Seconds. With half a second of SQLite after that it is 2.3 behind a writer that was stopped.
_PATIENCE: Final = 1.8
_AFTER_ALL: Final = 0.5
# A wait that is not worth telling SQLite of.
_SHORT: Final = 0.1
# Not too often: it costs less if one process writes several times in a row, for each has to read
# again what another has written.
_FIRST: Final = 0.001
_LONGEST: Final = 0.002


class WriteTurns:
    """The turns of the writers to one database: threads by a mutex, processes by a byte.

    Args:
        ranges: Returns the lock file as it is now.
    """

    def __init__(self, ranges: Callable[[], Ranges], byte: int = WRITING) -> None:
        self.ranges = ranges
        self.byte = byte
        # It knows its owner: a signal may interrupt a thread between taking and leaving it, and the
        # thread's next turn finds that.
        self.mutex: RLock = RLock()

    def take(self, connection: Connection | None = None) -> Turn:
        """Return a turn, to be used in a `with` statement, which waits for it, but not for ever.

        Args:
            connection: With which the caller is going to write. If the turn does not come in time,
                it is told to be less patient.
        """
        return Turn(self, connection)

    def leave(self) -> None:
        """Let the other threads write, if it was the turn of this one."""
        mutex = self.mutex
        while mutex._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
            mutex.release()

    def after_fork(self) -> None:
        """Forget, in a child process, the threads of its parent."""
        self.mutex = RLock()


class Turn:
    """The turn of one writer; it may also go on without."""

    __slots__ = ("_connection", "_hasty", "_mine", "_ranges", "_turns")

    def __init__(self, turns: WriteTurns, connection: Connection | None) -> None:
        self._turns = turns
        self._connection = connection
        self._hasty = self._mine = False
        self._ranges: Ranges | None = None

    def __enter__(self) -> bool:
        """Wait for the turn; say whether it came in time."""
        turns = self._turns
        try:
            self._mine = turns.mutex.acquire(blocking=False)
            ranges = turns.ranges()
            if not self._mine or not self._lock(ranges):
                self._wait(ranges)
        except BaseException:
            self._mine = True  # it may be, and a signal came before that was noted
            self.__exit__()
            raise
        return self._ranges is not None

    def _lock(self, ranges: Ranges) -> bool:
        # Noted before it is done, so that an interrupt leaves nothing that nobody undoes.
        self._ranges = ranges
        if ranges.take(self._turns.byte):
            return True
        self._ranges = None
        return False

    def _wait(self, ranges: Ranges) -> None:
        """Wait for the turn, and leave the less to wait for SQLite."""
        turns, connection = self._turns, self._connection
        limit = _PATIENCE if connection is None else min(_PATIENCE, connection.patience)
        began = monotonic()
        self._mine = self._mine or turns.mutex.acquire(timeout=limit)
        if self._mine:
            patience = Patience(limit - (monotonic() - began), _FIRST, _LONGEST)
            while not self._lock(ranges):
                if not patience.sleep():
                    break
        waited = monotonic() - began
        if connection is not None and (self._ranges is None or waited > _SHORT):
            self._hasty = True
            connection.wait_for(min(connection.patience, max(_AFTER_ALL, PATIENCE - waited)))

    def __del__(self) -> None:
        """Let others have theirs after all, if a signal interrupted that."""
        if getattr(self, "_mine", False) and self._turns.mutex._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
            self.__exit__()

    def __exit__(self, *error: object) -> None:
        try:
            if self._hasty and self._connection is not None:
                self._connection.wait_for(self._connection.patience)
        finally:
            if self._ranges is not None and not self._ranges.closed:
                self._ranges.free(self._turns.byte)
            self._ranges = None
            if self._mine:
                self._turns.leave()
                self._mine = False
