"""Starts the applications of docs/examples as their READMEs say, in a process each."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PATIENCE = 120  # seconds for the environment of an application, which uv makes once


def command(name, *arguments):
    """Return what `uv run docs/examples/name/name.py` is here."""
    script = EXAMPLES / name / f"{name}.py"
    return [sys.executable, "-m", "uv", "--quiet", "run", str(script), *map(str, arguments)]


def surroundings(**variables):
    """Return an environment that knows nothing of that of the tests."""
    ours = re.compile("VIRTUAL_ENV|PYTHONPATH|UV_PROJECT_ENVIRONMENT|CACHU_.*|COVERAGE_.*")
    return {k: v for k, v in os.environ.items() if not ours.fullmatch(k)} | variables


class Application:
    """An application that serves HTTP on a free port of this machine."""

    def __init__(self, name, log, *arguments, **variables):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command(name, "--port", port, *arguments),
                env=surroundings(**variables),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_it_serves(self, path):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(httpx.TransportError):
                return httpx.get(self.url + path).raise_for_status()
            time.sleep(0.05)
        pytest.fail(f"It does not serve, and said:\n{self.said()}")

    def said(self):
        return self.log.read_text(encoding="utf-8")

    def stop(self):
        """Ask it to end, and return its exit code; kill what does not."""
        self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
