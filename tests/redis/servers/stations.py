"""Servers that many tests use, each started when it is first asked for.

What one test leaves there another must not mind: every test has packages of its own.
"""

from __future__ import annotations

import atexit
import os
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from servers import finding, keeper
from servers.clusters import Cluster
from servers.processes import Server
from servers.sentinels import NAME, Sentinels

if TYPE_CHECKING:
    from collections import Counter

TOPOLOGIES = {"standalone": Server, "cluster": Cluster, "sentinel": Sentinels}
# A machine that is busy with other tests answers late.
PATIENT = {"redis_timeout": 10.0, "redis_connect_timeout": 10.0}
_opened: dict[tuple[str, str], Station] = {}
_process = os.getpid()


class Station(Protocol):
    """A server, a Cluster or a Sentinel trio."""

    nodes: list[Server]
    takers: list[Server]

    def start(self) -> Station: ...
    def commands(self) -> Counter[str]: ...
    def home(self, key: str) -> Server: ...
    def stop(self) -> None: ...


def names() -> list[str]:
    """Return which stations there are here: `valkey-9.1-cluster`."""
    if not finding.wanted():
        return ["none"]
    engines = [engine.name for engine in finding.engines()] or ["none"]
    wanted = os.environ.get("CACHU_TEST_REDIS_TOPOLOGIES") or ",".join(TOPOLOGIES)
    topologies = [topology for topology in TOPOLOGIES if topology in wanted.split(",")]
    return [f"{engine}-{topology}" for engine in engines for topology in topologies]


def station(name: str) -> Station:
    """Return the station called *name*, of this process."""
    finding.engine()  # or say that there is none
    engine, _, topology = name.rpartition("-")
    key = (engine, topology)
    if key not in _opened:
        binary = next(each for each in finding.engines() if each.name == engine)
        _opened[key] = TOPOLOGIES[topology](binary).start()
    return _opened[key]


def leave(name: str) -> None:
    """End the station called *name*; who asks for it again gets a new one."""
    engine, _, topology = name.rpartition("-")
    opened = _opened.pop((engine, topology), None)
    if opened is not None:
        opened.stop()


def options(station: Station) -> dict[str, Any]:
    """Return what cachu is to be configured with to use *station*."""
    if isinstance(station, Sentinels):
        hosts = ",".join(f"{host}:{port}" for host, port in station.addresses)
        return {"redis_url": f"redis://{hosts}/0", "redis_sentinel": NAME}
    if isinstance(station, Cluster):
        return {"redis_url": station.url, "redis_cluster": True}
    return {"redis_url": station.url}


def patiently(station: Station) -> dict[str, Any]:
    """Return the same for tests that are not about slowness: a busy machine is no fault."""
    return {**options(station), **PATIENT}


@cache
def shared_url() -> str:
    """Return the address of a server for tests that need no more than one.

    It is the one that was named, one that Docker runs, or one that is started here.
    """
    if url := os.environ.get("CACHU_TEST_REDIS_URL"):
        return url
    named = "CACHU_TEST_REDIS_SERVER" in os.environ
    if finding.wanted() and not named and finding.docker_answers():
        return _docker_url()
    return station(f"{finding.engine().name}-standalone").url


def _docker_url() -> str:
    from testcontainers.redis import RedisContainer

    image = os.environ.get("CACHU_TEST_REDIS_IMAGE", "valkey/valkey:9")
    container = RedisContainer(image).start()
    atexit.register(container.stop)
    host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
    return f"redis://{host}:{port}/0"


@atexit.register
def close() -> None:
    """End whatever was started here; a forked child leaves it to its parent."""
    if os.getpid() == _process:
        while _opened:
            _, opened = _opened.popitem()
            opened.stop()
        keeper.close()
