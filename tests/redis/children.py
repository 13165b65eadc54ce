"""Other processes that use cachu, and do what a test tells them.

They are forked from one that has imported everything already, so that a test can have many.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import traceback
from functools import cache
from pathlib import Path

PATIENCE = 30.0
SCOPE = """
import asyncio, json, os, sys, threading, time
import cachu
"""


class Child:
    """A process that runs *source*: there, `say(...)` talks to the test, and `hear()` listens.

    Args:
        package: The package that it uses cachu as.
        options: What it configures that package with, beside the backend.
        source: What it runs; `package` and `options` are defined there, and modules imported.
    """

    def __init__(self, package: str, options: dict[str, object], source: str) -> None:
        self._socket = _nursery().bear()
        self._socket.settimeout(PATIENCE)
        self._file = self._socket.makefile("rw", encoding="utf-8")
        self.pid = int(self._file.readline())
        self.say([package, options, textwrap.dedent(source)])

    def fileno(self) -> int:
        """Return what can be waited for: it is ready when the child says something."""
        return self._socket.fileno()

    def say(self, what: object = None) -> None:
        """Answer a `hear()` of the child."""
        self._file.write(json.dumps(what) + "\n")
        self._file.flush()

    def hear(self) -> list[object]:
        """Wait for the next `say(...)` of the child."""
        line = self._file.readline()
        assert line, "the child has ended"
        what, said = json.loads(line)
        assert what == "said", said
        return said

    def end(self) -> None:
        """Wait for its end, which must be a good one."""
        line = self._file.readline()
        assert json.loads(line) == ["end", None], line

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def __enter__(self):
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self._file.close()
        self._socket.close()


class _Nursery:
    """The process that is forked from."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cachu-children-")
        path = str(Path(self._folder.name, "socket"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__, path], stdin=subprocess.PIPE
        )
        atexit.register(self.close)

    def bear(self) -> socket.socket:
        """Have a new child made, and return the way to it."""
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return self._listener.accept()[0]

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE)
        self._listener.close()
        self._folder.cleanup()


@cache
def _nursery() -> _Nursery:
    return _Nursery()


def _live(path: str) -> None:
    """Be a child: do what the test says."""
    with socket.socket(socket.AF_UNIX) as way, way.makefile("rw", encoding="utf-8") as file:
        way.connect(path)
        file.write(f"{os.getpid()}\n")
        file.flush()

        def tell(what: str, told: object = None) -> None:
            file.write(json.dumps([what, told]) + "\n")
            file.flush()

        def hear() -> object:
            line = file.readline()
            if not line:
                os._exit(1)  # the test has ended
            return json.loads(line)

        package, options, source = hear()
        scope = {"say": lambda *what: tell("said", what), "hear": hear, "__name__": "__main__"}
        scope |= {"package": package, "options": options}
        try:
            exec(SCOPE, scope)  # noqa: S102 - ours
            cachu = scope["cachu"]
            cachu.configure(package=package, backend="redis", **options)
            cachu.configure(package="__main__", backend="redis", **options)
            exec(compile(source, "<child>", "exec"), scope)  # noqa: S102 - ours
        except BaseException:
            tell("failed", traceback.format_exc())
        else:
            tell("end")


def _main(path: str) -> None:
    import asyncio  # noqa: F401
    import concurrent.futures  # noqa: F401

    import redis.asyncio  # noqa: F401

    import cachu

    cachu.configure(package="nursery", backend="redis")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    while os.read(0, 1):
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _live(path)
            sys.stdout.flush()
            os._exit(0)


if __name__ == "__main__":
    _main(sys.argv[1])
