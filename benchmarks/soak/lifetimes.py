"""Forks, threads, event loops and exits, with a store that is open and busy."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import stage
from stage import PACKAGE, Worker, at_most, exactly

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage import Figure


@cachu.cache(backend="file", package=PACKAGE, name="soak.lifetimes")
def plain(x: int) -> list[int]:
    return [x]


@cachu.async_cache(backend="file", package=PACKAGE, name="soak.lifetimes")
async def asynchronous(x: int) -> list[int]:
    return [x]


def descriptors() -> int:
    """Count what this process has open, if that can be found out."""
    for folder in (Path("/proc/self/fd"), Path("/dev/fd")):
        if folder.is_dir():
            return len(list(folder.iterdir())) - 1
    return 0


def forking(place: str, rounds: int, colour: str) -> None:
    """Fork while other threads write; the children use the store too."""
    stage.configure(place)
    warnings.simplefilter("ignore", DeprecationWarning)  # what is tried here is not recommended
    stop = threading.Event()

    def write(first: int) -> None:
        x = first
        loop = asyncio.new_event_loop()
        while not stop.is_set():
            x += 1
            if colour == "async":
                loop.run_until_complete(asynchronous(x))
            else:
                plain(x)
        loop.run_until_complete(cachu.clear_async_backends() if colour == "async" else _nothing())
        loop.close()

    plain(0)
    threads = [threading.Thread(target=write, args=(n * 10**6,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    hung = failed = 0
    for number in range(rounds):
        child = os.fork()
        if not child:
            _child(number)
        status = _ended(child)
        hung += status is None
        failed += bool(status)
    stop.set()
    for thread in threads:
        thread.join(stage.PATIENCE)
    wrong = sum(cachu.cache_get(plain, x=10**9 + n, default=None) is None for n in range(rounds))
    stage.say({"hung": hung, "failed": failed, "wrong": wrong})


async def _nothing() -> None:
    """Await nothing."""


def _child(number: int) -> None:
    """Read, write and clear in a forked child, in both colours, and leave."""
    code = 1
    try:
        right = plain(0) == [0] and plain(10**9 + number) == [10**9 + number]
        right = right and cachu.cache_get(plain, x=10**9 + number) == [10**9 + number]
        right = right and asyncio.run(asynchronous(0)) == [0]
        right = right and asyncio.run(asynchronous(-number - 1)) == [-number - 1]
        right = right and plain.invalidate(-number - 1)
        code = 0 if right else 2
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _ended(child: int) -> int | None:
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def threading_(place: str, number: int) -> None:
    """Have many threads come, use the store, and go."""
    stage.configure(place)
    before = descriptors()
    barrier = threading.Barrier(number)
    wrong = []

    def work(serial: int) -> None:
        barrier.wait(stage.PATIENCE)
        wrong.extend(x for x in range(serial, serial + 5) if plain(x) != [x])

    threads = [threading.Thread(target=work, args=(serial,)) for serial in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(stage.PATIENCE)
    stage.say({"wrong": len(wrong), "open": descriptors() - before, "in all": descriptors()})


def looping(place: str, number: int) -> None:
    """Run one event loop after the other."""
    stage.configure(place)
    wrong = 0
    for x in range(3):
        wrong += asyncio.run(asynchronous(x)) != [x]
    before = descriptors(), threading.active_count()
    for x in range(number):
        wrong += asyncio.run(asynchronous(x % 50)) != [x % 50]
    after = descriptors(), threading.active_count()
    stage.say({"wrong": wrong, "open": after[0] - before[0], "threads": after[1] - before[1]})


def leaving(place: str, how: str) -> None:
    """End without closing anything."""
    stage.configure(place)
    if how in ("sync", "both"):
        plain(1)
    if how in ("async", "both"):
        asyncio.run(asynchronous(2))
    if how == "loop left open":
        loop = asyncio.new_event_loop()
        loop.run_until_complete(asynchronous(2))
        loop.close()
    if how == "in a thread":
        thread = threading.Thread(target=lambda: asyncio.run(asynchronous(3)))
        thread.start()
        thread.join()
    if how == "in the middle":

        async def half() -> None:
            task = asyncio.ensure_future(asynchronous(4))
            await asyncio.sleep(0)
            task.cancel()

        asyncio.run(half())
    stage.say("leaving")


def cancelling(place: str, number: int) -> None:
    """Cancel writes at all moments; nothing may stay locked, and no write be half."""
    stage.configure(place)
    outcome = {"cancelled": 0, "locked": 0, "wrong": 0}

    async def rounds() -> None:
        backend = await cachu.get_async_backend("file", ttl=300, package=PACKAGE)
        await backend.set("warm up", 1)
        value = b"x" * 300_000
        for x in range(number):
            large = x % 5 == 0
            work = backend.set(f"set {x}", value if large else x) if x % 2 else asynchronous(x)
            task = asyncio.ensure_future(work)
            for _ in range(x % 4):
                await asyncio.sleep(0)
            await asyncio.sleep(0.0001 * (x % 7))
            task.cancel()
            done = await asyncio.gather(task, return_exceptions=True)
            outcome["cancelled"] += isinstance(done[0], asyncio.CancelledError)
            outcome["locked"] += _locked(place)
            outcome["wrong"] += await asynchronous(x) != [x]
            found = await backend.get(f"set {x}", None)
            outcome["wrong"] += found not in (None, x, value)
        await cachu.clear_async_backends()

    asyncio.run(rounds())
    stage.say(outcome)


def _locked(place: str) -> bool:
    """Tell whether the database stays locked, also when everybody has had time to finish."""

    def free() -> bool:
        path = stage.database(place)
        with closing(sqlite3.connect(path, timeout=0.5, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return False
        return True

    return not stage.until(free, 5)


def forks(place: Path, rounds: int) -> Iterator[Figure]:
    """Fork while threads write."""
    if not hasattr(os, "fork"):
        return
    for colour in ("sync", "async"):
        said = stage.once("lifetimes:forking", place=place / colour, rounds=rounds, colour=colour)
        title = f"{rounds} forks while {colour} threads write: "
        yield exactly(f"{title}children that hang", said["hung"], 0)
        yield exactly(f"{title}children that fail", said["failed"], 0)
        yield exactly(f"{title}what children stored and is not there", said["wrong"], 0)


def threads(place: Path, number: int) -> Iterator[Figure]:
    """Have many threads come and go."""
    said = stage.once("lifetimes:threading_", place=place, number=number)
    yield exactly(f"{number} threads: wrong results", said["wrong"], 0)
    yield at_most(f"{number} threads: descriptors left", said["in all"], 40)


def loops(place: Path, number: int) -> Iterator[Figure]:
    """Run many event loops."""
    said = stage.once("lifetimes:looping", place=place, number=number)
    yield exactly(f"{number} event loops: wrong results", said["wrong"], 0)
    yield at_most(f"{number} event loops: descriptors more", said["open"], 3)
    yield at_most(f"{number} event loops: threads more", said["threads"], 0)


def exits(place: Path) -> Iterator[Figure]:
    """End a process that closes nothing."""
    for how in ("sync", "async", "both", "loop left open", "in a thread", "in the middle"):
        with Worker("lifetimes:leaving", place=place, how=how) as worker:
            assert worker.hear() == "leaving"
            start = time.perf_counter()
            worker.process.wait(stage.PATIENCE)  # raises if it hangs
            taken = time.perf_counter() - start
            said = worker.errors[-200:] or f"code {worker.process.returncode}"
        yield stage.Figure(f"exit without close, {how}", said, "code 0", said == "code 0")
        yield at_most(f"exit without close, {how}: s", taken, 2, timed=True)


def cancellations(place: Path, number: int) -> Iterator[Figure]:
    """Cancel asynchronous writes."""
    said = stage.once("lifetimes:cancelling", place=place, number=number)
    title = f"{number} asynchronous calls and writes, cancelled: "
    yield stage.Figure(f"{title}in time", said["cancelled"], "", said["cancelled"] > 0, timed=True)
    yield exactly(f"{title}locks left", said["locked"], 0)
    yield exactly(f"{title}wrong values", said["wrong"], 0)


def run(place: Path, scale: float) -> Iterator[Figure]:
    yield from forks(place / "forks", max(30, int(100 * scale)))
    yield from threads(place / "threads", 80)
    yield from loops(place / "loops", 200)
    yield from exits(place / "exits")
    yield from cancellations(place / "cancelled", max(60, int(600 * scale)))
