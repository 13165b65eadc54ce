"""Clearing a tag and counting, with a million entries on the server."""

from __future__ import annotations

import re
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from redis_stage import PACKAGE, everywhere, taken, used
from servers.stations import PATIENT
from stage import Figure, at_most, exactly

import cachu
from cachu.regions import live
from cachu_redis.spelling import CLUSTER_BUCKETS, RegionKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTRIES, TAGS, BATCH = 1_000_000, 10, 1000
DATA = b"x" * 150
MAKE = """
for i = ARGV[2], ARGV[3] do
  local digest = redis.sha1hex(ARGV[1] .. i):sub(1, 32)
  redis.call('SET', KEYS[1] .. digest, ARGV[5], 'PX', 300000)
  redis.call('ZADD', KEYS[2], ARGV[4], digest)
end
"""


def _fill(station: Any, tag: str, number: int) -> Any:
    """Have the server make entries of one function and tag, as if they had been stored."""
    f = cachu.cache(package=PACKAGE, name=f"all of {tag}", tag=tag)(lambda x: x)
    keys = RegionKeys(live("redis", PACKAGE, 300).region.namespace, _buckets(station))
    name = f"{keys.function(f.key(0).rpartition(':')[0])}:{keys.tag(tag)}"
    missing = {bucket.number for bucket in keys.buckets}
    for x in count():  # one real entry in each bucket, so that there are generations
        bucket = keys.bucket(keys.digest(f.key(x)))
        if bucket.number in missing:
            f.set("real", x)
            missing.remove(bucket.number)
        if not missing:
            break
    each = number // len(keys.buckets)
    for bucket in keys.buckets:
        home = station.home(bucket.region)
        for first in range(0, each, BATCH):
            last = min(first + BATCH, each) - 1
            where = (bucket.entry, bucket.series + name)
            home.send("EVAL", MAKE, 2, *where, tag, first, last, time.time() + 300, DATA)
    return f


def _buckets(station: Any) -> int:
    return CLUSTER_BUCKETS if len(station.takers) > 1 else 1


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
            functions = [_fill(station, f"tag {tag}", each) for tag in range(TAGS)]
            backend = cachu.get_backend("redis", ttl=300, package=PACKAGE)
            entries = sum(node.send("DBSIZE") for node in station.takers)
            times = []
            before = _busy(station)
            for tag in range(TAGS):
                assert functions[tag].get(0)
                times.append(taken(partial(backend.clear, tag=f"tag {tag}"))[0])
                assert backend.get(functions[tag].key(0), None) is None
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
