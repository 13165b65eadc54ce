"""Opens the database of one package, and makes it."""
# ruff: noqa: PTH118  paths are bytes in the end, as SQLite takes them

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final

from cachu_file import table
from cachu_file.connections import PATIENCE, Connection, Text
from cachu_file.errors import AbsentError, OtherSchemaError
from cachu_file.wal_index import index_of, kept_open

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from cachu_file.directory import PrivateDirectory

# What is left at least of the time that an operation waits, in seconds, for a last try.
_LEAST_PATIENCE: Final = 0.1
_SETTINGS: Final = (
    "PRAGMA synchronous = NORMAL",  # power loss may cost the last entries, never the database
    "PRAGMA mmap_size = 0",  # a file that is cut under us must not kill the process
    "PRAGMA trusted_schema = OFF",
    "PRAGMA journal_size_limit = 16777216",
    "PRAGMA wal_autocheckpoint = 3000",  # pages: each one waits for the disk, and cuts no log short
)
_OURS: Final = (table.APPLICATION, table.SCHEMA)


def connect(
    directory: PrivateDirectory,
    name: str,
    *,
    creates: bool,
    setup: Callable[[], AbstractContextManager[None]],
    factory: type[sqlite3.Connection] = sqlite3.Connection,
) -> Connection:
    """Open a database.

    Args:
        directory: Where it is.
        name: What it is called.
        creates: Whether to make it if it is not there.
        setup: Lets one caller at a time make or remove it, in all processes.
        factory: The class of the connection.

    Raises:
        AbsentError: If it is not there and is not to be made.
        OtherSchemaError: If it is none of ours.
        UnsafeDirectoryError: If it is a link, or somebody else's.
        sqlite3.Error: If it cannot be opened, or is damaged.
        OSError: If it cannot be made.
    """
    began = time.monotonic()
    with kept_open(os.path.join(directory.path, name)):
        state = directory.check(name)
        if state is not None:
            try:
                return _opened(directory, name, state, factory, PATIENCE, setup)
            except sqlite3.OperationalError as error:
                # While it is made, SQLite does not always wait; then it is done in turn, below.
                if "locked" not in str(error):
                    raise
        elif not creates:
            raise AbsentError
        with setup():
            state = directory.check(name) or _made(directory, name)
            patience = max(_LEAST_PATIENCE, PATIENCE - (time.monotonic() - began))
            return _opened(directory, name, state, factory, patience)


def _opened(
    directory: PrivateDirectory,
    name: str,
    state: os.stat_result,
    factory: type[sqlite3.Connection],
    patience: float,
    setup: Callable[[], AbstractContextManager[None]] | None = None,
) -> Connection:
    """Open a file that is there; without *setup*, it is our turn to make a database of it."""
    path = os.path.join(directory.path, name)
    raw = _raw(path, factory, patience)
    try:
        if setup is None:
            _set_up(raw)
        elif _marks(raw) != _OURS:
            with setup():  # it may be in the making
                _check_marks(raw)
        if raw.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            raw.execute("PRAGMA journal_mode = WAL").fetchone()
        for setting in _SETTINGS:
            raw.execute(setting).fetchone()
        raw.text_factory = Text
        identity = _identity(raw)
        raw.execute(f"PRAGMA busy_timeout = {round(PATIENCE * 1000)}").fetchone()
        return Connection(raw, (state.st_dev, state.st_ino), identity, index_of(path))
    except BaseException:
        raw.close()
        raise


def _set_up(raw: sqlite3.Connection) -> None:
    if _marks(raw) == (0, 0) and not raw.execute("SELECT 1 FROM sqlite_master").fetchone():
        raw.execute("PRAGMA auto_vacuum = INCREMENTAL")
        raw.execute("PRAGMA journal_mode = WAL").fetchone()
        raw.executescript(table.CREATE)


def _raw(path: str, factory: type[sqlite3.Connection], patience: float) -> sqlite3.Connection:
    return sqlite3.connect(
        b"file:" + _quoted(path) + b"?mode=rw",
        uri=True,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,
        factory=factory,
    )


def _made(directory: PrivateDirectory, name: str) -> os.stat_result:
    """Make an empty file: SQLite would give it the mode that the umask leaves."""
    # A log that is left of a database that somebody removed is not played back into an empty one.
    descriptor = directory.create(name)
    try:
        return os.fstat(descriptor)
    finally:
        # This process has no connection to the file yet: closing it would end its locks.
        os.close(descriptor)


def _check_marks(raw: sqlite3.Connection) -> None:
    marks = _marks(raw)
    if marks != _OURS:
        raise OtherSchemaError(f"it has the marks {marks}")


def _marks(raw: sqlite3.Connection) -> tuple[int, int]:
    (application,) = raw.execute("PRAGMA application_id").fetchone()
    (version,) = raw.execute("PRAGMA user_version").fetchone()
    return application, version


def _identity(raw: sqlite3.Connection) -> int:
    row = raw.execute(table.IDENTITY).fetchone()
    if row is None:
        raise OtherSchemaError("it has no identity")
    return int(row[0])


def _quoted(path: str) -> bytes:
    """Write a path as a URI has it; any bytes may be in it."""
    quoted = os.fsencode(path).replace(b"%", b"%25").replace(b"?", b"%3f").replace(b"#", b"%23")
    if os.name == "nt":
        quoted = b"/" + quoted.replace(b"\\", b"/")
    return quoted
