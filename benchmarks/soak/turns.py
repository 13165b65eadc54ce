"""Who waits for whom: one cold key and many processes; holders that are killed or stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import stage
from stage import PACKAGE, Worker, at_most, exactly

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stage import Figure

PROCESSES = 8
WORK = 0.2  # seconds


def _slow(x: str) -> Any:
    """Take a while; each run has a result of its own."""
    time.sleep(WORK)
    return [x, os.getpid()]


async def _slow_async(x: str) -> Any:
    await asyncio.sleep(WORK)
    return [x, os.getpid()]


def asking(place: str, number: int, colours: str) -> None:
    """Call a cached function with what one is told; say what came back, and how long it took."""
    stage.configure(place)
    options: dict[str, Any] = {"backend": "file", "package": PACKAGE, "name": "soak.slow"}
    if colours == "async" or (colours == "both" and number % 2):
        slow_async = cachu.async_cache(**options)(_slow_async)
        loop = asyncio.new_event_loop()

        def ask(x: str) -> Any:
            return loop.run_until_complete(slow_async(x))
    else:
        ask = cachu.cache(**options)(_slow)
    ask("warm up")
    stage.say("ready")
    while True:
        x = stage.hear()
        start = time.perf_counter()
        found = ask(x)
        stage.say([time.perf_counter() - start, found])


def cold_key(
    place: Path, rounds: int, colours: str, processes: int = PROCESSES
) -> Iterator[Figure]:
    """Have many processes ask for one key that nobody has computed."""
    times: list[float] = []
    most = 0
    with stage.workers(processes, "turns:asking", place=place, colours=colours) as askers:
        for asker in askers:
            assert asker.hear() == "ready"
        for number in range(rounds):
            for asker in askers:
                asker.say(f"key {number}")
            answers = [asker.hear() for asker in askers]
            times += [taken for taken, _ in answers]
            most = max(most, len({str(found) for _, found in answers}))
    title = f"{processes} processes, one cold key, {colours}: "
    yield exactly(f"{title}runs", most, 1)
    yield at_most(f"{title}p99 ms", stage.p99(times) * 1000, 300, timed=True)


def holding(place: str, number: int) -> None:
    """Call a function that holds its key until it is told to go on."""
    stage.configure(place)

    @cachu.cache(backend="file", package=PACKAGE, name="soak.held")
    def held(x: int) -> Any:
        stage.say(["inside", time.time()])
        stage.hear()
        return [x, number]

    stage.say("ready")
    stage.say(["back", time.time(), held(stage.hear())])


def killed_holder(place: Path, rounds: int, waiters: int = 3) -> Iterator[Figure]:
    """Kill who computes a key; one of those who wait computes it, and the others take that."""
    early, wrong, times = 0, 0, []
    for number in range(rounds):
        with stage.workers(waiters + 1, "turns:holding", place=place) as (holder, *others):
            for worker in (holder, *others):
                assert worker.hear() == "ready"
            holder.say(number)
            assert holder.hear()[0] == "inside"
            for worker in others:
                worker.say(number)
            time.sleep(0.02)  # most of them wait by now; it does not matter which
            killed = time.time()
            holder.kill()
            first, at = _first_inside(others)
            early += at < killed
            times.append(at - killed)
            first.say("go on")
            answers = [worker.hear() for worker in others]
            wrong += len({str(answer[2]) for answer in answers}) != 1
            wrong += any(answer[0] != "back" for answer in answers)
    yield exactly(f"{rounds} holders killed: who went on before that", early, 0)
    yield exactly(f"{rounds} holders killed: keys computed twice", wrong, 0)
    yield at_most(
        "a holder killed: the next one begins after, ms", max(times) * 1000, 100, timed=True
    )


def _first_inside(workers: list[Worker]) -> tuple[Worker, float]:
    found: list[tuple[Worker, float]] = []

    def look() -> bool:
        for worker in workers:
            if not worker._said.empty():
                what, at = worker.hear()
                assert what == "inside"
                found.append((worker, at))
        return bool(found)

    assert stage.until(look), "nobody went on"
    return found[0]


def stopping(place: str, where: str) -> None:
    """Stop in the middle of a write."""
    stage.configure(place)
    backend = stage.backend()
    backend.set("mine", 1)
    with backend.wrapped.engine.turns.take():
        if where == "transaction":
            connection = sqlite3.connect(stage.database(place), isolation_level=None)
            connection.execute("BEGIN IMMEDIATE")
        _stop()


def _stop() -> None:
    stage.say(time.time())
    os.kill(os.getpid(), signal.SIGSTOP)


def looping(place: str) -> None:
    """Write as fast as possible, until stopped."""
    stage.configure(place)
    backend = stage.backend()
    backend.set("mine", 0)
    stage.say("ready")
    number = 0
    while True:
        number += 1
        backend.set(f"mine {number % 100}", number)


def stopped_writer(place: Path, rounds: int, task: str, **arguments: Any) -> Iterator[Figure]:
    """Stop a process that writes, and call cached functions that have something to store."""
    times, wrong = [], 0
    with stage.opened(place):

        @cachu.cache(backend="file", package=PACKAGE, name=f"soak.{task}")
        def f(x: int, again: int) -> list[int]:
            return [x, again]

        f(-1, 0)
        for number in range(rounds):
            with Worker(task, place=place, **arguments) as worker:
                worker.hear()
                if task.endswith("looping"):
                    time.sleep(0.05 + 0.0037 * number)
                    worker.signal(signal.SIGSTOP)
                for again in range(3):
                    start = time.perf_counter()
                    wrong += f(number, again) != [number, again]
                    times.append(time.perf_counter() - start)
            # Once it is gone everything is stored again.
            wrong += not stage.until(lambda number=number: _stored(f, number))
    title = f"a stopped writer, {arguments.get('where', 'at any moment')}: "
    yield exactly(f"{title}calls that went wrong", wrong, 0)
    yield at_most(f"{title}longest call, s", max(times), 2.5, timed=True)


def _stored(f: Any, number: int) -> bool:
    f(number, 3)
    return cachu.cache_get(f, x=number, again=3, default=None) == [number, 3]


def run(place: Path, scale: float) -> Iterator[Figure]:
    for colours in ("sync", "async", "both"):
        (place / colours).mkdir()
        yield from cold_key(place / colours, max(5, int(30 * scale)), colours)
    (place / "killed").mkdir()
    yield from killed_holder(place / "killed", max(3, int(20 * scale)))
    rounds = max(2, int(10 * scale))
    for where in ("ticket", "transaction"):
        (place / where).mkdir()
        yield from stopped_writer(place / where, rounds, "turns:stopping", where=where)
    (place / "any").mkdir()
    yield from stopped_writer(place / "any", rounds * 3, "turns:looping")
