"""Eight processes of fifty callers want one cold key, whose function takes 200 ms."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from redis_stage import PACKAGE, everywhere
from stage import Figure, at_most, exactly, hear, p99, say, workers

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALLERS = 50
SECONDS = 0.2
LEASE = 2.0
FAULTS = "faults"  # asked for instead of a key: counting entries takes commands, too
LIMITS = {"async": 350, "sync": 650}  # ms, p99


def threads(options: dict[str, Any], number: int) -> None:
    """Have threads call at once, when told to."""
    cachu.configure(package=PACKAGE, backend="redis", redis_distributed=True, **options)
    runs: list[float] = []
    found: list[tuple[float, Any]] = []
    key = ""

    @cachu.cache(package=PACKAGE, name="cold")
    def cold(key: str) -> str:
        runs.append(time.monotonic())
        time.sleep(SECONDS)
        return key

    def call() -> None:
        barrier.wait()
        start = time.perf_counter()
        try:
            result: Any = cold(key)
        except Exception as error:
            result = repr(error)
        found.append(((time.perf_counter() - start) * 1000, result))

    cold(f"warm {number}")
    say("ready")
    while key := hear():
        if key == FAULTS:
            say(cold.info().faults)
            continue
        runs.clear(), found.clear()
        barrier = threading.Barrier(CALLERS)
        callers = [threading.Thread(target=call) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        say([len(runs), found])


def tasks(options: dict[str, Any], number: int) -> None:
    """Have tasks call at once, when told to."""
    cachu.configure(package=PACKAGE, backend="redis", redis_distributed=True, **options)
    runs: list[float] = []

    @cachu.async_cache(package=PACKAGE, name="cold")
    async def cold(key: str) -> str:
        runs.append(time.monotonic())
        await asyncio.sleep(SECONDS)
        return key

    async def call(key: str) -> tuple[float, Any]:
        start = time.perf_counter()
        try:
            result: Any = await cold(key)
        except Exception as error:
            result = repr(error)
        return (time.perf_counter() - start) * 1000, result

    async def main() -> None:
        await cold(f"warm {number}")
        say("ready")
        while key := hear():
            if key == FAULTS:
                say((await cold.info()).faults)
                continue
            runs.clear()
            found = await asyncio.gather(*(call(key) for _ in range(CALLERS)))
            say([len(runs), found])

    asyncio.run(main())


def _crowds(name: str, station: Any, options: dict[str, Any], rounds: int) -> Iterator[Figure]:
    for kind, task in (("async", "tasks"), ("sync", "threads")):
        with workers(8, f"redis_stampede:{task}", options=options) as crowd:
            for worker in crowd:
                worker.hear()
            most, sent, worst, wrong = 0, 0, 0.0, 0
            for number in range(rounds):
                key = f"{kind} {number} {time.time()}"
                before = station.commands()
                for worker in crowd:
                    worker.say(key)
                told = [worker.hear() for worker in crowd]
                sent = max(sent, sum((station.commands() - before).values()))
                most = max(most, sum(runs for runs, _ in told))
                calls = [call for _, found in told for call in found]
                worst = max(worst, p99([took for took, _ in calls]))
                wrong += sum(result != key for _, result in calls)
            for worker in crowd:
                worker.say("")
        yield exactly(f"{name}, {kind}: runs", most, 1)
        yield exactly(f"{name}, {kind}: errors", wrong, 0)
        yield at_most(f"{name}, {kind}: p99, ms", worst, LIMITS[kind], timed=True)
        if kind == "async":
            yield at_most(f"{name}, {kind}: commands", sent, 150)


def _killed(name: str, options: dict[str, Any]) -> Iterator[Figure]:
    for kind, task in (("async", "tasks"), ("sync", "threads")):
        with workers(8, f"redis_stampede:{task}", options=options) as crowd:
            for worker in crowd:
                worker.hear()
            key = f"killed {kind} {time.time()}"
            holder, *others = crowd
            holder.say(key)
            time.sleep(SECONDS / 4)
            for worker in others:
                worker.say(key)
            time.sleep(SECONDS / 4)
            holder.signal(signal.SIGKILL)
            told = [worker.hear() for worker in others]
            for worker in others:
                worker.say(FAULTS)
            faults = sum(worker.hear() for worker in others)
            for worker in others:
                worker.say("")
            calls = [call for _, found in told for call in found]
        # A machine that is too busy to answer within the timeout is a fault, and has others run it.
        title = f"{name}, {kind}, holder killed, {faults} faults: runs"
        yield at_most(title, 1 + sum(each[0] for each in told), 2)
        yield exactly(
            f"{name}, {kind}, holder killed: answered", sum(r == key for _, r in calls), 7 * CALLERS
        )
        worst = max(took for took, _ in calls)
        limit = (LEASE + 0.7) * 1000
        yield at_most(f"{name}, {kind}, holder killed: worst, ms", worst, limit, timed=True)


def run(place: Path, scale: float) -> Iterator[Figure]:
    """Play it on every server."""
    for name, station, options in everywhere():
        yield from _crowds(name, station, options, max(1, round(5 * scale)))
        yield from _killed(name, options)
