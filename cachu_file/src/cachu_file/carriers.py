"""What aiosqlite is made to do: run a whole operation where it expects a statement."""

from __future__ import annotations

import sqlite3
from threading import RLock, Thread
from typing import TYPE_CHECKING

import aiosqlite

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Errand(str):
    """An operation, in the place of a statement.

    Attributes:
        work: What is to be done.
    """

    __slots__ = ("work",)

    work: Callable[[], Any]


class Carrier(sqlite3.Connection):
    """A connection that runs errands as if they were statements.

    Attributes:
        busy: Held while it runs one, and while it is closed: a fork waits for that.
        closed: Whether it is closed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.busy: RLock = RLock()
        self.closed: bool = False

    def execute(self, sql: str, *values: Any) -> Any:
        """Run a statement, or an errand."""
        if type(sql) is not Errand:
            return super().execute(sql, *values)
        with self.busy:
            return _Answer(sql.work())

    def close(self) -> None:
        """Close it; closing twice is no error."""
        with self.busy:
            super().close()
            self.closed = True


class _Answer:
    """What an errand came to, in the place of a cursor."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def fetchall(self) -> Any:
        return self._answer


class Link(aiosqlite.Connection):
    """An aiosqlite connection whose thread does not keep the process alive.

    Attributes:
        thread: The thread.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, 64)
        self.thread: Thread = self._thread
        self.thread.daemon = True

    def __del__(self) -> None:
        """Say nothing: a program may end without closing its caches."""
