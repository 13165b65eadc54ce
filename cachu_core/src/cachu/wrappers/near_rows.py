"""What a wrapper may return by itself of entries that are kept elsewhere, as their store says.

A row is `(near, *types)` under the raw arguments. It is never told of anything: the wrapper looks
whether the store still vouches for it.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any, Final

    from cachu.serializers.held import Near
    from cachu.wrappers.known_keys import KnownKeys

# How many rows a function has at most.
_MOST: Final = 4096


class NearRows:
    """The rows of one function under one configuration.

    Args:
        keys: Says which calls may be kept under their arguments as they are.

    Attributes:
        entries: The rows, as the compiled wrapper reads them.
    """

    __slots__ = ("_keys", "entries")

    def __init__(self, keys: KnownKeys) -> None:
        self._keys = keys
        self.entries: dict[Hashable, tuple[Any, ...]] = {}

    def keep(self, raw: Hashable, near: Near) -> None:
        """Let the wrapper answer calls with this raw key."""
        types = self._keys.types(raw)
        if types is None:
            return
        entries = self.entries
        if len(entries) >= _MOST and raw not in entries:
            self._make_room()
        entries[raw] = (near, *types)

    def _make_room(self) -> None:
        """Let go of what has changed or expired; of everything, if little has."""
        now, clock = time.time(), time.monotonic()
        entries = self.entries
        for raw, row in list(entries.items()):
            near = row[0]
            if now >= near.end or clock >= near.watch.until:
                entries.pop(raw, None)
        # Else all would be looked through again for a few more.
        if len(entries) > _MOST - _MOST // 8:
            entries.clear()
