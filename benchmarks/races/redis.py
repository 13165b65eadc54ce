"""Entries on a server of this machine: what a call costs beside the bare commands.

The server is one of those that tests/redis starts; earlier releases of cachu use the same one.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import time
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import contenders
from harness import (
    UNROLLED,
    Cell,
    Column,
    Lane,
    Pace,
    Race,
    Results,
    define,
    entered,
    interleave,
    keyed_lane,
    lane,
    loop_,
    one_processor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contenders import Peer

HERE = Path(__file__).resolve().parent
SERVERS = HERE.parents[1] / "tests" / "redis"
ADDRESS = "CACHU_BENCH_REDIS_URL"  # of the server that the first process has started
PACKAGE, NEAR = "bench_redis", "bench_redis_near"
REFERENCE = "redis-py, GET + loads"
VALUE: Any = {"id": 42, "name": "somebody", "roles": ["reader"], "at": 1_700_000_000.5}
DATA = pickle.dumps(VALUE)
TTL = contenders.TTL
_serial = count(time.time_ns())


@cache
def _url() -> str:
    """Return the address of the server, having started it if need be."""
    if ADDRESS not in os.environ:
        sys.path.append(str(SERVERS))
        from servers.finding import engines
        from servers.processes import Server

        server = Server(engines()[0]).start()
        atexit.register(server.stop)
        os.environ[ADDRESS] = server.url
    if contenders.RELEASE in os.environ:
        _fetch_client()
    return os.environ[ADDRESS]


def _fetch_client() -> None:
    """Make redis-py importable beside an earlier release, which has only what it must have."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = HERE.parent / ".peers" / f"redis-python{python}"
    if not target.is_dir():
        uv = [sys.executable, "-m", "uv", "--no-config", "pip", "install", "--quiet"]
        where = ["--python", sys.executable, "--target", str(target)]
        subprocess.run([*uv, *where, "redis[hiredis]<9"], check=True, capture_output=True)
    sys.path.append(str(target))


def _client() -> Any:
    import redis

    return redis.Redis.from_url(_url())


@cache
def _async_client() -> Any:
    import redis.asyncio

    return redis.asyncio.Redis.from_url(_url())


def configured(package: str = PACKAGE, **options: Any) -> Any:
    import cachu

    cachu.configure(package=package, backend="redis", redis_url=_url(), **options)
    return cachu


def _cachu(function: Any, *, package: str = PACKAGE) -> Any:
    cachu = configured(package)
    return cachu.cache(ttl=TTL, backend="redis", package=package)(function)


def _cachu_coroutine(function: Any, *, package: str = PACKAGE) -> Any:
    cachu = configured(package)
    decorator = getattr(cachu, "async_cache", cachu.cache)
    return decorator(ttl=TTL, backend="redis", package=package)(function)


def _dogpile(function: Any) -> Any:
    from dogpile.cache import make_region

    arguments = {"url": _url(), "distributed_lock": True, "lock_timeout": 30}
    arguments["thread_local_lock"] = False
    region = make_region().configure(
        "dogpile.cache.redis", expiration_time=TTL, arguments=arguments
    )
    return region.cache_on_arguments()(function)


@cache
def _cashews_redis() -> Any:
    import cashews

    made = cashews.Cache()
    made.setup(_url(), client_side=False)
    return made


def _cashews(function: Any) -> Any:
    return _cashews_redis()(ttl=TTL, lock=True)(function)


def _aiocache(function: Any) -> Any:
    import aiocache
    from aiocache.serializers import PickleSerializer

    host, _, port = _url().removeprefix("redis://").removesuffix("/0").partition(":")
    return aiocache.cached_stampede(
        lease=30,
        ttl=TTL,
        cache=aiocache.Cache.REDIS,
        endpoint=host,
        port=int(port),
        serializer=PickleSerializer(),
    )(function)


PLAIN: dict[str, Callable[[Any], Any]] = {"cachu": _cachu, "dogpile.cache": _dogpile}
COROUTINE: dict[str, Callable[[Any], Any]] = {
    "cachu": _cachu_coroutine,
    "cashews": _cashews,
    "aiocache": _aiocache,
}


def decorator(peer: Peer, decorators: dict[str, Callable[[Any], Any]]) -> Any:
    return decorators.get("cachu" if peer.name.startswith("cachu ") else peer.name)


def _new_keys(n: int) -> Iterator[tuple[int, ...]]:
    return iter([tuple(next(_serial) for _ in range(UNROLLED)) for _ in range(n)])


def _function(*, coroutine: bool = False) -> Any:
    return define("x", "return v", coroutine=coroutine, v=VALUE)


def _hit(peer: Peer) -> Lane | None:
    decorate = decorator(peer, PLAIN)
    return lane("f(7)", f=decorate(_function())) if decorate else None


def _miss(peer: Peer) -> Lane | None:
    decorate = decorator(peer, PLAIN)
    return keyed_lane("f(key)", _new_keys, f=decorate(_function())) if decorate else None


def _async_hit(peer: Peer) -> Lane | None:
    decorate = decorator(peer, COROUTINE)
    if decorate is None:
        return None
    return lane("await f(7)", coroutine=True, f=decorate(_function(coroutine=True)))


def _async_miss(peer: Peer) -> Lane | None:
    decorate = decorator(peer, COROUTINE)
    if decorate is None:
        return None
    f = decorate(_function(coroutine=True))
    return keyed_lane("await f(key)", _new_keys, coroutine=True, f=f)


def _bare(client: Any) -> dict[str, Lane]:
    """Make what the others are compared with."""
    client.set("key", DATA)

    def get_and_set(x: int) -> Any:
        if client.get(x) is None:
            client.set(x, pickle.dumps(VALUE), ex=TTL)
        return VALUE

    return {
        "hit": lane("loads(get('key'))", loads=pickle.loads, get=client.get),
        "miss": keyed_lane("f(key)", _new_keys, f=get_and_set),
    }


def _bare_async(client: Any) -> dict[str, Lane]:
    async def get_and_set(x: int) -> Any:
        if await client.get(x) is None:
            await client.set(x, pickle.dumps(VALUE), ex=TTL)
        return VALUE

    return {
        "hit": lane("loads(await get('key'))", coroutine=True, loads=pickle.loads, get=client.get),
        "miss": keyed_lane("await f(key)", _new_keys, coroutine=True, f=get_and_set),
    }


def served() -> bool:
    """Tell whether there is a server, and a client for it."""
    try:
        return bool(_client().ping())
    except Exception:
        return False


def without_server(columns: Sequence[str]) -> Results:
    for column in columns:
        yield column, {REFERENCE: Cell(note="no server")}


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    if not served():
        yield from without_server(("hit", "miss", "near"))
        return
    with one_processor(_client().info("server")["process_id"]):
        bare = _bare(_client())
        configured(redis_distributed=True)
        for column, make in (("hit", _hit), ("miss", _miss)):
            lanes, notes = entered(peers, make)
            yield column, interleave({REFERENCE: bare[column], **lanes}, REFERENCE, pace) | notes
        if contenders.RELEASE in os.environ:
            yield "near", {peers[-1].name: Cell(note="cannot")}
            return
        configured(NEAR, redis_near_cache=10_000)
        f = _cachu(_function(), package=NEAR)
        _warm(lambda: f(7))
        yield (
            "near",
            interleave({REFERENCE: bare["hit"], "cachu": lane("f(7)", f=f)}, REFERENCE, pace),
        )
        configured(NEAR, redis_near_cache=0)


def _run_async(peers: Sequence[Peer], pace: Pace) -> Results:
    if not served():
        yield from without_server(("hit", "miss", "near"))
        return
    with one_processor(_client().info("server")["process_id"]):
        _client().set("key", DATA)
        bare = _bare_async(_async_client())
        configured(redis_distributed=True)
        for column, make in (("hit", _async_hit), ("miss", _async_miss)):
            lanes, notes = entered(peers, make)
            yield column, interleave({REFERENCE: bare[column], **lanes}, REFERENCE, pace) | notes
        if contenders.RELEASE in os.environ:
            yield "near", {peers[-1].name: Cell(note="cannot")}
        else:
            configured(NEAR, redis_near_cache=10_000)
            f = _cachu_coroutine(_function(coroutine=True), package=NEAR)
            _warm(lambda: loop_().run_until_complete(f(7)))
            lanes = {REFERENCE: bare["hit"], "cachu": lane("await f(7)", coroutine=True, f=f)}
            yield "near", interleave(lanes, REFERENCE, pace)
            configured(NEAR, redis_near_cache=0)
        loop_().run_until_complete(_async_client().aclose())
        _async_client.cache_clear()


def _warm(call: Callable[[], Any]) -> None:
    """Call until the listener of the near cache is there."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        call()


def races() -> list[Race]:
    columns = [
        Column("hit", "hit"),
        Column("miss", "miss and store, distributed lock"),
        Column("near", "hit, near cache"),
    ]
    return [
        Race("redis", "Redis", columns, _run, REFERENCE),
        Race("redis_async", "Redis, async", columns, _run_async, REFERENCE),
    ]
