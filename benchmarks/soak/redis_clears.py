"""Clearing a tag and counting, with a million entries on the server."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from redis_stage import PACKAGE, everywhere, taken, used
from stage import Figure, at_most, exactly

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTRIES, TAGS = 1_000_000, 10


def _fill(tag: str, first: int, number: int) -> Any:
    """Store entries by four threads."""
    from concurrent.futures import ThreadPoolExecutor

    f = cachu.cache(package=PACKAGE, name="many", tag=tag)(lambda x: x)

    def some(numbers: range) -> None:
        for x in numbers:
            f.set(b"x" * 100, x)

    parts = [range(first + i, first + number, 4) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(some, parts))
    return f


def _busy(station: Any) -> float:
    """Return how many milliseconds the servers have spent in scripts."""
    said = "".join(node.send("INFO", "commandstats") for node in station.takers)
    return sum(map(int, re.findall(r"cmdstat_eval(?:sha)?:calls=\d+,usec=(\d+)", said))) / 1000


def run(place: Path, scale: float) -> Iterator[Figure]:
    """Fill each server, then clear one tag after the other."""
    each = round(ENTRIES * scale / TAGS)
    for name, station, options in everywhere():
        if name.endswith("-sentinel"):
            continue  # the same server as alone
        with used(options):
            functions = [_fill(f"tag {tag}", tag * each, each) for tag in range(TAGS)]
            backend = cachu.get_backend("redis", ttl=300, package=PACKAGE)
            entries = sum(node.send("DBSIZE") for node in station.takers)
            times = []
            before = _busy(station)
            for tag in range(TAGS):
                assert functions[tag].get(tag * each)
                times.append(taken(partial(backend.clear, tag=f"tag {tag}"))[0])
                assert backend.get(functions[tag].key(tag * each), None) is None
            busy = (_busy(station) - before) / TAGS
            limit = 10 if name.endswith("-cluster") else 2
            times.sort()
            title = f"{name}, {entries:,} keys: clear a tag"
            yield at_most(f"{title}, ms, median", times[TAGS // 2], limit, timed=True)
            yield at_most(f"{title}, ms, worst", times[-1], 5 * limit, timed=True)
            yield at_most(f"{title}, ms of the servers' time", busy, limit, timed=True)
            yield exactly(f"{title}: left", backend.count(), 0)
            sent = station.commands()
            walked = sum(sent[c] for c in ("scan", "keys", "flushdb", "flushall"))
            yield exactly(f"{title}: walks over all keys", walked, 0)
            cachu.cache_clear(backend="redis", package=PACKAGE)
