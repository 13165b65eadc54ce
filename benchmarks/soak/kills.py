"""Processes that are killed while they write: nothing that was acknowledged is lost or damaged."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any

import stage
from stage import PACKAGE, Worker, at_most, exactly

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stage import Figure

BURST = 100  # writes of each writer, while one of them is killed


def value(key: str) -> dict[str, Any]:
    """Return the one right value of a key: a few hundred bytes, or enough for a file of its own."""
    digest = sha256(key.encode()).digest()
    return {"key": key, "data": digest * (5_000 if digest[0] < 3 else 1 + digest[1] // 8)}


@cachu.cache(backend="file", ttl=None, package=PACKAGE, name="soak.made")
def made(key: str) -> dict[str, Any]:
    return value(key)


def writing(place: str, name: str) -> None:
    """Write one entry after the other, and say so after each; pause after each burst."""
    stage.configure(place)
    backend = stage.backend(None)
    stage.say("ready")
    for number in count():
        if number % BURST == 0:
            stage.hear()
        key = f"{name}-{number}"
        if number % 2:
            made(key)
        else:
            backend.set(key, value(key))
        stage.say(key)


def _found(key: str) -> Any:
    if int(key.rpartition("-")[2]) % 2:
        return cachu.cache_get(made, key=key, default=None)
    return stage.backend(None).get(key, None)


class _Tally:
    def __init__(self) -> None:
        self.written: list[str] = []
        self.lost = self.corrupt = self.failed = 0
        self.first_reads: list[float] = []

    def verify(self, keys: list[str]) -> None:
        for key in keys:
            found = _found(key)
            self.lost += found is None
            self.corrupt += found is not None and found != value(key)

    def killed(self, worker: Worker, acknowledged: list[str]) -> None:
        """Kill a writer, and look for what it wrote."""
        acknowledged += worker.kill()
        self.failed += worker.process.returncode >= 0 or bool(worker.errors)
        worker.close()
        start = time.perf_counter()
        self.verify(acknowledged[-1:])
        self.first_reads.append(time.perf_counter() - start)
        self.verify(acknowledged)
        name, _, last = acknowledged[-1].rpartition("-")
        unfinished = _found(f"{name}-{int(last) + 1}")  # all or nothing
        self.corrupt += unfinished not in (None, value(f"{name}-{int(last) + 1}"))
        self.written += acknowledged


def _start(place: Path, serial: Iterator[int]) -> Worker:
    return Worker("kills:writing", place=place, name=f"w{next(serial)}")


def killed_writers(place: Path, kills: int, writers: int) -> Iterator[Figure]:
    """Kill one writer after the other, at moments of all kinds, and replace it."""
    chance = random.Random(kills + writers)
    serial = count()
    tally = _Tally()
    running: list[Worker] = []
    with stage.opened(place):
        try:
            spare = [_start(place, serial) for _ in range(2)]
            heard: dict[Worker, list[str]] = {}
            for _ in range(kills):
                while len(running) < writers:
                    running.append(spare.pop(0))
                    spare.append(_start(place, serial))
                    assert running[-1].hear() == "ready"
                    heard[running[-1]] = []
                victim = chance.choice(running)
                for worker in running:
                    worker.say("go on")
                for _ in range(chance.randrange(1, BURST - 10)):
                    heard[victim].append(victim.hear())
                time.sleep(chance.uniform(0, 0.001))  # so that all steps of a write are hit
                running.remove(victim)
                tally.killed(victim, heard.pop(victim))
                for worker in running:
                    heard[worker] += [worker.hear() for _ in range(BURST)]
            for worker in list(running):
                running.remove(worker)
                tally.killed(worker, heard.pop(worker))
            tally.verify(tally.written)
            yield from _outcome(place, tally, kills, writers)
        finally:
            for worker in (*running, *spare):
                worker.close()


def _outcome(place: Path, tally: _Tally, kills: int, writers: int) -> Iterator[Figure]:
    title = f"{kills} kills, {writers} writers: "
    yield stage.Figure(f"{title}acknowledged", len(tally.written), "", len(tally.written) >= kills)
    yield exactly(f"{title}lost", tally.lost, 0)
    yield exactly(f"{title}corrupt", tally.corrupt, 0)
    yield exactly(f"{title}processes that failed", tally.failed, 0)
    orphans = len(_orphans(place))
    yield stage.Figure(f"{title}orphan files before a sweep", orphans, "", ok=True)
    stage.backend(None).wrapped.sweep(0.0)
    yield exactly(f"{title}orphan files after a sweep", len(_orphans(place)), 0)
    tally.verify(tally.written)
    yield exactly(f"{title}lost by the sweep", tally.lost, 0)
    first = stage.p99(tally.first_reads) * 1000
    yield at_most(f"{title}first read after a kill, p99 ms", first, 2_500, timed=True)


def _orphans(place: Path) -> set[str]:
    """Return the files that no entry has."""
    with closing(sqlite3.connect(stage.database(place))) as connection:
        rows = connection.execute("SELECT value FROM entry WHERE typeof(value) = 'text'")
        named = {name for (name,) in rows}
    return {path.name for path in stage.values(place)} - named


def run(place: Path, scale: float) -> Iterator[Figure]:
    for writers in (1, 8):
        (place / str(writers)).mkdir()
        yield from killed_writers(place / str(writers), max(20, int(1_000 * scale)), writers)
