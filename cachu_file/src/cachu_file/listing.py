"""The list of regions: a clear from a process that knows nothing of a region finds it there."""
# ruff: noqa: ARG001  they are all called alike

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from cachu_file import table

if TYPE_CHECKING:
    from typing import Any

    from cachu_file.connections import Connection
    from cachu_file.engine import Engine
    from cachu_file.table import RegionKeys

# Seconds after which a region that is in use says so again.
_SEEN: Final = 3600.0


def regions(engine: Engine, connection: Connection) -> list[tuple[str, str, float]]:
    """List the regions: package, key prefix and time to live."""
    return [
        (table.decoded(package), table.decoded(key_prefix), ttl)
        for package, key_prefix, ttl in connection.execute(table.REGIONS).fetchall()
    ]


def is_unlisted(engine: Engine, connection: Connection, region: RegionKeys) -> bool:
    """Tell whether the region has to say again that it is in use."""
    return engine.noted.get((connection.identity, region.id), 0.0) < time.monotonic()


def note(engine: Engine, connection: Connection, region: RegionKeys) -> None:
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
