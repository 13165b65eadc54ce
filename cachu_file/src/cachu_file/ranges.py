"""Locks on single bytes of one file, which the kernel frees when their holder dies.

Linux and newer macOS have locks that belong to an open file ("open file description locks"). Other
Unixes have locks that belong to a process, which serve as well as long as a process opens the file
once. Windows locks bytes exclusively only. This is the only room that knows.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from _thread import allocate_lock
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

_TAKEN: Final = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
# Each process has one of these per package, and one more for each time that the file was replaced.
_all: Final[WeakSet[Ranges]] = WeakSet()

if sys.platform == "win32":
    import msvcrt

    #: Bytes that can be locked. The C runtime counts in 31 bits there.
    SPAN: Final = 1 << 30
    _position = allocate_lock()

    def _take(descriptor: int, offset: int, shared: bool) -> bool:  # noqa: ARG001  it cannot
        with _position:
            os.lseek(descriptor, offset, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError:
                return False
            return True

    def _free(descriptor: int, offset: int) -> None:
        with _position:
            os.lseek(descriptor, offset, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    _taken: Callable[[int, int, int], bool] | None = None

else:
    import fcntl

    #: Bytes that can be locked; files do not grow by it.
    SPAN: Final = 1 << 62
    # struct flock, whose order of fields differs: type, whence, start, length, pid.
    _BSD = sys.platform == "darwin" or "bsd" in sys.platform
    _FLOCK: Final = struct.Struct("@qqihh" if _BSD else "@hhqqi4x")
    _KNOWN = _BSD or sys.platform == "linux"
    _SETLK: int | None = getattr(fcntl, "F_OFD_SETLK", None) if _KNOWN else None
    _GETLK: int | None = getattr(fcntl, "F_OFD_GETLK", None) if _KNOWN else None

    def _packed(kind: int, offset: int, length: int = 1) -> bytes:
        if _BSD:
            return _FLOCK.pack(offset, length, 0, kind, os.SEEK_SET)
        return _FLOCK.pack(kind, os.SEEK_SET, offset, length, 0)

    def _take(descriptor: int, offset: int, shared: bool) -> bool:
        try:
            if _SETLK is not None:
                kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
                fcntl.fcntl(descriptor, _SETLK, _packed(kind, offset))
            else:
                how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
                fcntl.lockf(descriptor, how | fcntl.LOCK_NB, 1, offset)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        return True

    def _free(descriptor: int, offset: int) -> None:
        if _SETLK is not None:
            fcntl.fcntl(descriptor, _SETLK, _packed(fcntl.F_UNLCK, offset))
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, offset)

    def _ask(descriptor: int, offset: int, length: int) -> bool:
        answer = fcntl.fcntl(descriptor, _GETLK or 0, _packed(fcntl.F_WRLCK, offset, length))
        return bool(_FLOCK.unpack(answer)[3 if _BSD else 0] != fcntl.F_UNLCK)

    _taken: Callable[[int, int, int], bool] | None = None if _GETLK is None else _ask


class Ranges:
    """The locks of one file, as this process has it open.

    None of them waits. Those of one process do not exclude each other: whoever uses them keeps
    account of what the process has.

    Attributes:
        inode: Of the file.

    Args:
        descriptor: Of the file, open for reading and writing; closed when this object is let go of.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        state = os.fstat(descriptor)
        self.inode: tuple[int, int] = (state.st_dev, state.st_ino)
        _all.add(self)

    @property
    def closed(self) -> bool:
        """Whether there is no file any more: in a forked child, which must not share locks."""
        return self._descriptor < 0

    def take(self, offset: int, *, shared: bool = False) -> bool:
        """Lock a byte, alone or beside others who share it; say whether that could be done."""
        return _take(self._descriptor, offset, shared)

    def free(self, offset: int) -> None:
        """Unlock a byte."""
        if self._descriptor >= 0:
            _free(self._descriptor, offset)

    def taken_elsewhere(self, offset: int, length: int = 1) -> bool:
        """Tell whether another process has locked a byte, or one of several, and this one none.

        Where that cannot be told of several, it is said to be so.
        """
        if _taken is not None:
            return _taken(self._descriptor, offset, length)
        if length > 1:
            return True
        if self.take(offset):
            self.free(offset)
            return False
        return True

    def state(self) -> os.stat_result:
        """Return the state of the file."""
        return os.fstat(self._descriptor)

    def touch(self) -> None:
        """Set the time of the file's last change."""
        if os.utime in os.supports_fd:
            os.utime(self._descriptor)

    def close(self) -> None:
        """Close the file, which unlocks everything."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def _after_fork() -> None:
    for ranges in list(_all):
        ranges.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
