"""What a store reads, each as one plain function of the engine and a connection.

Plain code calls them on a connection of the pool. For asynchronous code they are carried whole to
the thread that has the connection.
"""
# ruff: noqa: ARG001  they are all called alike

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from cachu_file import table, values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu_file.connections import Connection
    from cachu_file.engine import Engine
    from cachu_file.near import NearRegion
    from cachu_file.table import RegionKeys

# How many keys one statement looks for.
_MANY: Final = 500
# Another process may replace a large value between our look at the row and at the file.
_LOOKS: Final = 3


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


def look(
    engine: Engine, connection: Connection, region: RegionKeys, key: bytes, tag: bytes | None
) -> tuple[int, int, bytes | None]:
    """Return the last fence that concerns a key, when it was set, and its data if that is fresh."""
    since = seen = 0
    for _ in range(_LOOKS):
        keys = key, region.id, tag, key, key
        since, seen, value = connection.fetch(table.BEGIN, (*keys, time.time()))
        if value is None or type(value) is bytes:
            return since, seen, value
        try:
            return since, seen, _other(engine, value)
        except FileNotFoundError:
            continue
    return since, seen, None


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
        return values.read(engine.files.values(), name)
    except FileNotFoundError:
        raise
    except OSError:  # no file, not ours to read, or on a bad sector
        return b""
