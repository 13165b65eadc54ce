"""What a store does, each as one plain function of the engine and a connection.

Plain code calls them on a connection of the pool. For asynchronous code they are carried whole to
the thread that has the connection: a task that is cancelled leaves nothing half done.
"""
# ruff: noqa: ARG001  they are all called alike

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from cachu_file import damage, table, upkeep, values
from cachu_file.connections import Transaction, undo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cachu_file.connections import Connection
    from cachu_file.engine import Engine
    from cachu_file.leases import Claim
    from cachu_file.near import NearRegion
    from cachu_file.table import RegionKeys

# Seconds after which a region that is in use says so again.
_SEEN: Final = 3600.0
# How many entries one step of a clear removes: others may write between two steps.
_STEP: Final = 10_000
# How many keys one statement looks for.
_MANY: Final = 500
# Another process may replace a large value between our look at the row and at the file.
_LOOKS: Final = 3


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


def load(engine: Engine, connection: Connection, key: bytes) -> bytes | None:
    """Return the data of a key, stale or not."""
    for _ in range(_LOOKS):
        row = connection.find(table.FIND, (key,)).fetchone()
        if row is None:
            return None
        value = row[0]
        if type(value) is bytes:
            return value
        try:
            return _other(engine, value)
        except FileNotFoundError:
            continue
    return None


def load_near(
    engine: Engine, connection: Connection, key: bytes, near: NearRegion, name: str
) -> bytes | None:
    """Return the data of a key, and keep it near under its *name*."""
    mark = near.mark(connection)
    data = load(engine, connection, key)
    if data is None or mark is None:
        return data
    return near.keep(name, data, mark, connection)


def load_many(engine: Engine, connection: Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the data of those keys that have any."""
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), _MANY):
        some = keys[start : start + _MANY]
        marks = ",".join("?" * len(some))
        sql = f"SELECT key, value FROM entry WHERE key IN ({marks})"  # noqa: S608  only marks
        for key, value in connection.execute(sql, some).fetchall():
            data = value if type(value) is bytes else load(engine, connection, key)
            if data is not None:
                found[key] = data
    return found


def begin(
    engine: Engine,
    connection: Connection,
    region: RegionKeys,
    key: bytes,
    tag: bytes | None,
    claim: Claim,
    force: bool,
) -> bytes | None:
    """Look at a key, and lay claim to it if there is nothing and nobody computes it.

    Args:
        engine: The engine.
        connection: A connection.
        region: Its region.
        key: The key.
        tag: Its tag.
        claim: The claim, which holds the key afterwards, or does not: then somebody else does.
        force: Whether what is there does not count, and who computes it is to be fenced off.

    Returns:
        The data of the key if there is any that counts.
    """
    engine.check(connection, briefly=True)
    if _is_unlisted(engine, connection, region):
        # Now, so that a clear from a process that knows nothing of it finds it.
        try:
            with engine.turns.take(connection):
                _note(engine, connection, region)
        except sqlite3.OperationalError as error:
            undo(connection)
            if not damage.is_unwritable(error):
                raise  # else nothing will be stored either
    mark = connection.mark()
    since, data = _look(engine, connection, region, key, tag)
    while force or data is None:
        holding = engine.keys.take(key, since)
        if holding is None:
            if not force:
                return None
            with engine.turns.take(connection):
                connection.execute(table.RAISE_FENCE, (key, time.time()))
            mark = connection.mark()
            since, data = _look(engine, connection, region, key, tag)
            continue
        try:
            before = since
            if mark is None or connection.mark() != mark:
                # Whoever had it may have stored something, or have been fenced off, in between.
                mark = connection.mark()
                since, data = _look(engine, connection, region, key, tag)
            if since == before and (force or data is None):
                claim.hold(holding, connection.identity, since)
                return None
        finally:
            if claim.holding is not holding:
                holding.release()
    return data


def store(engine: Engine, connection: Connection, region: RegionKeys, entry: Entry) -> None:
    """Keep an entry, and fence off who computes it."""
    engine.check(connection, briefly=True)
    if len(entry.data) > values.LARGE:
        _put_large(engine, connection, region, entry)
    else:
        _put(engine, connection, region, entry, entry.data)
    upkeep.after_write(engine, connection, len(entry.data))


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


def count(
    engine: Engine,
    connection: Connection,
    region: RegionKeys,
    tag: bytes | None,
    function: str | None,
) -> int:
    """Count the fresh entries of a region, a tag, a function."""
    bounds = region.function_range(function)
    now = time.time()
    if tag is None:
        (number,) = connection.fetch(table.COUNT, (*bounds, now, now, *bounds))
    else:
        (number,) = connection.fetch(table.COUNT_TAG, (tag, now, *bounds))
    return int(number)


def regions(engine: Engine, connection: Connection) -> list[tuple[str, str, float]]:
    """List the regions: package, key prefix and time to live."""
    return [
        (table.decoded(package), table.decoded(key_prefix), ttl)
        for package, key_prefix, ttl in connection.execute(table.REGIONS).fetchall()
    ]


def _look(
    engine: Engine, connection: Connection, region: RegionKeys, key: bytes, tag: bytes | None
) -> tuple[int, bytes | None]:
    """Return the last fence that concerns a key, and its data if that is fresh."""
    since = 0
    for _ in range(_LOOKS):
        since, value = connection.fetch(table.BEGIN, (key, region.id, tag, key, time.time()))
        if value is None or type(value) is bytes:
            return since, value
        try:
            return since, _other(engine, value)
        except FileNotFoundError:
            continue
    return since, None


def _other(engine: Engine, value: object) -> bytes:
    """Return the data of a row that has it not in itself.

    Returns:
        No data at all if it cannot be read: whoever gets that will say so, and delete the entry.

    Raises:
        FileNotFoundError: If it was replaced meanwhile.
    """
    name = values.name_of(value)
    if name is None:
        return b""
    engine.has_files = True
    try:
        return values.read(engine.values(), name)
    except FileNotFoundError:
        raise
    except OSError:  # no file, not ours to read, or on a bad sector
        return b""


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
        with engine.turns.take(connection):
            if _is_unlisted(engine, connection, region):
                _note(engine, connection, region)
            if claim is not None:
                fences = (entry.key, region.id, entry.tag, claim.since)
                return _write(connection, table.COMMIT, row + fences)
            _write(connection, table.STORE, row)
            if engine.keys.computed(entry.key):
                # Again, for whoever computes it may have stored that meanwhile.
                with Transaction(connection):
                    _write(connection, table.STORE, row)
                    connection.execute(table.RAISE_FENCE, (entry.key, now))
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


def _is_unlisted(engine: Engine, connection: Connection, region: RegionKeys) -> bool:
    """Tell whether the region has to say again that it is in use."""
    return engine.noted.get((connection.identity, region.id), 0.0) < time.monotonic()


def _note(engine: Engine, connection: Connection, region: RegionKeys) -> None:
    """Have the region listed, before it has anything in it."""
    row: tuple[Any, ...] = (
        region.id,
        table.encoded(region.package),
        table.encoded(region.key_prefix),
        region.ttl,
        time.time(),
    )
    connection.execute(table.NOTE_REGION, row)
    engine.noted[connection.identity, region.id] = time.monotonic() + _SEEN


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
