"""What a race is, and how contenders are timed against each other.

All contenders of a race run in one process and take turns, round by round, every other round in
reverse order. What slows the machine down slows them all down, so that the ratio of two times of
one round means something where the times themselves do not.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import count, repeat
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from contenders import Peer

REFERENCE = "functools.lru_cache"
UNROLLED = 4
MOST = 12  # runs of one contender in a round
_serial = count()

# Runs what is timed UNROLLED * n times and returns the nanoseconds that it took.
Lane = Callable[[int], int]


@dataclass(frozen=True)
class Pace:
    """How long to measure."""

    rounds: int = 30
    round_ns: int = 3_000_000
    largest: int = 1_000_000  # entries
    entries: int = 200_000  # when bytes per entry are counted
    processes: int = 15


QUICK = Pace(rounds=7, round_ns=1_000_000, largest=100_000, entries=50_000, processes=4)


class Cell(NamedTuple):
    """One measured figure, and its ratio to the reference; or why there is none."""

    value: float | None = None
    ratio: float | None = None
    note: str = ""


class Column(NamedTuple):
    """One thing measured in a race."""

    name: str
    title: str
    unit: str = "ns"


Results = Iterator[tuple[str, dict[str, Cell]]]


@dataclass(frozen=True)
class Race:
    """A table: who raced, by what was measured.

    Attributes:
        run: Yields the name of a column, and each contender's figure.
        reference: What the ratios are ratios to.
        lines: Whether the columns are points of a line (the x values), to be plotted so.
        releases: Whether earlier releases of cachu take part.
    """

    name: str
    title: str
    columns: Sequence[Column]
    run: Callable[[Sequence[Peer], Pace], Results]
    reference: str = REFERENCE
    lines: bool = False
    releases: bool = True


def define(
    signature: str, body: str = "return 42", *, coroutine: bool = False, **names: Any
) -> Callable[..., Any]:
    """Make a new function with a name of its own; some contenders tell functions apart by it."""
    name = f"f{next(_serial)}"
    scope = {"__name__": "bench", **names}
    start = "async def" if coroutine else "def"
    exec(f"{start} {name}({signature}):\n    {body}\n", scope)  # noqa: S102 - ours
    return scope[name]


def lane(statement: str, *, coroutine: bool = False, **names: Any) -> Lane:
    """Make a lane that repeats *statement*, which may use *names*."""
    return _lane("for _ in turns", [statement] * UNROLLED, coroutine, names, _turns)


def keyed_lane(
    statement: str,
    turns: Callable[[int], Any],
    *,
    coroutine: bool = False,
    **names: Any,
) -> Lane:
    """Make a lane whose *statement* has a new `key` each time; *turns* makes fours of them."""
    keys = [f"k{i}" for i in range(UNROLLED)]
    statements = [statement.replace("key", key) for key in keys]
    return _lane(f"for {', '.join(keys)} in turns", statements, coroutine, names, turns)


def fresh_lane(statement: str, make: Callable[[], Any], *, coroutine: bool = False) -> Lane:
    """Make a lane of misses: keys never seen, and a new function `f`, warmed up, each round."""
    serial = count(1_000_000)

    def run(n: int) -> int:
        turning = keyed_lane(statement, lambda turns: turns, coroutine=coroutine, f=make())
        for turns in (16, n):
            fours = [tuple(next(serial) for _ in range(UNROLLED)) for _ in range(turns)]
            taken = turning(fours)
        return taken

    return run


def _turns(n: int) -> Iterator[None]:
    return repeat(None, n)


def _lane(
    loop: str,
    statements: list[str],
    coroutine: bool,
    names: dict[str, Any],
    turns: Callable[[int], Any],
) -> Lane:
    lines = [
        f"{'async ' if coroutine else ''}def run(turns, clock, {', '.join(names)}):",
        "    start = clock()",
        f"    {loop}:",
        *(f"        {statement}" for statement in statements),
        "    return clock() - start",
    ]
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)  # noqa: S102 - ours
    run, given = scope["run"], tuple(names.values())
    if coroutine:
        return lambda n: loop_().run_until_complete(run(turns(n), time.perf_counter_ns, *given))
    return lambda n: run(turns(n), time.perf_counter_ns, *given)


@cache
def loop_() -> asyncio.AbstractEventLoop:
    """Return the event loop of all that is asynchronous here."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    return made


@contextmanager
def one_processor(*others: int) -> Iterator[None]:
    """Have this process, and others, share one processor, where the system can be told.

    Where threads or processes answer each other, most of what is measured would else be how long it
    takes to wake one on another processor.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    threads = [int(t) for p in (os.getpid(), *others) for t in os.listdir(f"/proc/{p}/task")]  # noqa: PTH208
    before = {thread: os.sched_getaffinity(thread) for thread in threads}
    try:
        for thread in threads:
            os.sched_setaffinity(thread, {max(before[threads[0]])})
        yield
    finally:
        for thread, processors in before.items():
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(thread, processors)


def calibrate(run: Lane, wanted_ns: int) -> int:
    """Find how many turns take about *wanted_ns*."""
    n = 1
    run(n)  # whatever a first call does besides
    while (taken := run(n)) < wanted_ns / 4:
        n *= 2
    return max(1, int(n * wanted_ns / taken))


def interleave(
    lanes: dict[str, Lane], reference: str, pace: Pace, turns: int | None = None
) -> dict[str, Cell]:
    """Let the lanes race; return p20 in ns and the median of ratios for each.

    If all are to make the same number of *turns*, the fast ones run several times in a round:
    whatever else the machine does must have the same chance to interrupt each of them.
    """
    counts = {name: turns or calibrate(run, pace.round_ns) for name, run in lanes.items()}
    often = {
        name: min(MOST, pace.round_ns // run(turns) + 1) if turns else 1
        for name, run in lanes.items()
    }
    times: dict[str, list[float]] = {name: [] for name in lanes}
    order = list(lanes)
    gc.collect()
    gc.freeze()  # collecting between rounds need not look at a million entries
    for _ in range(pace.rounds):
        gc.collect()
        gc.disable()
        for name in order:
            taken = sum(lanes[name](counts[name]) for _ in range(often[name]))
            times[name].append(taken / (UNROLLED * counts[name] * often[name]))
        gc.enable()
        order.reverse()
    gc.unfreeze()
    return {name: compared(taken, times[reference]) for name, taken in times.items()}


def compared(taken: list[float], reference: list[float]) -> Cell:
    """Sum up what was measured over rounds."""
    ratio = median(mine / theirs for mine, theirs in zip(taken, reference))
    return Cell(quantiles(taken, n=5)[0], ratio)


def entered(
    peers: Sequence[Peer], make: Callable[[Peer], Lane | None]
) -> tuple[dict[str, Lane], dict[str, Cell]]:
    """Make the peers' lanes; those that cannot take part get a note instead."""
    lanes: dict[str, Lane] = {}
    notes: dict[str, Cell] = {}
    for peer in peers:
        if not peer.installed:
            notes[peer.name] = Cell(note="not installed")
            continue
        try:
            made = make(peer)
        except Exception as error:
            notes[peer.name] = Cell(note=f"{type(error).__name__}: {error}"[:60])
            continue
        if made is not None:
            lanes[peer.name] = made
    return lanes, notes
