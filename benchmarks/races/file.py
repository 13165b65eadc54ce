"""Entries on disk: the file backend against diskcache and joblib, in both colours."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import contextmanager
from itertools import count, cycle, islice
from typing import TYPE_CHECKING, Any

from harness import (
    UNROLLED,
    Column,
    Lane,
    Pace,
    Race,
    Results,
    define,
    interleave,
    keyed_lane,
    lane,
    loop_,
    one_processor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contenders import Peer

PACKAGE = "bench_file"
FAR_PACKAGE = "bench_file_far"
REFERENCE = "diskcache.Cache"
MEMOIZED = "diskcache, memoize"
OTHER_ENGINE = "cachu, backend='diskcache'"
THREADED = "to_thread(diskcache.Cache)"
JOBLIB = "joblib.Memory"
OURS = "cachu"
FAR = "cachu, file_near_cache=0"  # each hit is read from the database
SMALL: Any = {"id": 42, "name": "somebody", "roles": ["reader"], "at": 1_700_000_000.5}
LARGE = bytes(range(256)) * 4096  # 1 MB
# Sets of one contender in a round, by fours. A round of the usual length has twenty or so, and the
# first one, which finds the processor's caches full of the others' data, would count for five.
SETS = 50
_serial = count(1)


@contextmanager
def place() -> Iterator[str]:
    """Make a directory, and have cachu keep its files there."""
    import cachu

    folder = tempfile.mkdtemp(prefix="cachu-bench-")
    cachu.configure(package=PACKAGE, file_dir=folder, diskcache_dir=folder)
    cachu.configure(package=FAR_PACKAGE, file_dir=folder, file_near_cache=0)
    try:
        yield folder
    finally:
        loop_().run_until_complete(cachu.clear_async_backends())
        cachu.clear_backends()
        shutil.rmtree(folder)


def _cached(
    value: Any, *, coroutine: bool = False, backend: str = "file", package: str = PACKAGE
) -> Any:
    import cachu

    function = define("x", "return value", coroutine=coroutine, value=value)
    return cachu.cache(package=package, backend=backend)(function)


def _keys(number: int = 1_000) -> Callable[[int], Iterator[tuple[str, ...]]]:
    """Take so many keys in turn, going on where the last round ended."""
    fours = cycle(list(zip(*[iter([f"key {i}" for i in range(number)])] * UNROLLED)))
    return lambda n: islice(fours, n)


def _new_keys(n: int) -> Iterator[tuple[int, ...]]:
    return iter([tuple(next(_serial) for _ in range(UNROLLED)) for _ in range(n)])


def _hits(folder: str, value: Any) -> dict[str, Lane]:
    import diskcache

    cache = diskcache.Cache(f"{folder}/hits")
    cache.set("key", value)
    lanes = {
        REFERENCE: lane("get('key')", get=cache.get),
        OURS: lane("f(7)", f=_cached(value)),
        FAR: lane("f(7)", f=_cached(value, package=FAR_PACKAGE)),
        MEMOIZED: lane("f(7)", f=cache.memoize(expire=300)(define("x", "return v", v=value))),
        OTHER_ENGINE: lane("f(7)", f=_cached(value, backend="diskcache")),
    }
    memory = _joblib(folder)
    if memory is not None:
        lanes[JOBLIB] = lane("f(7)", f=memory.cache(_of_joblib(value)))
    return lanes


def _sets(folder: str, value: Any, keys: int = 1_000) -> dict[str, Lane]:
    import diskcache

    import cachu

    store = diskcache.Cache(f"{folder}/sets").set
    lanes = {REFERENCE: keyed_lane("store(key, v, expire=300)", _keys(keys), store=store, v=value)}
    for name, backend in ((OURS, "file"), (OTHER_ENGINE, "diskcache")):
        store = cachu.get_backend(backend, ttl=300, package=PACKAGE).set
        lanes[name] = keyed_lane("store(key, v)", _keys(keys), store=store, v=value)
    return lanes


def _absent(folder: str) -> dict[str, Lane]:
    import diskcache

    import cachu

    cache = diskcache.Cache(f"{folder}/sets")
    lanes = {REFERENCE: lane("get('none')", get=cache.get)}
    for name, backend in ((OURS, "file"), (OTHER_ENGINE, "diskcache")):
        get = cachu.get_backend(backend, ttl=300, package=PACKAGE).get
        lanes[name] = lane("get('none')", get=get)
    return lanes


def _misses(folder: str) -> dict[str, Lane]:
    import diskcache

    cache = diskcache.Cache(f"{folder}/misses")

    def get_and_set(x: int) -> Any:
        found = cache.get(x)
        if found is None:
            cache.set(x, SMALL, expire=300)
        return found

    memoized = diskcache.Cache(f"{folder}/memoized").memoize(expire=300)
    functions = {
        REFERENCE: get_and_set,
        OURS: _cached(SMALL),
        MEMOIZED: memoized(define("x", "return v", v=SMALL)),
        OTHER_ENGINE: _cached(SMALL, backend="diskcache"),
    }
    memory = _joblib(folder)
    if memory is not None:
        functions[JOBLIB] = memory.cache(_of_joblib(SMALL))
    return {name: keyed_lane("f(key)", _new_keys, f=f) for name, f in functions.items()}


def _joblib(folder: str) -> Any:
    try:
        import joblib
    except ImportError:
        return None
    return joblib.Memory(f"{folder}/joblib", verbose=0)


def _of_joblib(value: Any) -> Callable[[int], Any]:
    # It wants a function that it finds in a module.
    return _large if value is LARGE else _small


def _small(x: int) -> Any:
    return SMALL


def _large(x: int) -> Any:
    return LARGE


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    with place() as folder:
        yield "hit", interleave(_hits(folder, SMALL), REFERENCE, pace)
        yield "set", interleave(_sets(folder, SMALL), REFERENCE, pace, SETS)
        yield "absent", interleave(_absent(folder), REFERENCE, pace)
        yield "miss", interleave(_misses(folder), REFERENCE, pace)
    with place() as folder:
        yield "hit_1mb", interleave(_hits(folder, LARGE), REFERENCE, pace)
    with place() as folder:
        yield "set_1mb", interleave(_few(_sets(folder, LARGE, 64)), REFERENCE, pace, 4)


def _few(lanes: dict[str, Lane]) -> dict[str, Lane]:
    """Bound the turns: no more megabytes at a time than the system takes without writing them."""
    return {name: lambda n, run=run: run(min(n, 16)) for name, run in lanes.items()}


def _run_async(peers: Sequence[Peer], pace: Pace) -> Results:
    import diskcache

    import cachu

    with one_processor(), place() as folder:
        cache = diskcache.Cache(f"{folder}/threaded")
        cache.set("key", SMALL)
        hits = {
            THREADED: lane(
                "await hop(get, 'key')", coroutine=True, hop=asyncio.to_thread, get=cache.get
            ),
            OURS: lane("await f(7)", coroutine=True, f=_cached(SMALL, coroutine=True)),
            FAR: lane(
                "await f(7)",
                coroutine=True,
                f=_cached(SMALL, coroutine=True, package=FAR_PACKAGE),
            ),
            OTHER_ENGINE: lane(
                "await f(7)", coroutine=True, f=_cached(SMALL, coroutine=True, backend="diskcache")
            ),
        }
        yield "hit", interleave(hits, THREADED, pace)
        sets = {
            THREADED: keyed_lane(
                "await hop(store, key, v, expire=300)",
                _keys(),
                coroutine=True,
                hop=asyncio.to_thread,
                store=cache.set,
                v=SMALL,
            )
        }
        for name, kind in ((OURS, "file"), (OTHER_ENGINE, "diskcache")):
            get_backend = cachu.get_async_backend(kind, ttl=300, package=PACKAGE)
            store = loop_().run_until_complete(get_backend).set
            sets[name] = keyed_lane(
                "await store(key, v)", _keys(), coroutine=True, store=store, v=SMALL
            )
        yield "set", interleave(sets, THREADED, pace, SETS)
        misses = {
            OURS: keyed_lane(
                "await f(key)", _new_keys, coroutine=True, f=_cached(SMALL, coroutine=True)
            ),
            THREADED: keyed_lane(
                "await f(key)", _new_keys, coroutine=True, f=_threaded_miss(cache)
            ),
        }
        yield "miss", interleave(misses, THREADED, pace)


def _threaded_miss(cache: Any) -> Any:
    async def get_and_set(x: int) -> Any:
        if await asyncio.to_thread(cache.get, x) is None:
            await asyncio.to_thread(cache.set, x, SMALL, expire=300)
        return SMALL

    return get_and_set


def races() -> list[Race]:
    columns = [
        Column("hit", "hit, 100 B"),
        Column("set", "set, 100 B"),
        Column("absent", "get of an absent key"),
        Column("miss", "miss and store"),
        Column("hit_1mb", "hit, 1 MB"),
        Column("set_1mb", "set, 1 MB"),
    ]
    async_columns = [
        Column("hit", "hit, 100 B"),
        Column("set", "set, 100 B"),
        Column("miss", "miss and store"),
    ]
    return [
        Race("file", "Files", columns, _run, REFERENCE, releases=False),
        Race("file_async", "Files, async", async_columns, _run_async, THREADED, releases=False),
    ]
