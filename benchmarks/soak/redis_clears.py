"""Clearing a tag and counting, with a million entries on the server."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from redis_stage import PACKAGE, everywhere, taken, used
from servers.stations import PATIENT
from stage import Figure, at_most, exactly

import cachu
from cachu.regions import live
from cachu_redis.store import RedisStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTRIES, TAGS, BATCH = 1_000_000, 10, 1000
DATA = b"x" * 100


def _fill(store: RedisStore, tag: str, first: int, number: int) -> Any:
    """Store entries, a thousand in one round trip; the first one can be read."""
    f = cachu.cache(package=PACKAGE, name="many", tag=tag)(lambda x: x)
    commands, line = store._commands, store._line
    for start in range(first, first + number, BATCH):
        batch = []
        for x in range(start, min(start + BATCH, first + number)):
            key = f.key(x)
            place = commands.place(key)
            batch.append((place[0].number, commands.store(place, key, DATA, 300, tag)))
        replies = line.ask_each(batch)
        assert replies == [1] * len(batch), replies[:3]
    f.set("first", first)
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
        with used({**options, **PATIENT}):
            store = RedisStore(live("redis", PACKAGE, 300).region)
            functions = [_fill(store, f"tag {tag}", tag * each, each) for tag in range(TAGS)]
            store.close()
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
