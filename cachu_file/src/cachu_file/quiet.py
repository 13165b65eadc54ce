"""A set while nobody else writes: it need not wait for its turn, nor have others wait for theirs.

The turns make sure that nobody stores what was computed between a set's write and its look for
those who compute. Where commits can be counted, see `cachu_file.wal_index`, that can be seen
instead: if the set's own was the only one, nobody did. Others write if the last commit was not this
process's own; then the turns are fairer, and all go by them.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from cachu_file import table
from cachu_file.wal_index import commits_between

if TYPE_CHECKING:
    from typing import Any

    from cachu_file.connections import Connection
    from cachu_file.engine import Engine

# Seconds after a look at the database file in which a set need not look again: nobody can remove
# it, make another and keep something in that by then, so what is set was in the old one in time.
_AT_ONCE: Final = 0.001


def is_there(connection: Connection) -> bool:
    """Tell whether the database was there a moment ago, and so does not have to be looked for."""
    return 0.0 < monotonic() - connection.seen_at < _AT_ONCE


def put(engine: Engine, connection: Connection, row: tuple[Any, ...]) -> bool:
    """Write a row out of turn, if it seems that nobody else writes.

    Returns:
        Whether that is all there is to do; else it is to be written in turn, perhaps once more.
    """
    before = connection.mark()
    if before is None or before != engine.last_mark:
        return False
    mutex = engine.turns.mutex
    if not mutex.acquire(blocking=False):
        return False
    try:
        if connection.execute(table.STORE[0], row).rowcount < 1:
            connection.execute(table.STORE[1], row)
        computed = engine.keys.computed(row[0])
        after = engine.last_mark = connection.mark()
    finally:
        while mutex._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
            mutex.release()
    return not computed and after is not None and commits_between(before, after) <= 1
