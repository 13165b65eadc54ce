"""The registry of a shared store: which regions it holds, for clears from a cold process.

It is kept in a reserved region of the store, in a few records. A store that can only load, store
and delete cannot change one record twice at once: of two processes that register at the same
moment, one may be lost. So each looks again from time to time, as long as it makes entries.
"""

from __future__ import annotations

import json
from math import inf
from zlib import crc32

from cachu.ttls import spell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from cachu.backends import RegionName

RESERVED: Final = "<cachu>"
"""The package whose region holds the registry; no package of anybody's has such a name."""
_RECORDS: Final = 16
# How long a look at the registry is trusted, in seconds.
_TRUSTED: Final = 10.0

RECORDS: Final = [f"regions {number}" for number in range(_RECORDS)]
"""The keys of all records."""


class Registration:
    """What one process knows of the registration of one region.

    Args:
        region: The package, the key prefix and the time to live.
    """

    __slots__ = ("_looked", "_region", "_until", "record")

    def __init__(self, region: RegionName) -> None:
        self._region = region
        package, prefix, ttl = region
        place = f"{package}\n{prefix}\n{spell(ttl)}".encode("utf-8", "surrogatepass")
        self.record: str = RECORDS[crc32(place) % _RECORDS]
        self._looked = -inf
        self._until = -inf

    def is_due(self, now: float, life: float) -> bool:
        """Tell whether to look if the region is still listed, for *life* seconds from *now*."""
        trusted = self._looked <= now < self._looked + _TRUSTED
        return not trusted or self._until < now + life / 2

    def added_to(self, data: bytes | None, now: float, life: float) -> tuple[bytes, float] | None:
        """Return the record with the region in it and its time to live, None if it is in it."""
        listed = _decoded(data)
        self._looked = now
        self._until = max(listed.get(self._region, -inf), now)
        if self._until >= now + life / 2:
            return None
        self._until = listed[self._region] = now + life
        listed = {region: until for region, until in listed.items() if until > now}
        return _encoded(listed), max(listed.values()) - now


def listed(records: dict[str, bytes], now: float) -> list[RegionName]:
    """Return the regions in all *records* that may still hold entries."""
    return [
        region
        for data in records.values()
        for region, until in _decoded(data).items()
        if until > now
    ]


def _decoded(data: bytes | None) -> dict[RegionName, float]:
    """Return until when each region is listed; what cannot be read is written anew."""
    try:
        rows = json.loads(data or b"[]")
        return {
            (str(package), str(prefix), float(ttl)): float(until)
            for package, prefix, ttl, until in rows
        }
    except (TypeError, ValueError):
        return {}


def _encoded(listed: dict[RegionName, float]) -> bytes:
    rows = [[*region[:2], spell(region[2]), repr(until)] for region, until in listed.items()]
    return json.dumps(rows).encode()
