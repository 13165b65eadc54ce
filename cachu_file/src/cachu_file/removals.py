"""What a store deletes and clears, also from a disk that is full."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Final

from cachu_file import damage, table, upkeep
from cachu_file.connections import Transaction, undo
from cachu_file.reads import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from cachu_file.connections import Connection
    from cachu_file.engine import Engine
    from cachu_file.table import RegionKeys

# How many entries one step of a clear removes: others may write between two steps.
_STEP: Final = 10_000


def delete(engine: Engine, connection: Connection, key: bytes) -> bool:
    """Forget a key and fence off who computes it; say whether there was a fresh entry."""

    def remove() -> int:
        removed = 0
        with engine.turns.take(connection):
            computed = engine.keys.computed(key)
            if not computed:
                removed = _delete(connection, key)
                # Somebody may have begun while that waited for others to write.
                computed = engine.keys.computed(key)
            if computed:
                with Transaction(connection):
                    connection.execute(table.RAISE_FENCE, (key, time.time()))
                    removed += _delete(connection, key)
        return removed

    engine.check(connection)
    removed = _insist(engine, connection, remove)
    upkeep.after_write(engine, connection)
    return removed != 0


def clear(engine: Engine, connection: Connection, region: RegionKeys, tag: bytes | None) -> int:
    """Forget all entries of a region, or those with a tag; return how many were fresh."""

    def remove() -> int:
        with engine.turns.take(connection), Transaction(connection):
            fresh = count(engine, connection, region, tag, None)
            (newest,) = connection.fetch(table.NEWEST)
            what = region.id if tag is None else tag
            connection.execute(table.RAISE_FENCE, (what, time.time()))
            more = _clear_some(connection, region, tag, newest or 0)
        while more:
            with engine.turns.take(connection):
                more = _clear_some(connection, region, tag, newest)
        return fresh

    engine.check(connection)
    removed = _insist(engine, connection, remove)
    upkeep.after_clear(engine, connection)
    return removed


def _delete(connection: Connection, key: bytes) -> int:
    fresh = connection.execute(table.DELETE_FRESH, (key, time.time())).rowcount
    if not fresh:
        connection.execute(table.DELETE, (key,))
    return fresh


def _clear_some(connection: Connection, region: RegionKeys, tag: bytes | None, newest: int) -> bool:
    """Remove some entries that were there when the clear began; say whether there may be more."""
    if tag is None:
        done = connection.execute(table.CLEAR, (*region.function_range(None), newest, _STEP))
    else:
        done = connection.execute(table.CLEAR_TAG, (tag, newest, _STEP))
    return done.rowcount == _STEP


def _insist(engine: Engine, connection: Connection, remove: Callable[[], int]) -> int:
    """Remove something, also from a disk that is full.

    Returns:
        What *remove* does, or -1 if only removing everything helped.

    Raises:
        OSError: If not even that did.
    """
    try:
        return remove()
    except sqlite3.OperationalError as error:
        undo(connection)
        if not damage.is_unwritable(error):
            raise
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return remove()
    except sqlite3.OperationalError as error:
        undo(connection)
        if not damage.is_unwritable(error):
            raise
        engine.drop(connection, error)
        return -1
