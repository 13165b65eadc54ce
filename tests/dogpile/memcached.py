"""A memcached server of the tests' own, on a free port of this machine."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import time
from functools import cache
from urllib.parse import unquote

import pytest

PATIENCE = 10.0


class Memcached:
    """A server process, killed when the tests end."""

    def __init__(self) -> None:
        binary = os.environ.get("CACHU_TEST_MEMCACHED") or shutil.which("memcached")
        if binary is None:
            pytest.fail(
                "There is no memcached here. Install it (apt-get install memcached), say where it "
                "is in CACHU_TEST_MEMCACHED, or set CACHU_TEST_MEMCACHED=none to do without."
            )
        self.binary = binary
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"127.0.0.1:{self.port}"
        self.start()
        atexit.register(self.stop)

    def start(self) -> None:
        command = [self.binary, "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-m", "64"]
        if os.name == "posix" and os.geteuid() == 0:
            command += ["-u", "root"]
        self.process = subprocess.Popen(command)
        limit = time.monotonic() + PATIENCE
        while not self._answers():
            assert self.process.poll() is None, "memcached ended at once"
            assert time.monotonic() < limit, "memcached does not answer"
            time.sleep(0.01)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def ask(self, line: str, ends: str) -> list[str]:
        """Send one command; return the lines of its answer, up to one that begins with *ends*."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(f"{line}\r\n".encode())
            said: list[str] = []
            with connection.makefile() as answer:
                while not said or not said[-1].startswith(ends):
                    said.append(answer.readline())
                    assert said[-1], "memcached hung up"
            return said

    def times(self) -> dict[str, float]:
        """Return all keys, and the times when they expire (-1 for never)."""
        said = self.ask("lru_crawler metadump all", "END")[:-1]
        rows = (dict(part.split("=", 1) for part in row.split()) for row in said)
        return {unquote(row["key"]): float(row["exp"]) for row in rows}

    def _answers(self) -> bool:
        try:
            return bool(self.ask("version", "VERSION"))
        except OSError:
            return False


@cache
def shared() -> Memcached:
    """Return a server for tests that need no more than one."""
    if os.environ.get("CACHU_TEST_MEMCACHED") == "none":
        pytest.skip("CACHU_TEST_MEMCACHED=none")
    return Memcached()
