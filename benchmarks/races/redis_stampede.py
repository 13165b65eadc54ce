"""A stampede over processes: threads or tasks of all of them want one cold key of a server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

import contenders
from harness import Cell, Column, Pace, Race, Results, define, loop_

from races.redis import (
    COROUTINE,
    HERE,
    PACKAGE,
    PLAIN,
    configured,
    decorator,
    served,
    without_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contenders import Peer

PROCESSES, CALLERS, SECONDS = 8, 50, 0.2
PATIENCE = 60.0
_serial = count(time.time_ns())


def crowd(name: str, kind: str) -> None:
    """Call one cold key after the other from many threads or tasks, when told to."""
    runs: list[int] = []
    configured(redis_distributed=True)
    if kind == "threads":
        slow = define(
            "x", "runs.append(1); sleep(s); return 42", runs=runs, sleep=time.sleep, s=SECONDS
        )
        slow.__module__, slow.__qualname__, slow.__name__ = PACKAGE, "cold", "cold"
        call = _threads(PLAIN[name](slow))
    else:
        body = "runs.append(1); await sleep(s); return 42"
        slow = define("x", body, coroutine=True, runs=runs, sleep=asyncio.sleep, s=SECONDS)
        slow.__module__, slow.__qualname__, slow.__name__ = PACKAGE, "cold", "cold"
        call = _tasks(COROUTINE[name](slow))
    print(json.dumps(["ready"]), flush=True)
    for line in sys.stdin:
        runs.clear()
        wrong = call(json.loads(line))
        print(json.dumps([len(runs), wrong]), flush=True)


def _threads(f: Any) -> Callable[[int], int]:
    def call(key: int) -> int:
        results: list[Any] = []
        barrier = threading.Barrier(CALLERS)

        def work() -> None:
            barrier.wait()
            try:
                results.append(f(key))
            except Exception as error:
                results.append(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        return CALLERS - results.count(42)

    return call


def _tasks(f: Any) -> Callable[[int], int]:
    async def all_of_them(key: int) -> list[Any]:
        return await asyncio.gather(*(f(key) for _ in range(CALLERS)), return_exceptions=True)

    def call(key: int) -> int:
        return CALLERS - loop_().run_until_complete(all_of_them(key)).count(42)

    return call


def _stampede(name: str, kind: str, rounds: int) -> tuple[Cell, Cell]:
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    code = f"from races import redis_stampede; redis_stampede.crowd({name!r}, {kind!r})"
    command = [sys.executable, *(["-S"] if contenders.RELEASE in os.environ else []), "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": path}
    crowds = [subprocess.Popen(command, env=environment, **pipes) for _ in range(PROCESSES)]
    try:
        for process in crowds:
            process.stdout.readline()
        times, most, failed = [], 0, 0
        for _ in range(rounds):
            key = next(_serial)
            start = time.perf_counter()
            for process in crowds:
                process.stdin.write(f"{key}\n")
                process.stdin.flush()
            told = [json.loads(process.stdout.readline()) for process in crowds]
            times.append((time.perf_counter() - start) * 1000)
            most = max(most, sum(runs for runs, _ in told))
            failed = max(failed, sum(wrong for _, wrong in told))
    finally:
        for process in crowds:
            process.kill()
            process.communicate()
    return Cell(median(times)), Cell(most, note=f"{failed} errors" * bool(failed))


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    kinds = ("threads", "tasks")
    if not served():
        yield from without_server([f"{kind}_{what}" for kind in kinds for what in ("ms", "runs")])
        return
    rounds = 1 if pace.rounds < 10 else 5
    for kind, decorators in zip(kinds, (PLAIN, COROUTINE)):
        totals, runs = {}, {}
        for peer in peers:
            if decorator(peer, decorators) is None:
                continue
            if not peer.installed:
                totals[peer.name] = runs[peer.name] = Cell(note="not installed")
                continue
            name = "cachu" if peer.name.startswith("cachu ") else peer.name
            totals[peer.name], runs[peer.name] = _stampede(name, kind, rounds)
        yield f"{kind}_ms", totals
        yield f"{kind}_runs", runs


def races() -> list[Race]:
    columns = [
        Column("threads_ms", f"{CALLERS} threads each", "ms"),
        Column("threads_runs", "runs, 50 threads each", "runs"),
        Column("tasks_ms", f"{CALLERS} tasks each", "ms"),
        Column("tasks_runs", "runs, 50 tasks each", "runs"),
    ]
    title = f"Redis: {PROCESSES} processes stampede on a cold key, {SECONDS * 1000:.0f} ms of work"
    return [Race("redis_stampede", title, columns, _run, reference="")]
