"""A store that is a dict: nothing is simpler that can do everything but share."""

from __future__ import annotations

import time

from cachu.backends import Capability
from cachu.backends.stores import Store

__all__ = ["DictStore"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    # Data, when it expires as a Unix timestamp, and its tag, by key.
    Rows: TypeAlias = dict[str, tuple[bytes, float, str]]


class DictStore(Store):
    """The bytes of one region in a dict.

    Args:
        rows: The dict, which outlives the store.
    """

    capabilities: Capability = (
        Capability.CLEAR | Capability.TAGS | Capability.COUNT | Capability.EXPIRY
    )

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key* while it is fresh."""
        row = self.rows.get(key)
        return row[0] if row is not None and time.time() < row[1] else None

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data* under *key*."""
        self.rows[key] = (data, time.time() + ttl, tag)

    def delete(self, key: str) -> bool:
        """Forget the data under *key*."""
        return self.rows.pop(key, None) is not None

    def clear(self, tag: str | None = None) -> int:
        """Forget everything, or what has *tag*."""
        found = [key for key in self._fresh() if tag is None or self.rows[key][2] == tag]
        for key in found:
            self.rows.pop(key, None)
        return len(found)

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh."""
        return sum(
            (tag is None or self.rows[key][2] == tag)
            and (function is None or key.rpartition(":")[0] == function)
            for key in self._fresh()
        )

    def _fresh(self) -> list[str]:
        now = time.time()
        return [key for key, row in list(self.rows.items()) if now < row[1]]
