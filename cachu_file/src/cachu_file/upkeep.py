"""What is swept, evicted and given back to the disk, a little with every so many writes.

No thread does it, and no read. Whoever happens to write pays a millisecond now and then.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import TYPE_CHECKING, Final

from cachu_file import table, values
from cachu_file.connections import Transaction, undo
from cachu_file.keylocks import SWEEPING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cachu_file.connections import Connection
    from cachu_file.engine import Engine

log: Final = logging.getLogger("cachu")

#: How often there is upkeep, in writes, and in bytes that were written.
EVERY: Final = 64
EVERY_BYTES: Final = 8 << 20
# How many entries, files and pages one upkeep touches at most.
_ENTRIES: Final = 256
_FILES: Final = 64
_PAGES: Final = 256
_FENCES: Final = 10_000
# The part of the limit down to which entries are evicted, so that not every write has to.
_ROOM: Final = 0.95
# Seconds between two sweeps for files that no row names, for which such files are left alone, for
# which fences are kept, and after which a region that nobody uses is not listed any more.
_SWEEP_EVERY: Final = 3600.0
GRACE: Final = 600.0
_FENCES_KEPT: Final = 86400.0
_REGIONS_KEPT: Final = 2 * 86400.0


def after_write(engine: Engine, connection: Connection, size: int = 0) -> None:
    """Do what is due after a write; an error is only logged, for the write succeeded."""
    if engine.pool.generation != connection.generation:
        return  # the whole database was dropped
    engine.writes_left -= 1
    engine.bytes_left -= size
    if engine.writes_left > 0 and engine.bytes_left > 0:
        if engine.has_files:
            _guarded(engine, connection, empty_trash)
        return
    engine.writes_left = EVERY
    engine.bytes_left = EVERY_BYTES
    if engine.size_limit is not None:
        engine.bytes_left = min(EVERY_BYTES, engine.size_limit // 20)
    _guarded(engine, connection, tidy)


def after_clear(engine: Engine, connection: Connection) -> None:
    """Do what is due after a clear: remove files, and make the database smaller."""
    if engine.pool.generation == connection.generation:
        _guarded(engine, connection, empty_trash)
        _guarded(engine, connection, shrink)


def tidy(engine: Engine, connection: Connection) -> None:
    """Sweep what is stale, evict what is too much, and give pages back."""
    now = time.time()
    with engine.turns.take(connection) as in_turn:
        if not in_turn:
            return  # the next one will do; whoever only wanted to write has waited enough
        with Transaction(connection):
            if engine.keys.any_computed():
                connection.execute(table.FENCE_SWEPT, (now, now, now, _ENTRIES))
            connection.execute(table.SWEEP, (now, _ENTRIES, now))
            connection.execute(table.POSTPONE, (now, _ENTRIES))
    if engine.size_limit is not None:
        evict(engine, connection, engine.size_limit)
    empty_trash(engine, connection)
    give_back_pages(engine, connection, _PAGES)
    if time.monotonic() >= engine.sweep_at:
        engine.sweep_at = time.monotonic() + _SWEEP_EVERY
        age = time.time() - engine.files.ranges().state().st_mtime
        if not 0 <= age < _SWEEP_EVERY:
            sweep(engine, connection)


def evict(engine: Engine, connection: Connection, limit: int) -> None:
    """Remove the entries that would expire soonest, until the rest takes no more than *limit*."""
    pages, files = _bytes(connection)
    if pages + files <= limit:
        return
    surplus = pages + files - limit * _ROOM
    (number,) = connection.fetch(table.ROWS)
    each = pages / max(1, number)  # with its keys, and what the tables need
    while surplus > 0:
        with engine.turns.take(connection), Transaction(connection):
            computed = engine.keys.any_computed()
            rows = connection.execute(table.SOONEST, (_ENTRIES,)).fetchall()
            postponed = [row for row, lives_longer, _ in rows if lives_longer]
            for row in postponed:
                connection.execute(table.POSTPONE_ONE, (row,))
            for row, _, value in () if postponed else rows:  # they are in another order then
                if computed:
                    connection.execute(table.FENCE_EVICTED, (time.time(), row))
                connection.execute(table.EVICT, (row,))
                surplus -= each + values.file_size(value)
                if surplus <= 0:
                    break
        if not rows:
            return
        empty_trash(engine, connection)


def _bytes(connection: Connection) -> tuple[int, int]:
    """Return how many bytes the pages in use take, and how many the files."""
    (pages,) = connection.fetch("PRAGMA page_count")
    (free,) = connection.fetch("PRAGMA freelist_count")
    (page,) = connection.fetch("PRAGMA page_size")
    (files,) = connection.fetch(table.FILE_BYTES)
    return (pages - free) * page, files


def empty_trash(engine: Engine, connection: Connection) -> None:
    """Remove the files of values that were replaced or deleted."""
    while True:
        names = connection.execute(table.TRASH, (_FILES,)).fetchall()
        if not names:
            return
        directory = engine.files.values()
        for (value,) in names:
            name = values.name_of(value)
            if name is not None:
                directory.remove(name)
        with engine.turns.take(connection), Transaction(connection):
            gone = sum(connection.execute(table.TRASHED, name).rowcount for name in names)
        if gone < len(names):
            return  # others do it, or the table is damaged


def give_back_pages(engine: Engine, connection: Connection, most: int) -> None:
    """Make the file smaller if much of it is not in use."""
    (pages,) = connection.fetch("PRAGMA page_count")
    (free,) = connection.fetch("PRAGMA freelist_count")
    if free > _PAGES and free > pages // 4:
        with engine.turns.take(connection):
            # A page a step, and only a script is stepped to its end.
            connection.raw.executescript(f"PRAGMA incremental_vacuum({most})")


def shrink(engine: Engine, connection: Connection) -> None:
    """Make the files as small as they can be, after much was cleared."""
    (free,) = connection.fetch("PRAGMA freelist_count")
    if free > _PAGES:
        give_back_pages(engine, connection, free)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def sweep(engine: Engine, connection: Connection, grace: float = GRACE) -> int:
    """Remove files that no row names, old fences, and regions that nobody uses any more.

    Args:
        engine: The engine.
        connection: A connection.
        grace: Seconds for which a file is left alone: its row may be still to come.

    Returns:
        How many files there were.
    """
    ranges = engine.files.ranges()
    if not ranges.take(SWEEPING):
        return 0  # another process is at it
    try:
        ranges.touch()  # the time of the last sweep, and a sign of life for cleaners of /tmp
        _forget(engine, connection)
        empty_trash(engine, connection)
        engine.repairs.remove_dead()
        directory = engine.files.values_if_any()
        if directory is None:
            return 0
        names = directory.names()  # before the rows: what comes later is not among them
        named = {values.name_of(value) for (value,) in connection.execute(table.FILES)}
        return values.sweep(directory, names, named, grace)
    finally:
        ranges.free(SWEEPING)


def _forget(engine: Engine, connection: Connection) -> None:
    now = time.time()
    with engine.turns.take(connection), Transaction(connection):
        number, oldest = connection.fetch(table.FENCES)
        if number > _FENCES or (number > 1 and oldest < now - _FENCES_KEPT):
            # One that stands for all: what is being computed right now will not be stored.
            connection.execute(table.FORGET_FENCES)
            connection.execute(table.RAISE_FENCE, (None, now))
        unseen = connection.execute(table.UNSEEN_REGIONS, (now - _REGIONS_KEPT,)).fetchall()
        for (region,) in unseen:
            connection.execute(table.FORGET_REGION, (region, *table.region_range(region)))


def _guarded(
    engine: Engine, connection: Connection, work: Callable[[Engine, Connection], None]
) -> None:
    try:
        work(engine, connection)
    except (sqlite3.Error, OSError) as error:
        undo(connection)
        engine.upkeep_faults += 1
        if engine.upkeep_faults == 1:
            log.warning(
                "The cache in %s could not be tidied up: %s. Further failures are only counted.",
                engine.path,
                error,
            )
