"""What is near of a region, and what vouches for it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from cachu.backends.stores import Held, Watch

if TYPE_CHECKING:
    from cachu_redis.near_cache import NearTable


class Generation(Watch):
    """Vouches for the entries of one region and one tag, until either is cleared.

    Attributes:
        names: The keys of those entries on the server.
    """

    __slots__ = ("names",)

    def __init__(self, until: float) -> None:
        super().__init__(until)
        self.names: set[str] = set()


class NearRegion:
    """What is near of one region.

    Args:
        table: Where it is counted.
    """

    __slots__ = ("entries", "table")

    def __init__(self, table: NearTable) -> None:
        self.table: NearTable = table
        self.entries: dict[str, tuple[Held, Generation]] = {}

    def find(self, key: str) -> bytes | None:
        """Return the data under *key* if it is near."""
        found = self.entries.get(key)
        return None if found is None or monotonic() >= found[1].until else found[0]

    def watch(self, key: str) -> Generation | None:
        """Return what vouches for the entry under *key*, if there is one."""
        found = self.entries.get(key)
        return None if found is None else found[1]

    def hold(self, key: str, data: bytes, watch: Generation) -> Held:
        """Keep *data* under *key*, for as long as *watch* says."""
        self.drop(key)
        held = Held.watched(data, watch)
        self.entries[key] = held, watch
        return held

    def drop(self, key: str) -> None:
        """Forget what is under *key*, and have nobody use it who still has it."""
        found = self.entries.pop(key, None)
        if found is not None:
            found[0].end()

    def clear(self) -> None:
        """Forget everything, and have nobody use it."""
        for key in list(self.entries):
            self.drop(key)
