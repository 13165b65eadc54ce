"""How a row is written, and set by key: one statement, after which nothing older can come.

Each set leaves a number in the row that is higher than the one before. Whoever computes the key
remembers the number that was there when it began, and stores only if it still is. So a set need not
ask who computes, and nobody has to wait for it.

Writers take turns, see `cachu_file.turns`, to be fair to each other. A set while nobody else writes
needs none: as long as the last commit was one of this process, it seems so. The same goes for
whoever stores what was computed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from cachu_file.listing import is_unlisted, note

if TYPE_CHECKING:
    from cachu_file.connections import Connection
    from cachu_file.engine import Engine
    from cachu_file.table import RegionKeys

    Row = tuple[Any, ...]

# Seconds after a look at the database file in which a set need not look again. Nobody can remove
# it, make another and keep something in that by then, so what is set was in the old one in time.
_AT_ONCE: Final = 0.0005


def is_there(connection: Connection) -> bool:
    """Tell whether the database was there a moment ago, and so does not have to be looked for."""
    return 0.0 < time.monotonic() - connection.seen_at < _AT_ONCE


def row(key: bytes, tag: bytes | None, ttl: float, value: bytes | str) -> Row:
    """Return what a row is to have: key, tag, when it expires and is due, value, number."""
    expires = time.time() + ttl
    return key, tag, expires, expires, value, time.time_ns() // 1000


def write(
    engine: Engine,
    connection: Connection,
    region: RegionKeys,
    statements: tuple[str, str],
    values: Row,
) -> bool:
    """Write a row by the first statement that does; say whether one did."""
    unlisted = is_unlisted(engine, connection, region)
    if not unlisted:
        written = write_at_once(engine, connection, statements, values)
        if written is not None:
            return written
    with engine.turns.take(connection):
        if unlisted:
            note(engine, connection, region)
        written = _write(connection, statements, values)
        engine.last_mark = connection.mark()
    return written


def write_at_once(
    engine: Engine, connection: Connection, statements: tuple[str, str], values: Row
) -> bool | None:
    """Write a row out of turn if it seems that nobody else writes.

    Returns:
        Whether a statement did; None if it has to be done in turn.
    """
    header = connection.header
    if header is None or header.tobytes() != engine.last_mark:
        return None
    turns = engine.turns
    mutex = turns.mutex
    try:
        if not mutex.acquire(False):
            return None
        written = _write(connection, statements, values)
        engine.last_mark = header.tobytes()
        mutex.release()
    except BaseException:  # a signal, be it in the middle of that
        turns.leave()
        raise
    return written


def _write(connection: Connection, statements: tuple[str, str], values: Row) -> bool:
    first, second = statements
    execute = connection.execute
    return execute(first, values).rowcount > 0 or execute(second, values).rowcount > 0
