"""What a cache keeps, what it counts, and what it answers when it has nothing.

The entries are plain classes, because `typing.NamedTuple` and `dataclasses` would each cost
`import cachu` more than all the rest of it.
"""

from __future__ import annotations

import enum
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final


class NoValue(enum.Enum):
    """The type of `NO_VALUE`."""

    NO_VALUE = "NO_VALUE"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NO_VALUE"


# What a look-up answers when nothing is cached: falsy, one object per process, also after pickling.
NO_VALUE: Final = NoValue.NO_VALUE


class CacheEntry:
    """A cached value and when it was made.

    Attributes:
        value: The cached value.
        created_at: Unix timestamp, in seconds, of when it was cached.
    """

    __slots__ = ("created_at", "value")

    value: Any
    created_at: float

    def __init__(self, value: Any, created_at: float) -> None:
        self.value = value
        self.created_at = created_at

    @property
    def age(self) -> float:
        """Seconds since the value was made, never negative."""
        return max(0.0, time.time() - self.created_at)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CacheEntry):
            return NotImplemented
        return bool(self.value == other.value) and self.created_at == other.created_at

    def __hash__(self) -> int:
        return hash(self.created_at)

    def __repr__(self) -> str:
        return f"CacheEntry(value={self.value!r}, created_at={self.created_at!r})"


class CacheInfo:
    """The statistics of one cached function; unpacks as `hits, misses, currsize`.

    Attributes:
        hits: Calls answered from the cache since the function was decorated.
        misses: Calls that had to run the function.
        currsize: Entries of the function that are fresh now; -1 on a backend that cannot count, or
            that fails.
        faults: How often the function's backend failed it, or was left alone because it had failed
            others; not among what it unpacks as.
    """

    __slots__ = ("currsize", "faults", "hits", "misses")

    hits: int
    misses: int
    currsize: int
    faults: int

    def __init__(self, hits: int, misses: int, currsize: int, faults: int = 0) -> None:
        self.hits = hits
        self.misses = misses
        self.currsize = currsize
        self.faults = faults

    def __iter__(self) -> Iterator[int]:
        yield self.hits
        yield self.misses
        yield self.currsize

    def _asdict(self) -> dict[str, int]:
        """Return all attributes by name, for JSON; called as that of `functools.lru_cache` is."""
        return {name: getattr(self, name) for name in ("hits", "misses", "currsize", "faults")}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CacheInfo):
            return NotImplemented
        return tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        faults = f", faults={self.faults}" if self.faults else ""
        counts = f"hits={self.hits}, misses={self.misses}, currsize={self.currsize}{faults}"
        return f"CacheInfo({counts})"
