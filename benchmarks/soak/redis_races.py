"""40,000 reads that race with clears, deletes and sets: how many were stale?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from racing import Race
from redis_stage import everywhere
from stage import Figure, at_least, exactly

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READS = 40_000
PROCESSES, THREADS, TASKS = 4, 4, 16


def run(place: Path, scale: float) -> Iterator[Figure]:
    """Race on every server, with each kind of change, with and without locks over hosts."""
    each = round(READS * scale / PROCESSES / (THREADS + TASKS))
    for name, _, options in everywhere():
        for distributed in (True, False):
            for change in ("clear", "clear a tag", "delete", "set"):
                title = f"{name}{', distributed' * distributed}, {change}"
                package = f"soak_race_{time.time_ns()}"
                chosen = {**options, "redis_distributed": distributed}
                cachu.configure(package=package, backend="redis", **chosen)
                truth = cachu.cache(package=package, name="truth", tag="users")(lambda x: x)
                tag = "users" if change == "clear a tag" else None

                def how(number, truth=truth, tag=tag, package=package, change=change):
                    if change == "delete":
                        truth.invalidate(1)
                    elif change == "set":
                        truth.set(number, 1)
                    else:
                        cachu.cache_clear(tag=tag, backend="redis", package=package)

                race = Race(
                    *(package, chosen, place),
                    processes=PROCESSES,
                    reads=each,
                    threads=THREADS,
                    tasks=TASKS,
                )
                while race.going_on:
                    race.change(how)
                    time.sleep(0.003)
                reads, stale, failed, _ = race.results()
                cachu.cache_clear(backend="redis", package=package)
                cachu.clear_backends()
                yield exactly(f"{title}: stale of {reads} reads", stale, 0)
                yield exactly(f"{title}: errors", len(failed), 0)
                yield at_least(f"{title}: changes", race.changes, 10)
