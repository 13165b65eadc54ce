"""One server: a child process that can be killed, stopped and started again."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from servers import keeper
from servers.resp import HOST, ServerError, Wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers.finding import Engine

PATIENCE = 20.0
# Below the ports that systems give to outgoing connections, as is what a cluster adds to them.
PORTS = range(11_000, 22_000)
BUS = 10_000
# What connections send when they are made, and what looks at the counters.
ASIDE = ("info", "auth", "hello", "select", "monitor", "client|", "config|", "cluster|", "command")
_random = random.Random()


class Server:
    """A server of an engine, on a port of its own or on a Unix socket, with nothing on disk.

    Args:
        engine: What to start.
        *arguments: Further arguments of the binary.
        unix: Whether it listens on a Unix socket only.
        password: What `requirepass` is to be.
        sentinel: The configuration, if it is to be a Sentinel.
    """

    def __init__(
        self,
        engine: Engine,
        *arguments: object,
        unix: bool = False,
        password: str = "",
        sentinel: str = "",
    ) -> None:
        self.engine = engine
        self.arguments = [str(argument) for argument in arguments]
        self.unix, self.password, self.sentinel = unix, password, sentinel
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="cachu-redis-"))
        self.path = str(self.folder / "server.sock")

    def start(self) -> Server:
        """Start it and wait until it answers; a second time, on the same port."""
        chosen = bool(self.port)
        for _ in range(10):
            if not self.unix and not self.port:
                self.port = free_port()
            if self._launch():
                return self
            if chosen or "in use" not in self.log():
                break
            self.port = 0  # somebody else was faster
        raise RuntimeError(f"{self.engine.name} did not start: {self.log()[-800:]}")

    def _launch(self) -> bool:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        keeper.tell(self.process.pid)
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                self.send("PING")
            except ServerError:
                return True  # it asks for a password, or still loads
            except OSError:
                time.sleep(0.002)
            else:
                return True
        return False

    def _command(self) -> list[str]:
        command = [self.engine.path]
        if self.sentinel:
            configuration = self.folder / "sentinel.conf"
            if not configuration.exists():
                configuration.write_text(self.sentinel)
            command += [str(configuration), "--sentinel"]
        else:
            command += ["--save", "", "--appendonly", "no"]
        command += ["--port", "0" if self.unix else str(self.port), "--bind", HOST]
        command += ["--dir", str(self.folder), "--daemonize", "no"]
        if self.unix:
            command += ["--unixsocket", self.path]
        if self.password:
            command += ["--requirepass", self.password]
        return command + self.arguments

    @property
    def address(self) -> tuple[str, int] | str:
        return self.path if self.unix else (HOST, self.port)

    @property
    def url(self) -> str:
        user = f":{self.password}@" if self.password else ""
        return f"unix://{user}{self.path}" if self.unix else f"redis://{user}{HOST}:{self.port}/0"

    @property
    def nodes(self) -> list[Server]:
        """The servers that hold data: this one."""
        return [self]

    @property
    def takers(self) -> list[Server]:
        """The servers that take commands now."""
        return [self]

    def home(self, key: str) -> Server:
        """Return the server that has *key*."""
        return self

    def connect(self, timeout: float = 5.0) -> Wire:
        return Wire(self.address, timeout=timeout, password=self.password)

    def send(self, *parts: object):
        """Send one command on a connection of its own."""
        with self.connect() as wire:
            return wire.send(*parts)

    def commands(self) -> Counter[str]:
        """Return how often each command was called, those of scripts among them."""
        return commands(self.nodes)

    def clients(self) -> int:
        """Return how many connections there are beside the one that asks."""
        return len(self.send("CLIENT", "LIST").splitlines()) - 1

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            keeper.tell(-self.process.pid)
            self.process = None

    def pause(self) -> None:
        """Have it hang: connections are taken, nothing is answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it and leave nothing behind; a second time is no error."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    """Return a port that is free, as is the one that a cluster would use beside it."""
    for _ in range(1000):
        port = _random.choice(PORTS)
        if all(map(_is_free, (port, port + BUS))):
            return port
    raise RuntimeError("there is no free port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def commands(nodes: Iterable[Server]) -> Counter[str]:
    """Return how often each command was called, but for those that set connections up."""
    called: Counter[str] = Counter()
    for node in nodes:
        for line in node.send("INFO", "commandstats").splitlines():
            name, _, figures = line.removeprefix("cmdstat_").partition(":calls=")
            if figures and not name.startswith(ASIDE):
                called[name] += int(figures.partition(",")[0])
    return called


def wait_for(ready, what: str) -> None:
    """Wait until *ready*; fail if that takes far too long."""
    limit = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > limit:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.005)
