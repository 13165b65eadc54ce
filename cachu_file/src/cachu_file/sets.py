"""How a value is set by key, so that nothing that was computed before it comes after it.

A set writes its row and then looks whether anybody computes the key, who is fenced off. In between
nobody may store what was computed. Where commits can be counted, see `cachu_file.wal_index`, it is
seen afterwards whether the set's own was the only one. If it was not, the row says whether what is
there now was computed or set: a newer set stays, and what was deleted since stays away.

Whoever writes takes a turn, see `cachu_file.turns`; but not a set while nobody else writes, and so
as long as the last commit was a set of this process.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from cachu_file import table
from cachu_file.connections import Transaction
from cachu_file.listing import is_unlisted, note
from cachu_file.wal_index import commits_between

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


def put(engine: Engine, connection: Connection, region: RegionKeys, row: Row) -> None:
    """Set a row: key, tag, twice the time when it expires, value."""
    unlisted = is_unlisted(engine, connection, region)
    if not unlisted and put_at_once(engine, connection, row):
        return
    with engine.turns.take(connection) as in_turn:
        if unlisted:
            note(engine, connection, region)
        before = connection.mark()
        # Nothing but the turn keeps computations from being stored then.
        doubtful = before is None and not in_turn and engine.keys.computed(row[0])
        write(connection, table.STORE, row)
        if not _was_alone(engine, connection, row[0], before) or doubtful:
            _settle(engine, connection, row)


def put_at_once(engine: Engine, connection: Connection, row: Row) -> bool:
    """Set a row out of turn if it seems that nobody else writes; say whether that was done."""
    before = connection.mark()
    if before is None or before != engine.last_mark:
        return False
    mutex = engine.turns.mutex
    if not mutex.acquire(blocking=False):
        return False
    try:
        write(connection, table.STORE, row)
        alone = _was_alone(engine, connection, row[0], before)
    finally:
        while mutex._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
            mutex.release()
    if not alone:
        with engine.turns.take(connection):
            _settle(engine, connection, row)
    return True


def write(connection: Connection, statements: tuple[str, str], values: Row) -> bool:
    """Write a row by the first statement that does; say whether one did."""
    first, second = statements
    execute = connection.execute
    return execute(first, values).rowcount > 0 or execute(second, values).rowcount > 0


def _was_alone(engine: Engine, connection: Connection, key: bytes, before: bytes | None) -> bool:
    """Tell whether nobody computes a key, nor has stored it since *before*, but a set of ours."""
    computed = engine.keys.computed(key)
    if before is None:
        return not computed
    after = connection.mark()
    if computed or after is None or commits_between(before, after) != 1:
        return False
    engine.last_mark = after
    return True


def _settle(engine: Engine, connection: Connection, row: Row) -> None:
    """Have a set that was not alone come after what was computed, and before all else."""
    key, *_, value = row
    with Transaction(connection):
        found = connection.fetch(table.COMPUTED, (key,))
        if found == (1,):
            if isinstance(value, bytes):
                write(connection, table.STORE, row)
            else:  # its file may be gone by now: the row that named it was replaced
                connection.execute(table.DELETE, (key,))
        if engine.keys.computed(key):
            connection.execute(table.RAISE_FENCE, (key, time.time()))
