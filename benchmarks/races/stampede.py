"""Everybody asks for one cold key, whose function takes 50 ms."""

from __future__ import annotations

import asyncio
import threading
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from harness import Cell, Column, Pace, Race, Results, define, loop_

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contenders import Peer

THREADS, TASKS, SECONDS = 50, 500, 0.05
Outcome = tuple[float, int, int]  # milliseconds, runs, errors


def _threads(decorate: Callable[..., Any]) -> Outcome:
    runs: list[int] = []
    errors: list[Exception] = []
    slow = define(
        "x", "runs.append(1); sleep(s); return 42", runs=runs, sleep=time.sleep, s=SECONDS
    )
    f = decorate(slow)
    barrier = threading.Barrier(THREADS + 1)

    def work() -> None:
        barrier.wait()
        try:
            f(7)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    barrier.wait()
    for thread in threads:
        thread.join(10)
    hung = sum(thread.is_alive() for thread in threads)
    return (time.perf_counter() - start) * 1000, len(runs), len(errors) + hung


def _tasks(decorate: Callable[..., Any]) -> Outcome:
    runs: list[int] = []
    body = "runs.append(1); await sleep(s); return 42"
    slow = define("x", body, coroutine=True, runs=runs, sleep=asyncio.sleep, s=SECONDS)
    f = decorate(slow)

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(f(7) for _ in range(TASKS)), return_exceptions=True)

    start = time.perf_counter()
    results = loop_().run_until_complete(crowd())
    taken = (time.perf_counter() - start) * 1000
    return taken, len(runs), sum(isinstance(result, BaseException) for result in results)


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    for column, measure in (("threads", _threads), ("tasks", _tasks)):
        outcomes: dict[str, list[Outcome]] = {}
        for _ in range(3 if pace.rounds < 10 else 7):
            for peer in peers:
                decorate = peer.plain if measure is _threads else peer.coroutine
                if decorate is not None and peer.installed:
                    outcomes.setdefault(peer.name, []).append(measure(decorate))
        totals, runs = {}, {}
        for name, each in outcomes.items():
            failed = max(errors for _, _, errors in each)
            totals[name] = Cell(median(total for total, _, _ in each))
            runs[name] = Cell(
                max(ran for _, ran, _ in each), note=f"{failed} errors" * bool(failed)
            )
        yield f"{column}_ms", totals
        yield f"{column}_runs", runs


def races() -> list[Race]:
    columns = [
        Column("threads_ms", f"{THREADS} threads", "ms"),
        Column("threads_runs", f"runs, {THREADS} threads", "runs"),
        Column("tasks_ms", f"{TASKS} tasks", "ms"),
        Column("tasks_runs", f"runs, {TASKS} tasks", "runs"),
    ]
    return [Race("stampede", "Stampede on a cold key, 50 ms of work", columns, _run, reference="")]
