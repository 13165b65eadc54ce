"""The registry: a sorted set of all regions on the server, by when they hold nothing any more.

It is what clears from a process that never called a function go by.
"""

from __future__ import annotations

import json
import time
from math import ceil, inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cachu_redis import region_scripts
from cachu_redis.spelling import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu.backends import RegionName

    Command: TypeAlias = tuple[Any, ...]

# The longest time to live that a server understands for certain, in seconds.
LONGEST: Final = 1e11
# How long the registry is trusted to list a region, in seconds.
_TRUSTED: Final = 10.0


class Registration:
    """What one process knows of the place of one region in the registry.

    Args:
        region: The region.
    """

    def __init__(self, region: RegionName) -> None:
        self._region = region
        package, prefix, ttl = region
        self._row = json.dumps([package, prefix, repr(ttl)])
        self._trusted_until = -inf
        self._listed_for = 0.0

    def due(self, ttl: float) -> tuple[Command, Command] | None:
        """Return how to list the region, if it is time to do so.

        Returns:
            A command that answers 0 if it is listed already, and another one for when it is not.
        """
        now, life = monotonic(), max(ttl, self._region[2])
        if now < self._trusted_until and life <= self._listed_for:
            return None
        self._trusted_until, self._listed_for = now + _TRUSTED, life
        until = time.time() + life + _TRUSTED
        # All who register in the same minute say the same.
        till = "inf" if life >= LONGEST else str(60 * ceil(until / 60))
        look = ("ZADD", REGISTRY, "GT", "CH", till, self._row)
        return look, region_scripts.REGISTER.call((REGISTRY,), self._row, till)

    def forget(self) -> None:
        """List the region again the next time: nobody knows whether it is listed."""
        self._trusted_until = -inf

    def listed(self, reply: Sequence[bytes]) -> list[RegionName]:
        """Return the regions that the registry lists."""
        found: list[RegionName] = []
        for row in reply:
            try:
                package, prefix, ttl = json.loads(row)
                found.append((str(package), str(prefix), float(ttl)))
            except (TypeError, ValueError):
                continue  # nothing of ours
        if self._listed_for and self._region not in found:
            # The server lost it since we wrote there.
            self.forget()
            found.append(self._region)
        return found
