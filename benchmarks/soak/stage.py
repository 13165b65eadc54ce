"""What the scenes stand on: processes that are talked to line by line, and figures with limits.

The scenes are what cachu's file backend is held to when processes are killed, disks fill up and
files are damaged. `run.py` plays them in full; tests/file plays them briefly, and looks only at
what does not depend on the clock.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cachu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HERE = Path(__file__).resolve().parent
PACKAGE = "soak"
PATIENCE = 60.0  # seconds after which something hangs
_END = object()


class Figure(NamedTuple):
    """Something measured, and what it is held to.

    Attributes:
        timed: Whether it depends on the speed of the machine.
    """

    name: str
    measured: float | str
    limit: str
    ok: bool
    timed: bool = False


class Ended(Exception):  # noqa: N818 - what happened, not what is wrong
    """A process ended before it said what was waited for."""


def exactly(name: str, measured: float, expected: float) -> Figure:
    return Figure(name, measured, f"= {expected}", measured == expected)


def at_most(name: str, measured: float, limit: float, *, timed: bool = False) -> Figure:
    return Figure(name, round(measured, 3), f"<= {limit}", measured <= limit, timed)


def at_least(name: str, measured: float, limit: float, *, timed: bool = False) -> Figure:
    return Figure(name, round(measured, 3), f">= {limit}", measured >= limit, timed)


def check(figures: Iterable[Figure]) -> None:
    """Fail if a figure that does not depend on the clock is not what it must be."""
    found = list(figures)
    assert found, "nothing was measured"
    missed = [f"{f.name}: {f.measured}, not {f.limit}" for f in found if not (f.ok or f.timed)]
    assert not missed, missed


class Worker:
    """A process of its own that runs one function of a scene.

    Args:
        task: The module and the function, `module:function`.
        **arguments: What the function is called with; JSON.
    """

    def __init__(self, task: str, **arguments: Any) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        command = [sys.executable, "-W", "error", str(HERE / "worker.py"), task]
        self.process = subprocess.Popen(
            [*command, json.dumps(arguments, default=str)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def hear(self, patience: float = PATIENCE) -> Any:
        """Return what it says next.

        Raises:
            Ended: If it has ended.
            AssertionError: If it says nothing for too long.
        """
        try:
            said = self._said.get(timeout=patience)
        except queue.Empty:
            raise AssertionError(f"it says nothing; {self.errors}") from None
        if said is _END:
            self._said.put(_END)
            raise Ended(self.errors)
        return json.loads(said)

    def say(self, what: Any = None) -> None:
        """Tell it something."""
        stdin = self.process.stdin
        assert stdin is not None
        stdin.write(json.dumps(what).encode() + b"\n")
        stdin.flush()

    def ask(self, what: Any = None) -> Any:
        """Tell it something and return its answer."""
        self.say(what)
        return self.hear()

    def kill(self) -> list[Any]:
        """Kill it; return what it had said, and nobody has heard."""
        self.process.kill()
        return self.rest()

    def rest(self) -> list[Any]:
        """Wait for its end; return what it said, and nobody has heard."""
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        said = []
        while (line := self._said.get(timeout=PATIENCE)) is not _END:
            if line.endswith(b"\n"):  # what was cut off was not said
                said.append(json.loads(line))
        self._said.put(_END)
        return said

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    @property
    def errors(self) -> str:
        """What it wrote to its standard error so far."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            if hasattr(signal, "SIGCONT"):
                self.signal(signal.SIGCONT)
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            try:
                stream.close()  # type: ignore[union-attr]
            except BrokenPipeError:
                continue

    def __enter__(self) -> Worker:  # noqa: PYI034
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(line)
        self._said.put(_END)


@contextmanager
def workers(number: int, task: str, **arguments: Any) -> Iterator[list[Worker]]:
    """Have some processes run the same function; each is told its `number`."""
    made: list[Worker] = []
    try:
        while len(made) < number:
            made.append(Worker(task, **arguments, number=len(made)))
        yield made
    finally:
        for worker in made:
            worker.close()


def once(task: str, **arguments: Any) -> Any:
    """Run one function in a process of its own and return the first thing it says."""
    with Worker(task, **arguments) as worker:
        said = worker.hear()
        worker.process.wait(PATIENCE)
        assert worker.process.returncode == 0, worker.errors
        return said


def say(what: Any = None) -> None:
    """Tell the process that started this one something."""
    os.write(1, json.dumps(what).encode() + b"\n")


def hear() -> Any:
    """Return what the process that started this one says next; end with it."""
    line = sys.stdin.readline()
    if not line:
        sys.exit()
    return json.loads(line)


def configure(place: Path | str, **options: Any) -> None:
    """Have the package of the scenes use the file backend below *place*."""
    cachu.configure(package=PACKAGE, backend="file", file_dir=str(place), **options)


@contextmanager
def opened(place: Path, **options: Any) -> Iterator[None]:
    """Use the file backend below *place* in this process, for a while."""
    configure(place, **options)
    try:
        yield
    finally:
        cachu.clear_backends()
        core = ("secret_key", "serializer", "lock_timeout", "fail_open")
        reset = dict.fromkeys(("file_dir", "file_size_limit", *core), cachu.DEFAULT)
        cachu.configure(package=PACKAGE, backend=cachu.DEFAULT, **reset)


def backend(ttl: float | None = 300) -> Any:
    """Return the file backend of a region, for plain code."""
    return cachu.get_backend("file", ttl=ttl, package=PACKAGE)


def database(place: Path | str, package: str = PACKAGE) -> Path:
    """Return the path of a package's database."""
    (found,) = Path(place).glob(f"cachu-*/{package}-v*.db")
    return found


def values(place: Path | str) -> list[Path]:
    """List the files of large values, and what was left of such."""
    return sorted(path for path in Path(place).glob("cachu-*/*.values/**/*") if path.is_file())


def warned() -> list[str]:
    """Have the warnings of cachu put into a list from now on, and return it."""
    found: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger = logging.getLogger("cachu")
    logger.addHandler(Listener(logging.WARNING))
    logger.propagate = False
    return found


def until(ready: Callable[[], Any], patience: float = PATIENCE) -> bool:
    """Wait for *ready* and say whether that was not in vain."""
    limit = time.monotonic() + patience
    while not ready():
        if time.monotonic() > limit:
            return False
        time.sleep(0.002)
    return True


def p99(times: list[float]) -> float:
    """Return what all but a hundredth stay below."""
    return sorted(times)[max(0, -(-99 * len(times) // 100) - 1)]
