"""Counting what calls do, so that no count is lost among threads and no lock is needed.

With the global interpreter lock, adding one to a variable is never interrupted between reading and
writing it. Without, each thread adds to a number of its own, and reading adds them up.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from types import CellType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, TypeAlias

    AnyCounters: TypeAlias = "Counters | ThreadCounters"
    gil_enabled: Callable[[], bool]

gil_enabled = getattr(sys, "_is_gil_enabled", lambda: True)
FREE_THREADED: Final = not gil_enabled()


def cell() -> CellType:
    """Return the cell in which a wrapper counts its hits."""
    if not FREE_THREADED:
        return CellType(0)
    from collections import defaultdict

    return CellType(defaultdict(int))


def counted(cell: CellType) -> int:
    """Return what was counted in *cell*."""
    hits = cell.cell_contents
    return sum(hits.copy().values()) if FREE_THREADED else hits


def reset(cell: CellType) -> None:
    """Count in *cell* from zero again."""
    if FREE_THREADED:
        cell.cell_contents.clear()
    else:
        cell.cell_contents = 0


class Counters:
    """What a function counts besides the hits that its wrapper counts by itself.

    Attributes:
        hits: Hits, for adding one to.
        misses: Misses, for adding one to.
        faults: How often the backend failed, for adding one to.
    """

    __slots__ = ("faults", "hits", "misses")

    def __init__(self) -> None:
        self.hits: int = 0
        self.misses: int = 0
        self.faults: int = 0

    def total(self) -> tuple[int, int, int]:
        """Return the hits, the misses and the faults."""
        return self.hits, self.misses, self.faults

    def reset(self) -> None:
        """Count from zero again."""
        self.hits = self.misses = self.faults = 0


class ThreadCounters:
    """The same without the global interpreter lock: every thread has numbers of its own."""

    __slots__ = ("_faults", "_hits", "_misses")

    def __init__(self) -> None:
        self._hits: dict[int, int] = {}
        self._misses: dict[int, int] = {}
        self._faults: dict[int, int] = {}

    @property
    def hits(self) -> int:
        """The hits of this thread, for adding one to."""
        return self._hits.get(get_ident(), 0)

    @hits.setter
    def hits(self, hits: int) -> None:
        self._hits[get_ident()] = hits

    @property
    def misses(self) -> int:
        """The misses of this thread, for adding one to."""
        return self._misses.get(get_ident(), 0)

    @misses.setter
    def misses(self, misses: int) -> None:
        self._misses[get_ident()] = misses

    @property
    def faults(self) -> int:
        """The faults that this thread met, for adding one to."""
        return self._faults.get(get_ident(), 0)

    @faults.setter
    def faults(self, faults: int) -> None:
        self._faults[get_ident()] = faults

    def total(self) -> tuple[int, int, int]:
        """Return the hits, the misses and the faults of all threads."""
        hits, misses, faults = (
            sum(numbers.copy().values()) for numbers in (self._hits, self._misses, self._faults)
        )
        return hits, misses, faults

    def reset(self) -> None:
        """Count from zero again."""
        for numbers in (self._hits, self._misses, self._faults):
            numbers.clear()


def counters() -> AnyCounters:
    """Return the counters that this interpreter needs."""
    return ThreadCounters() if FREE_THREADED else Counters()
