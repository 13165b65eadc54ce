"""40,000 reads that race with clears, deletes and sets: how many were stale?"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext
from itertools import count, cycle, product
from typing import TYPE_CHECKING, Any

from redis_stage import Race, everywhere
from servers.sentinels import NAME
from servers.stations import PATIENT
from stage import Figure, at_least, exactly

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

READS = 40_000
PROCESSES, THREADS, TASKS = 4, 4, 16
IMPATIENT = 0.05  # seconds
_serial = count(time.time_ns())


def _calm(station: Any, sentinels: Sequence[Any]) -> None:
    """Have no server taken for dead because the machine is busy.

    The replica that is named in its place need not have heard of the last changes.
    """
    for node in station.nodes if len(station.takers) > 1 else ():
        node.send("CONFIG", "SET", "cluster-node-timeout", 60_000)
    for each in sentinels:
        each.send("SENTINEL", "SET", NAME, "down-after-milliseconds", 600_000)


@contextmanager
def _stopping(station: Any) -> Iterator[None]:
    """Stop one server after the other, for longer than the readers have patience."""
    over = threading.Event()

    def stop() -> None:
        for node in cycle(station.takers):
            if over.wait(0.3):
                return
            node.pause()
            time.sleep(1.6 * IMPATIENT)
            node.resume()

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def run(place: Path, scale: float) -> Iterator[Figure]:
    """Race on every server, with and without locks over hosts, against each kind of change.

    Once with servers that answer, and once with such that stop now and then.
    """
    for name, station, options in everywhere():
        sentinels = getattr(station, "sentinels", [])
        _calm(station, sentinels)
        for distributed, stops in product((True, False), (False, True)):
            title = f"{name}{', distributed' * distributed}{', stopping' * stops}"
            package = f"soak_race_{next(_serial)}"
            chosen = {**options, **PATIENT, "redis_distributed": distributed}
            cachu.configure(package=package, backend="redis", **chosen)
            truth = cachu.cache(package=package, name="truth", tag="users")(lambda x: x)

            def clear(number: int, package: str = package) -> None:
                cachu.cache_clear(backend="redis", package=package)

            def clear_tag(number: int, package: str = package) -> None:
                cachu.cache_clear("users", backend="redis", package=package)

            def delete(number: int, truth=truth) -> None:
                truth.invalidate(1)

            def set_(number: int, truth=truth) -> None:
                truth.set(number, 1)

            crowd = {"processes": PROCESSES, "threads": THREADS, "tasks": TASKS}
            changes = cycle((clear, clear_tag, delete, set_))
            if stops:
                chosen["redis_timeout"] = IMPATIENT
            with (
                Race(package, chosen, place, **crowd) as race,
                _stopping(station) if stops else nullcontext(),
            ):
                while race.reads < READS * scale or race.changes < 100 * scale:
                    race.change(next(changes))
                    time.sleep(0.003)
                reads, stale, failed, _ = race.results()
            cachu.cache_clear(backend="redis", package=package)
            cachu.clear_backends()
            yield exactly(f"{title}: stale of {reads:,} reads", stale, 0)
            yield exactly(f"{title}: errors", len(failed), 0)
            yield at_least(f"{title}: changes", race.changes, 100 * scale)
        if sentinels:
            moved = station.master is not station.nodes[0]
            yield exactly(f"{name}: another server was named", moved, expected=False)
