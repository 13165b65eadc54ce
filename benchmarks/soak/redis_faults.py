"""What a failing server costs a caller: the first call, the next ones, and until hits are back."""

from __future__ import annotations

import asyncio
import compileall
import time
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from redis_stage import engines, taken
from servers.clusters import Cluster
from servers.processes import Server, free_port
from servers.proxies import BlackHole, Proxy
from servers.resp import HOST, Wire
from servers.sentinels import Sentinels
from servers.stations import options as options_of
from stage import Figure, at_most, exactly, warned

import cachu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CALLS_A_SECOND = 50
FIRST, FIRST_ON_CLUSTER, NEXT = 300, 500, 1  # ms
HEALED = 1.5  # seconds


class Fault(NamedTuple):
    name: str
    begin: Callable[[Server, Proxy], Any]
    end: Callable[[Server, Proxy], Any]
    through_proxy: bool = True  # one in this process, whose own time counts, too


def _want_password(server: Server, proxy: Proxy) -> None:
    server.send("CONFIG", "SET", "requirepass", "secret")
    proxy.cut()


def _want_none(server: Server, proxy: Proxy) -> None:
    with Wire(server.address, password="secret") as wire:
        wire.send("CONFIG", "SET", "requirepass", "")


def _crowd(server: Server, proxy: Proxy) -> None:
    server.crowd = [Wire(server.address) for _ in range(3)]
    server.crowd[0].send("CONFIG", "SET", "maxclients", 3)
    proxy.cut()


def _go_home(server: Server, proxy: Proxy) -> None:
    server.crowd[0].send("CONFIG", "SET", "maxclients", 10_000)
    for wire in server.crowd:
        wire.close()


def _set(name: str, value: Any) -> Callable[[Server, Proxy], Any]:
    return lambda server, proxy: setattr(proxy, name, value)


FAULTS = (
    Fault("killed", lambda s, p: s.kill(), lambda s, p: s.start()),
    Fault("hung", lambda s, p: s.pause(), lambda s, p: s.resume()),
    Fault("slow, 1 s", _set("delay", 1.0), _set("delay", 0.0)),
    Fault("silent", _set("silent", True), lambda s, p: (_set("silent", False)(s, p), p.cut())),
    Fault("password wanted", _want_password, _want_none),
    Fault("max clients", _crowd, _go_home),
    Fault(
        "read only",
        lambda s, p: s.send("REPLICAOF", HOST, free_port()),
        lambda s, p: s.send("REPLICAOF", "NO", "ONE"),
        through_proxy=False,
    ),
    Fault(
        "out of memory",
        lambda s, p: s.send("CONFIG", "SET", "maxmemory", 1),
        lambda s, p: s.send("CONFIG", "SET", "maxmemory", 0),
        through_proxy=False,
    ),
)


class Caller:
    """Calls a cached function, in one colour, and keeps what each call cost."""

    def __init__(self, kind: str, package: str) -> None:
        self.runs = 0
        self._loop = asyncio.new_event_loop() if kind == "async" else None

        def plain(x: int) -> int:
            self.runs += 1
            return x

        async def coroutine(x: int) -> int:
            self.runs += 1
            return x

        if self._loop is None:
            self.call = cachu.cache(package=package, name="f")(plain)
        else:
            f = cachu.async_cache(package=package, name="f")(coroutine)
            self.call = lambda x: self._loop.run_until_complete(f(x))

    def phase(self, seconds: float, key: int | None = None) -> list[tuple[float, bool, bool]]:
        """Call on and on: the milliseconds, whether the answer was right, whether it was a hit."""
        found = []
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            number += 1
            x = key if key is not None else 1_000_000 + number % 2 * number
            before = self.runs
            took, result = taken(lambda x=x: self.call(x))
            found.append((took, result == x, self.runs == before))
            time.sleep(1 / CALLS_A_SECOND)
        return found

    def until_hit(self, patience: float = 10.0) -> float:
        """Return after how many seconds a call was a hit."""
        start = time.monotonic()
        while time.monotonic() < start + patience:
            before = self.runs
            self.call(7)
            if self.runs == before:
                break
            time.sleep(0.005)
        return time.monotonic() - start

    def close(self) -> None:
        if self._loop is not None:
            self._loop.run_until_complete(cachu.clear_async_backends())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
        cachu.clear_backends()


def _figures(
    title: str, calls: list[tuple[float, bool, bool]], lines: int, first: float
) -> Iterator[Figure]:
    times = [took for took, _, _ in calls]
    slow = sorted(times[1:])
    yield exactly(f"{title}: wrong or raised", sum(not right for _, right, _ in calls), 0)
    yield at_most(f"{title}: first call, ms", times[0], first, timed=True)
    yield at_most(f"{title}: worst call, ms", max(times), first, timed=True)
    yield at_most(f"{title}: next calls, ms, median", slow[len(slow) // 2], NEXT, timed=True)
    yield at_most(f"{title}: lines in the log", lines, 2)


def _standalone(seconds: float, log: list[str]) -> Iterator[Figure]:
    for engine in engines():
        for kind in ("sync", "async"):
            for fault in FAULTS:
                server = Server(engine).start()
                proxy = Proxy(server.address).start()
                package = f"soak_{time.time_ns()}"
                url = proxy.url if fault.through_proxy else server.url
                cachu.configure(package=package, backend="redis", redis_url=url)
                caller = Caller(kind, package)
                title = f"{engine.name}, {kind}, {fault.name}"
                caller.call(7), caller.call(7)
                del log[:]
                fault.begin(server, proxy)
                calls = caller.phase(seconds)
                fault.end(server, proxy)
                healed = caller.until_hit()
                yield from _figures(title, calls, len(log), FIRST)
                yield at_most(f"{title}: hits again, s", healed, HEALED, timed=True)
                caller.close()
                proxy.stop()
                server.stop()


def _compile(*packages: str) -> None:
    """Write the bytecode that an installed package has: the first call imports it all."""
    for name in packages:
        spec = find_spec(name)
        for folder in (spec and spec.submodule_search_locations) or ():
            compileall.compile_dir(folder, quiet=1)


def _never_there(seconds: float, log: list[str]) -> Iterator[Figure]:
    _compile("redis", "hiredis", "cachu", "cachu_redis")
    for kind in ("sync", "async"):
        hole = BlackHole().start()
        for title, url in (
            ("down at the start", f"redis://{HOST}:{free_port()}/0"),
            ("black hole", hole.url),
        ):
            package = f"soak_{time.time_ns()}"
            cachu.configure(package=package, backend="redis", redis_url=url)
            caller = Caller(kind, package)
            del log[:]
            calls = caller.phase(seconds, 7)
            yield from _figures(f"{kind}, {title}", calls, len(log), FIRST)
            caller.close()
        hole.stop()


def _scattered(seconds: float, log: list[str]) -> Iterator[Figure]:
    def kill_first(station):
        station.nodes[0].kill()

    def pause_first(station):
        station.nodes[0].pause()

    for engine in engines():
        for kind in ("sync", "async"):
            for make, name, limit in (
                (partial(Cluster, engine, masters=3, replicas=1), "cluster", FIRST_ON_CLUSTER),
                (partial(Sentinels, engine), "sentinel", FIRST),
            ):
                for what, begin in (("killed", kill_first), ("hung", pause_first)):
                    station = make().start()
                    package = f"soak_{time.time_ns()}"
                    cachu.configure(package=package, backend="redis", **options_of(station))
                    caller = Caller(kind, package)
                    for x in range(200):
                        caller.call(x)
                    del log[:]
                    begin(station)
                    found = []
                    for x in range(200):
                        took, result = taken(lambda x=x, caller=caller: caller.call(x))
                        found.append((took, result == x, False))
                    start = time.monotonic()
                    while not _elected(station):
                        caller.call(7)
                        time.sleep(0.01)
                    elected = time.monotonic() - start
                    healed = max(_all_hit(caller), 0)
                    title = f"{engine.name}, {kind}, {name}, master {what}"
                    yield from _figures(title, found, len(log), limit)
                    yield at_most(
                        f"{title}: hits again {elected:.1f} s later, and, s",
                        *(healed, HEALED),
                        timed=True,
                    )
                    caller.close()
                    station.stop()


def _elected(station: Any) -> bool:
    """Tell whether the replica has taken its master's place, for all who ask."""
    if isinstance(station, Sentinels):
        return station.master is station.nodes[1]
    return "role:master" in station.nodes[3].send("INFO", "replication")


def _all_hit(caller: Caller) -> float:
    """Return after how many seconds two hundred keys were hits."""
    start = time.monotonic()
    while time.monotonic() < start + 20:
        for x in range(200):
            caller.call(x)
        before = caller.runs
        for x in range(200):
            caller.call(x)
        if caller.runs == before:
            break
    return time.monotonic() - start


def run(place: Path, scale: float) -> Iterator[Figure]:
    """Let each fault last for a few seconds."""
    seconds = max(1.0, 4 * scale)
    log = warned()
    yield from _never_there(seconds, log)
    yield from _standalone(seconds, log)
    yield from _scattered(seconds, log)
