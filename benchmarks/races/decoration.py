"""What a decorated function costs before it is of any use."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from harness import UNROLLED, Cell, Column, Lane, Pace, Race, Results, define, entered, interleave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contenders import Peer

TURNS = 20


def _make(first_call: bool, peer: Peer) -> Lane | None:
    if peer.plain is None:
        return None
    decorate = peer.plain

    def run(n: int) -> int:
        functions = [define("x, limit=10") for _ in range(UNROLLED * n)]
        start = time.perf_counter_ns()
        kept = [decorate(function) for function in functions]
        if first_call:
            for function in kept:
                function(7)
        return time.perf_counter_ns() - start

    run(1)
    return run


def _microseconds(cell: Cell) -> Cell:
    return cell if cell.value is None else cell._replace(value=cell.value / 1000)


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    for column, first_call in (("decorate", False), ("call", True)):
        lanes, notes = entered(peers, partial(_make, first_call))
        times = interleave(lanes, Race.reference, pace, TURNS) | notes
        yield column, {name: _microseconds(cell) for name, cell in times.items()}


def races() -> list[Race]:
    columns = [
        Column("decorate", "decorate f(x, limit=10)", "us"),
        Column("call", "decorate and call once", "us"),
    ]
    return [Race("decoration", "Decorating a function", columns, _run)]
