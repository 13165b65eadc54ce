"""How a computation begins: somebody looks, finds nothing, and lays claim to the key."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from cachu_file import damage, table
from cachu_file.connections import undo
from cachu_file.listing import is_unlisted, note
from cachu_file.reads import look

if TYPE_CHECKING:
    from cachu_file.connections import Connection
    from cachu_file.engine import Engine
    from cachu_file.leases import Claim
    from cachu_file.table import RegionKeys


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
    if is_unlisted(engine, connection, region):
        # Now, so that a clear from a process that knows nothing of it finds it.
        try:
            with engine.turns.take(connection):
                note(engine, connection, region)
        except sqlite3.OperationalError as error:
            undo(connection)
            if not damage.is_unwritable(error):
                raise  # else nothing will be stored either
    mark = connection.mark()
    since, seen, data = look(engine, connection, region, key, tag)
    while force or data is None:
        holding = engine.keys.take(key, (since, seen))
        if holding is None:
            if not force:
                return None
            with engine.turns.take(connection):
                connection.execute(table.RAISE_FENCE, (key, time.time()))
            mark = connection.mark()
            since, seen, data = look(engine, connection, region, key, tag)
            continue
        try:
            before = since, seen
            if mark is None or connection.mark() != mark:
                # Whoever had it may have stored something, or have been fenced off, in between.
                mark = connection.mark()
                since, seen, data = look(engine, connection, region, key, tag)
            if (since, seen) == before and (force or data is None):
                claim.hold(holding, connection.identity, since, seen)
                return None
        finally:
            if claim.holding is not holding:
                holding.release()
    return data
