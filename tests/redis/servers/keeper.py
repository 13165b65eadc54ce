"""Kills what a test run started if the run itself is killed.

The run starts this file as a process and writes to it the number of each server that it starts,
and minus that number when it has ended one. The pipe ends with the run.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress

_lock = threading.Lock()
_keeper: subprocess.Popen[bytes] | None = None
_keeper_of = 0


def tell(number: int) -> None:
    """Have the keeper watch over a process, or forget it if the number is negative."""
    global _keeper, _keeper_of  # noqa: PLW0603 - one of each process
    with _lock:
        if _keeper is None or _keeper_of != os.getpid():
            _keeper = subprocess.Popen(
                [sys.executable, "-S", "-E", __file__, str(os.getpid())],
                stdin=subprocess.PIPE,
                start_new_session=True,  # an interrupt from the keyboard is for the run
            )
            _keeper_of = os.getpid()
        assert _keeper.stdin is not None
        _keeper.stdin.write(b"%d\n" % number)
        _keeper.stdin.flush()


def close() -> None:
    """Let the keeper end, which kills whatever has not been ended."""
    global _keeper  # noqa: PLW0603
    with _lock:
        if _keeper is not None and _keeper_of == os.getpid():
            _keeper.communicate()
        _keeper = None


def _keep(run: int) -> None:
    kept: set[int] = set()
    rest = b""
    while True:
        # A forked child of the run may hold its end of the pipe, which then does not end with it.
        orphaned = os.getppid() != run
        if select.select([0], [], [], 0.0 if orphaned else 1.0)[0]:
            read = os.read(0, 4096)
            *lines, rest = (rest + read).split(b"\n")
            for number in map(int, lines):
                if number > 0:
                    kept.add(number)
                else:
                    kept.discard(-number)
            if not read:
                break
        elif orphaned:
            break
    for number in kept:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


if __name__ == "__main__":
    _keep(int(sys.argv[1]))
