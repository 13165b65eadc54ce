"""Eight processes that write as fast as they can, against diskcache."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import stage
from stage import at_least, at_most, exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from stage import Figure

PROCESSES = 8
SECONDS = 10.0
VALUE = {"user": 42, "name": "somebody", "roles": ["a", "b"], "text": "x" * 40}


def _cachu(place: str) -> Callable[[str, Any], Any]:
    stage.configure(place, fail_open=False)
    return stage.backend().set


def _diskcache(place: str) -> Callable[[str, Any], Any]:
    import diskcache

    return diskcache.Cache(f"{place}/diskcache").set


def _asynchronous(place: str) -> Callable[[str, Any], Any]:
    import cachu

    stage.configure(place, fail_open=False)
    loop = asyncio.new_event_loop()
    backend = loop.run_until_complete(
        cachu.get_async_backend("file", ttl=300, package=stage.PACKAGE)
    )
    return lambda key, value: loop.run_until_complete(backend.set(key, value))


KINDS = {"cachu": _cachu, "diskcache": _diskcache, "cachu, async": _asynchronous}


def writing(place: str, number: int, kind: str) -> None:
    """Write for as long as one is told; say how often, the longest time, and the errors."""
    store = KINDS[kind](place)
    store("warm up", VALUE)
    stage.say("ready")
    seconds = stage.hear()
    writes, longest, errors = 0, 0.0, 0
    now = time.perf_counter()
    end = now + seconds
    while now < end:
        start = now
        try:
            store(f"{number}-{writes % 5_000}", VALUE)
        except Exception:
            errors += 1
        now = time.perf_counter()
        longest = max(longest, now - start)
        writes += 1
    stage.say([writes, longest, errors])


def _together(place: Path, kind: str, seconds: float) -> list[Any]:
    place.mkdir(exist_ok=True)
    with stage.workers(PROCESSES, "writers:writing", place=place, kind=kind) as writers:
        for writer in writers:
            assert writer.hear() == "ready"
        for writer in writers:
            writer.say(seconds)
        return [writer.hear() for writer in writers]


def races(
    place: Path, seconds: float, rounds: int, kinds: Iterable[str] = KINDS
) -> Iterator[Figure]:
    """Have each kind of writers write in turn."""
    found: dict[str, list[Any]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind, outcomes in found.items():
            outcomes.append(_together(place / f"{number} {kind}", kind, seconds))
    totals = {
        kind: sum(writes for each in outcomes for writes, _, _ in each) / (seconds * rounds)
        for kind, outcomes in found.items()
    }
    for kind, outcomes in found.items():
        if kind == "diskcache":
            continue
        title = f"{PROCESSES} processes write for {seconds:g} s, {kind}: "
        errors = sum(failed for each in outcomes for _, _, failed in each)
        longest = max(longest for each in outcomes for _, longest, _ in each)
        fair = min(
            min(writes for writes, _, _ in each) / max(writes for writes, _, _ in each)
            for each in outcomes
        )
        yield exactly(f"{title}errors", errors, 0)
        yield at_most(f"{title}longest write, ms", longest * 1000, 500, timed=True)
        yield at_least(f"{title}slowest to fastest process", fair, 0.4, timed=True)
    if "diskcache" not in found:
        return
    yield stage.Figure("writes a second: cachu", round(totals["cachu"]), "", ok=True, timed=True)
    share = totals["cachu"] / totals["diskcache"]
    yield at_least("writes a second, to diskcache.Cache", share, 1.3, timed=True)
    share = totals["cachu, async"] / totals["diskcache"]
    yield stage.Figure("the same, async", round(share, 2), "", ok=True, timed=True)


def run(place: Path, scale: float) -> Iterator[Figure]:
    yield from races(place, SECONDS if scale == 1 else 2.0, rounds=2 if scale == 1 else 1)
