"""What a store keeps: rows, and files for what is large."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from cachu_file import damage, rows, table, upkeep, values
from cachu_file.connections import undo
from cachu_file.errors import StaleConnectionError
from cachu_file.listing import is_unlisted
from cachu_file.removals import delete

if TYPE_CHECKING:
    from cachu_file.connections import Connection
    from cachu_file.engine import Engine
    from cachu_file.leases import Claim
    from cachu_file.rows import Row
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

    def row(self, value: bytes | str) -> Row:
        """Return what a statement takes: *value* is the data, or the name of its file."""
        return rows.row(self.key, self.tag, self.ttl, value)


def store(engine: Engine, connection: Connection, region: RegionKeys, entry: Entry) -> None:
    """Keep an entry; whoever computes it is overtaken."""
    if not rows.is_there(connection):
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
    data = entry.data
    if len(data) > values.LARGE or connection.generation != engine.pool.generation:
        return False
    try:
        if not rows.is_there(connection):
            engine.check(connection, briefly=True)
        if is_unlisted(engine, connection, region) or not rows.write_at_once(
            engine, connection, table.STORE, entry.row(data)
        ):
            return False
        upkeep.after_write(engine, connection, len(data))
    except StaleConnectionError:
        return False
    except BaseException as error:
        undo(connection)
        # A lock was waited for.
        if not isinstance(error, (sqlite3.Error, OSError)) or "locked" in str(error):
            raise
        return False
    return True


def store_soon(engine: Engine, connection: Connection, region: RegionKeys, entry: Entry) -> None:
    """Keep an entry, at once if that is possible."""
    if not store_at_once(engine, connection, region, entry):
        store(engine, connection, region, entry)


def commit(
    engine: Engine, connection: Connection, region: RegionKeys, entry: Entry, claim: Claim
) -> bool:
    """Keep an entry unless it was overtaken."""
    if not rows.is_there(connection):
        engine.check(connection, briefly=True)
    if claim.identity != connection.identity or not claim.holds(engine.files.ranges()):
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
    """Set a row; with a claim write it only if that was not overtaken."""
    row = entry.row(value)
    try:
        if claim is None:
            return rows.write(engine, connection, region, table.STORE, row)
        fences = (entry.key, region.id, entry.tag, claim.since, claim.seen)
        return rows.write(engine, connection, region, table.COMMIT, row[:-1] + fences)
    except (sqlite3.OperationalError, OSError) as error:
        _put_nothing(engine, connection, entry.key, error)
        raise


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
            name = values.write(engine.files.values(), entry.data)
        except FileNotFoundError:  # somebody removed the directory
            engine.files.lose_values()
            name = values.write(engine.files.values(), entry.data)
    except OSError as error:
        _put_nothing(engine, connection, entry.key, error)
        raise
    kept = False
    try:
        kept = _put(engine, connection, region, entry, name, claim)
    finally:
        if not kept:
            engine.files.values().remove(name)
    return kept


def _put_nothing(
    engine: Engine, connection: Connection, key: bytes, error: sqlite3.Error | OSError
) -> None:
    """Delete what was to be replaced: whoever stores something does not want what was before."""
    undo(connection)
    if isinstance(error, OSError) or damage.is_unwritable(error):
        delete(engine, connection, key)
