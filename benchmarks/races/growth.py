"""Random hits among more and more entries; then statistics and clearing at the end."""

from __future__ import annotations

import random
import time
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import contenders
from harness import (
    UNROLLED,
    Cell,
    Column,
    Lane,
    Pace,
    Race,
    Results,
    define,
    entered,
    interleave,
    keyed_lane,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contenders import Peer

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SAMPLE = 50_000
PART = 100_000


def _fill(f: Callable[[int], Any], keys: Sequence[int]) -> None:
    for key in keys:
        f(key)


def _make(
    cached: dict[str, Any], sizes: tuple[int, int], keys: list[int], peer: Peer
) -> Lane | None:
    former, size = sizes
    if peer.name not in cached or (peer.slow and size > PART):
        return None
    f = cached[peer.name]
    _fill(f, keys[former:size])
    sample = random.choices(keys[:size], k=min(SAMPLE, 4 * size))
    fours = cycle(list(zip(*[iter(sample)] * UNROLLED)))
    return keyed_lane("f(key)", lambda n: islice(fours, n), f=f)


def _milliseconds(work: Callable[[], Any]) -> Cell:
    start = time.perf_counter_ns()
    work()
    return Cell((time.perf_counter_ns() - start) / 1e6)


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    entrants = [peer for peer in peers if peer.plain and peer.installed]
    cached = {peer.name: peer.plain(define("x", "return x"), tag="all") for peer in entrants}
    keys = list(range(max(SIZES)))
    former = size = 0
    for size in SIZES:
        if size > pace.largest:
            break
        lanes, notes = entered(peers, partial(_make, cached, (former, size), keys))
        former = size
        yield str(size), interleave(lanes, Race.reference, pace) | notes
    full = [peer for peer in entrants if not (peer.slow and former > PART)]
    yield (
        "info",
        {
            peer.name: _milliseconds(partial(peer.size, cached[peer.name]))
            for peer in full
            if peer.size
        },
    )
    tagged = [peer for peer in full if peer.module == "cachu"]
    clears: dict[str, tuple[Cell, Cell]] = {}
    for peer in tagged:
        _fill(peer.plain(define("x", "return x"), tag="part"), keys[:PART])
        clears[peer.name] = tuple(
            _milliseconds(partial(contenders.clear_tag, tag)) for tag in ("part", "all")
        )
    for place, column in enumerate(("clear_part", "clear_all")):
        yield column, {name: cells[place] for name, cells in clears.items()}


def races() -> list[Race]:
    points = [Column(str(size), f"{size:,}") for size in SIZES]
    columns = [
        *points,
        Column("info", "cache_info", "ms"),
        Column("clear_part", f"clear a tag, {PART:,}", "ms"),
        Column("clear_all", "clear a tag, the rest", "ms"),
    ]
    return [Race("growth", "Hits on random keys, by number of entries", columns, _run, lines=True)]
