"""What a store keeps: rows, and files for what is large."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple

from cachu_file import damage, quiet, table, upkeep, values
from cachu_file.connections import Transaction, undo
from cachu_file.listing import is_unlisted, note
from cachu_file.removals import delete

if TYPE_CHECKING:
    from typing import Any

    from cachu_file.connections import Connection
    from cachu_file.engine import Engine
    from cachu_file.leases import Claim
    from cachu_file.table import RegionKeys


class Entry(NamedTuple):
    """What is to be stored.

    Attributes:
        key: The key, as it is spelled in the table.
        tag: The tag, likewise; None for none.
        ttl: The time to live, in seconds.
        data: The data.
    """

    key: bytes
    tag: bytes | None
    ttl: float
    data: bytes


def store(engine: Engine, connection: Connection, region: RegionKeys, entry: Entry) -> None:
    """Keep an entry, and fence off who computes it."""
    if not quiet.is_there(connection):
        engine.check(connection, briefly=True)
    if len(entry.data) > values.LARGE:
        _put_large(engine, connection, region, entry)
    else:
        _put(engine, connection, region, entry, entry.data)
    upkeep.after_write(engine, connection, len(entry.data))


def store_at_once(engine: Engine, connection: Connection, region: RegionKeys, entry: Entry) -> bool:
    """Keep an entry if there is nothing to wait for, to look after or to repair.

    Returns:
        Whether it was kept; else it is to be stored as usual.
    """
    if (
        len(entry.data) > values.LARGE
        or connection.generation != engine.pool.generation
        or not quiet.is_there(connection)
        or is_unlisted(engine, connection, region)
    ):
        return False
    expires = time.time() + entry.ttl
    try:
        kept = quiet.put(engine, connection, (entry.key, entry.tag, expires, expires, entry.data))
    except (sqlite3.Error, OSError) as error:
        undo(connection)
        if "locked" in str(error):
            raise  # it was waited for
        return False
    if kept:
        upkeep.after_write(engine, connection, len(entry.data))
    return kept


def commit(
    engine: Engine, connection: Connection, region: RegionKeys, entry: Entry, claim: Claim
) -> bool:
    """Keep an entry unless it was overtaken."""
    engine.check(connection, briefly=True)
    if claim.identity != connection.identity or not claim.holds(engine.ranges()):
        return False
    if len(entry.data) > values.LARGE:
        kept = _put_large(engine, connection, region, entry, claim)
    else:
        kept = _put(engine, connection, region, entry, entry.data, claim)
    upkeep.after_write(engine, connection, len(entry.data))
    return kept


def _put(
    engine: Engine,
    connection: Connection,
    region: RegionKeys,
    entry: Entry,
    value: bytes | str,
    claim: Claim | None = None,
) -> bool:
    """Write a row; with a claim only if it was not overtaken, else fencing off who has one."""
    now = time.time()
    expires = now + entry.ttl
    row = (entry.key, entry.tag, expires, expires, value)
    try:
        unlisted = is_unlisted(engine, connection, region)
        if not unlisted and claim is None and quiet.put(engine, connection, row):
            return True
        with engine.turns.take(connection) as in_turn:
            if unlisted:
                note(engine, connection, region)
            if claim is not None:
                fences = (entry.key, region.id, entry.tag, claim.since)
                return _write(connection, table.COMMIT, row + fences)
            # Out of turn, somebody may store what was computed before we ask who computes.
            computed = not in_turn and engine.keys.computed(entry.key)
            _write(connection, table.STORE, row)
            if computed or engine.keys.computed(entry.key):
                # Again, for whoever computes it may have stored that meanwhile.
                with Transaction(connection):
                    _write(connection, table.STORE, row)
                    connection.execute(table.RAISE_FENCE, (entry.key, now))
            engine.last_mark = connection.mark()
    except (sqlite3.OperationalError, OSError) as error:
        _put_nothing(engine, connection, entry.key, error)
        raise
    return True


def _write(connection: Connection, statements: tuple[str, ...], row: tuple[Any, ...]) -> bool:
    """Write a row by the first statement that does; say whether one did."""
    return any(connection.execute(statement, row).rowcount > 0 for statement in statements)


def _put_large(
    engine: Engine,
    connection: Connection,
    region: RegionKeys,
    entry: Entry,
    claim: Claim | None = None,
) -> bool:
    """Write a file, then the row that names it."""
    engine.has_files = True
    try:
        try:
            name = values.write(engine.values(), entry.data)
        except FileNotFoundError:  # somebody removed the directory
            engine.lose_values()
            name = values.write(engine.values(), entry.data)
    except OSError as error:
        _put_nothing(engine, connection, entry.key, error)
        raise
    kept = False
    try:
        kept = _put(engine, connection, region, entry, name, claim)
    finally:
        if not kept:
            engine.values().remove(name)
    return kept


def _put_nothing(
    engine: Engine, connection: Connection, key: bytes, error: sqlite3.Error | OSError
) -> None:
    """Delete what was to be replaced: whoever stores something does not want what was before."""
    undo(connection)
    if isinstance(error, OSError) or damage.is_unwritable(error):
        delete(engine, connection, key)
