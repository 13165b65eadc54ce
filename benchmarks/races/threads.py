"""Eight threads that hit one key."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from harness import Cell, Column, Lane, Pace, Race, Results, calibrate, compared, entered

from races import hits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contenders import Peer

THREADS = 8


def _together(run: Lane, turns: int) -> float:
    """Return the ns per call of all threads together."""
    barrier = threading.Barrier(THREADS + 1)

    def work() -> None:
        barrier.wait()
        run(turns)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    barrier.wait()
    start = time.perf_counter_ns()
    for thread in threads:
        thread.join()
    return (time.perf_counter_ns() - start) / (THREADS * turns * 4)


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    lanes, notes = entered(peers, lambda peer: hits.make(hits.USUAL[0], peer))
    turns = {name: calibrate(run, 2 * pace.round_ns) for name, run in lanes.items()}
    alone: dict[str, list[float]] = {name: [] for name in lanes}
    together: dict[str, list[float]] = {name: [] for name in lanes}
    order = list(lanes)
    for _ in range(max(3, pace.rounds // 3)):
        for name in order:
            alone[name].append(lanes[name](turns[name]) / (turns[name] * 4))
            together[name].append(_together(lanes[name], turns[name]))
        order.reverse()
    reference = together[Race.reference]
    yield "together", {name: compared(together[name], reference) for name in lanes} | notes
    slowed = {name: compared(together[name], alone[name]).ratio for name in lanes}
    yield "slowed", {name: Cell(times) for name, times in slowed.items()}


def races() -> list[Race]:
    columns = [
        Column("together", "ns per call of f(7)"),
        Column("slowed", "times one thread's", "x"),
    ]
    return [Race("threads", "Eight threads, one key", columns, _run)]
