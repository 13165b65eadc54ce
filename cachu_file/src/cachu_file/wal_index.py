"""Tells whether anybody has written to a database, without asking SQLite.

In WAL mode the processes that use a database share a small file, `-shm`, which each of them maps
into memory: the WAL index. It begins with a header that every commit changes, by a counter, by the
length of the log, and by checksums. Whoever remembers the header of before something was read knows
that it is still so as long as the header is the same. All versions of SQLite since 3.7 share its
form, or they could not use one database together; a header that looks otherwise is not trusted.

To close a file ends all locks that the process has on it, those of SQLite included. So the file is
closed together with the last connection of this process to that database, and not before.
"""
# ruff: noqa: PTH116  paths are text here, as in the rooms above

from __future__ import annotations

import os
import struct
import sys
from _thread import RLock
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if sys.platform != "win32":
    from mmap import MAP_SHARED, PROT_READ, mmap

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Inode = tuple[int, int]

#: How long the header is, in bytes.
SIZE: Final = 48
_SUFFIX: Final = "-shm"
_VERSION: Final = 3007000
_WORDS: Final = struct.Struct("=12I")
_ONES: Final = 0xFFFFFFFF
# How often a header is looked at that does not add up: somebody may be writing it.
_LOOKS: Final = 8

# Held while the file is opened or closed, and while a connection is closed.
_lock: RLock = RLock()
_known: Final[dict[Inode, WalIndex]] = {}


class WalIndex:
    """The WAL index of one database, as this process has it mapped.

    Attributes:
        header: Its first bytes, as they are now; None if they cannot be trusted. Reading it raises
            `ValueError` after the last connection was closed.
        users: How many connections of this process there are to the database.
    """

    __slots__ = ("_descriptors", "_inode", "_maps", "header", "users")

    def __init__(self, inode: Inode) -> None:
        self.header: memoryview | None = None
        self._inode = inode
        self._descriptors: list[int] = []
        self._maps: list[mmap] = []
        self.users: int = 0

    def release(self, close: Callable[[], None]) -> None:
        """Close a connection by *close*, and then, if it was the last one, the file."""
        with _lock:
            close()
            self.users -= 1
            if not self.users:
                _known.pop(self._inode, None)
                if self.header is not None:
                    self.header.release()
                for mapped in self._maps:
                    mapped.close()  # it has a descriptor of its own
                while self._descriptors:
                    os.close(self._descriptors.pop())

    def open(self, path: str) -> None:
        """Map the header, unless that is not possible, or was tried before."""
        if self._descriptors:
            return
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        self._descriptors.append(descriptor)  # of whatever file, it is closed when nobody is left
        if _inode(os.fstat(descriptor)) != self._inode:
            return
        try:
            mapped = mmap(descriptor, SIZE, MAP_SHARED, PROT_READ)
        except (OSError, ValueError):
            return  # a file system without that, or no file as we know it
        self._maps.append(mapped)
        if any(_adds_up(mapped[:]) for _ in range(_LOOKS)):
            self.header = memoryview(mapped)


def index_of(path: str) -> WalIndex | None:
    """Return the WAL index of the database at *path*, to which a connection was just opened.

    Returns:
        None where a system, or a mode of SQLite, has none. Otherwise the connection is to be closed
        by its `release`.
    """
    if sys.platform == "win32":
        return None
    path += _SUFFIX
    with _lock:
        try:
            inode = _inode(os.stat(path, follow_symlinks=False))
        except OSError:
            return None
        found = _known.setdefault(inode, WalIndex(inode))
        # Also where it cannot be opened now: others may open it, and must not close it before us.
        found.users += 1
        if found.header is None:
            found.open(path)
        return found


@contextmanager
def kept_open(path: str) -> Generator[None, None, None]:
    """Keep the file from being closed while another connection to the database is opened."""
    with _lock:
        try:
            inode = _inode(os.stat(path + _SUFFIX, follow_symlinks=False))
        except OSError:
            found = None
        else:
            found = _known.get(inode)
        if found is not None:
            found.users += 1
    try:
        yield
    finally:
        if found is not None:
            found.release(_nothing)


def _inode(state: os.stat_result) -> Inode:
    return state.st_dev, state.st_ino


def _nothing() -> None:
    """Close no connection."""


def _adds_up(header: bytes) -> bool:
    """Tell whether this is a header as SQLite 3.7 and later write it."""
    words = _WORDS.unpack(header)
    first = second = 0
    for i in range(0, 10, 2):
        first = (first + words[i] + second) & _ONES
        second = (second + words[i + 1] + first) & _ONES
    return words[0] == _VERSION and (first, second) == words[10:]


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()
    _known.clear()  # what was open is left open: it was the parent's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
