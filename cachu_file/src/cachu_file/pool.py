"""Connections that wait to be used, and what becomes of them when the process forks.

A thread borrows a connection for one operation and gives it back: threads come and go, and leave
nothing open. SQLite's connections must not be carried into a forked child, not even to be closed
there, and a thread must not be inside SQLite while the process forks. So before a fork every
connection is waited for and closed, and nobody gets another one until the fork is over.
"""

from __future__ import annotations

import os
import time
from _thread import RLock
from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import WeakSet, WeakValueDictionary

from cachu.living import living

if TYPE_CHECKING:
    from collections.abc import Callable

    from cachu_file.connections import Connection

# How many connections there may be. None is closed just because it waits: a closed one leaves a
# descriptor until all are closed, for SQLite must not close a file on which this process has locks.
_MOST: Final = 8
# Seconds that a fork waits for an operation to end; then it goes on without.
_FORK_PATIENCE: Final = 10.0
# Seconds that a thread waits for one of them to be given back; then it opens another.
_PATIENCE: Final = 3.0
# Seconds between two looks, when all connections are in use or one is waited for before a fork.
_LOOK: Final = 0.0005

_pools: Final[WeakValueDictionary[int, Pool]] = WeakValueDictionary()
# What a child cannot close, and must not let go of either.
_inherited: Final[list[object]] = []


class Pool:
    """The connections of one database that threads share.

    Attributes:
        idle: Those that wait, the last one used last. Taking one needs no lock.
        generation: Goes up when the database was replaced; connections of before are closed.
        lock: Held while a connection is opened, and while the process forks.
        followers: Called before a fork, to close what is not lent by the pool.
        heirs: Called in a forked child.

    Args:
        connect: Opens a connection; told whether it may make the database.
    """

    def __init__(self, connect: Callable[[bool], Connection]) -> None:
        self.idle: deque[Connection] = deque()
        self.generation: int = 0
        self.lock: RLock = RLock()
        self.followers: list[Callable[[], None]] = []
        self.heirs: list[Callable[[], None]] = []
        # Not `lock`: a fork has that, and waits for those who are here.
        self._counting = RLock()
        self._connect = connect
        # Weak: one that a thread lost, because a signal interrupted it, is closed and gone.
        self._open: WeakSet[Connection] = WeakSet()
        _pools[id(self)] = self

    def borrow(self, creates: bool) -> Connection:
        """Return a connection; what `connect` raises if there is none to be had."""
        try:
            return self.idle.pop()
        except IndexError:
            pass
        deadline = time.monotonic() + _PATIENCE
        while True:
            found = self._waited_for(deadline) or self._opened(creates, deadline)
            if found is not None:
                return found

    def _waited_for(self, deadline: float) -> Connection | None:
        """Return a connection that is given back, or None if there may be another one."""
        while len(self._open) >= _MOST and time.monotonic() < deadline:
            time.sleep(_LOOK)
            try:
                return self.idle.pop()
            except IndexError:
                continue
        return None

    def _opened(self, creates: bool, deadline: float) -> Connection | None:
        with self.lock:
            if len(self._open) >= _MOST and time.monotonic() < deadline:
                return None  # others were faster
            connection = self._connect(creates)
            connection.generation = self.generation
            self._open.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Let others use a connection."""
        if connection.generation == self.generation and len(self.idle) < _MOST:
            self.idle.append(connection)
            if connection.generation != self.generation:
                self.drain()  # it was renewed in between
        else:
            self._close(connection)

    def renew(self, generation: int | None = None) -> None:
        """Close what waits and have what is used closed when it is given back.

        Args:
            generation: What was found to be old; nothing happens if it was renewed since.
        """
        with self._counting:
            if generation is None or generation == self.generation:
                self.generation += 1
        self.drain()

    def drain(self) -> None:
        """Close what waits."""
        while True:
            try:
                connection = self.idle.pop()
            except IndexError:
                return
            self._close(connection)

    def before_fork(self) -> None:
        """Close everything, and keep everybody from opening anything."""
        self.lock.acquire(timeout=_FORK_PATIENCE)
        self.generation += 1
        for follower in self.followers:
            follower()
        deadline = time.monotonic() + _FORK_PATIENCE
        self.drain()
        while self._open and time.monotonic() < deadline:
            time.sleep(_LOOK)
            self.drain()

    def after_fork_in_parent(self) -> None:
        """Let everybody go on."""
        if self.lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001  not if it was waited for in vain
            self.lock.release()

    def after_fork_in_child(self) -> None:
        """Begin anew."""
        _inherited.extend(self._open)
        self.lock = RLock()
        self._counting = RLock()
        self._open = WeakSet()
        self.idle.clear()
        for heir in self.heirs:
            heir()

    def _close(self, connection: Connection) -> None:
        try:
            connection.close()
        finally:
            # Not before: a fork waits for the end of this, too.
            self._open.discard(connection)


def _before_fork() -> None:
    for pool in living(_pools):
        pool.before_fork()


def _after_fork_in_parent() -> None:
    for pool in living(_pools):
        pool.after_fork_in_parent()


def _after_fork_in_child() -> None:
    for pool in living(_pools):
        pool.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
