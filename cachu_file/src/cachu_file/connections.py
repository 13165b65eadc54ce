"""A connection to the database of one package, and transactions on it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachu_file.wal_index import WalIndex

    Inode = tuple[int, int]

#: Seconds that an operation waits for others in all.
PATIENCE: Final = 2.3
#: What SQLite puts beside a database.
COMPANIONS: Final = ("-wal", "-shm")
# What a forked child must not close, nor let go of.
_inherited: Final[list[object]] = []


class Text(bytes):
    """What SQLite has as text. A flipped bit can make text of anything, so it is not decoded."""

    __slots__ = ()


class Connection:
    """A connection to the database, with what is known about it.

    Attributes:
        raw: The connection itself, in autocommit mode.
        execute: Runs a statement, on a cursor of its own.
        find: Runs a statement on the one cursor that is kept for reading.
        header: The header of the WAL index, if that can be seen.
        inode: Of the database file.
        identity: A number that tells this database from all that were there before it.
        index: The WAL index, if it can be seen.
        generation: Of the pool that it belongs to.
        check_at: When to look next whether the file is still there, on the monotonic clock.
        seen_at: When it was last seen to be there, on the same clock.
        patience: Seconds that an operation waits for others.
    """

    __slots__ = (
        "__weakref__",
        "_process",
        "check_at",
        "execute",
        "find",
        "generation",
        "header",
        "identity",
        "index",
        "inode",
        "patience",
        "raw",
        "seen_at",
    )

    execute: Callable[..., sqlite3.Cursor]
    find: Callable[..., sqlite3.Cursor]

    def __init__(
        self, raw: sqlite3.Connection, inode: Inode, identity: int, index: WalIndex | None
    ) -> None:
        self.raw: sqlite3.Connection = raw
        self.execute = sqlite3.Connection.execute.__get__(raw)  # a subclass may have its own
        self.find = raw.cursor().execute
        self.index: WalIndex | None = index
        self.header: memoryview | None = None if index is None else index.header
        self.inode: Inode = inode
        self.identity: int = identity
        self.generation: int = 0
        self.check_at: float = 0.0
        self.seen_at: float = 0.0
        self.patience: float = PATIENCE
        self._process = os.getpid()

    def mark(self) -> bytes | None:
        """Return what changes with every commit of anybody; None if that cannot be seen."""
        return None if self.header is None else self.header.tobytes()

    def fetch(self, sql: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """Run a statement that returns one row."""
        row: tuple[Any, ...] = self.find(sql, values).fetchone()
        return row

    def end_query(self) -> None:
        """End what was found last, whether all of it was fetched or not."""
        with suppress(sqlite3.ProgrammingError):  # it is closed
            self.find = self.raw.cursor().execute

    def give_up(self, error: BaseException) -> None:
        """End a query that failed; raise the error again unless it is one of SQLite."""
        self.end_query()
        if not isinstance(error, sqlite3.Error):
            raise error

    def wait_for(self, seconds: float) -> None:
        """Set how long SQLite waits for a lock."""
        self.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}").fetchall()

    def be_patient(self, seconds: float) -> None:
        """Set how long an operation waits for others."""
        if seconds != self.patience:
            self.patience = seconds
            self.wait_for(seconds)

    def close(self) -> None:
        """Close it; closing twice is no error.

        A forked child keeps what it has of its parent: SQLite forbids to close that there, and a
        thread of the parent may have had the lock of the connection.
        """
        if self._process != os.getpid():
            _inherited.append(self.raw)
            return
        index, self.index = self.index, None
        if index is None:
            self.raw.close()
        else:
            index.release(self.raw.close)

    def __del__(self) -> None:
        """Close what a thread lost that was interrupted."""
        if hasattr(self, "_process"):  # else it is half made
            self.close()


class Transaction:
    """Several statements that take effect together, or not at all."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
        else:
            undo(self._connection)


def undo(connection: Connection) -> None:
    """Leave no transaction open after an error; some errors have ended it already.

    Nor a query of which not every row was fetched, because a signal came: as long as that is open,
    nothing can be written on this connection once anybody else has written.
    """
    if connection.raw.in_transaction:
        connection.execute("ROLLBACK")
    connection.end_query()
