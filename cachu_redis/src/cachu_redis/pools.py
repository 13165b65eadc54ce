"""The connections that the threads of a process share, each used by one of them at a time."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from redis.exceptions import ConnectionError as RedisConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cachu_redis.channels import Channel


class Pool:
    """Connections to one server.

    Args:
        make: Makes a connection, and connects.
        size: How many there may be.

    Attributes:
        idle: Those that nobody uses; the one used last is the last.
        awaited: How many threads wait for one.
    """

    __slots__ = ("_gate", "_made", "_make", "_size", "awaited", "idle")

    def __init__(self, make: Callable[[], Channel], size: int) -> None:
        self._make = make
        self._size = size
        self.after_fork()

    def take(self, patience: float, *, anew: bool = False) -> Channel | None:
        """Return a connection that nobody uses.

        Args:
            patience: Seconds to wait for one.
            anew: Whether it has to be a new one, because the others may have been closed.

        Returns:
            The connection, None if waiting was in vain.
        """
        until = monotonic() + patience
        with self._gate:
            self.awaited += 1
            try:
                while True:
                    if anew:
                        self._close_idle()
                    elif self.idle:
                        return self.idle.pop()
                    if self._made < self._size:
                        self._made += 1
                        break
                    left = until - monotonic()
                    if left <= 0:
                        return None
                    self._gate.wait(left)
            finally:
                self.awaited -= 1
        try:
            return self._make()
        except BaseException:
            self.drop(None)
            raise

    def needed(self, patience: float, *, anew: bool = False) -> Channel:
        """Return a connection as `take` does, or raise."""
        connection = self.take(patience, anew=anew)
        if connection is None:
            raise RedisConnectionError("All connections are in use")
        return connection

    def give_back(self, connection: Channel) -> None:
        """Let others use a connection."""
        self.idle.append(connection)
        if self.awaited:
            self.call_next()

    def drop(self, connection: Channel | None) -> None:
        """Close a connection that was taken."""
        try:
            if connection is not None:
                connection.close()
        finally:
            with self._gate:
                self._made -= 1
                self._gate.notify()

    def call_next(self) -> None:
        """Have one of those who wait look again."""
        with self._gate:
            self._gate.notify()

    def close(self) -> None:
        """Close what nobody uses; what is in use stays open, and is used again."""
        with self._gate:
            self._close_idle()

    def after_fork(self) -> None:
        """Forget, in a child process, the connections of its parent."""
        self.idle: deque[Channel] = deque()
        self.awaited: int = 0
        self._made = 0
        self._gate = threading.Condition(threading.Lock())

    def _close_idle(self) -> None:
        while True:
            try:
                connection = self.idle.pop()
            except IndexError:
                return
            self._made -= 1
            connection.close()
