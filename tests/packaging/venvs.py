"""Fresh environments, and commands as from a shell that knows nothing of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
UV = [sys.executable, "-m", "uv", "--quiet", "--no-progress"]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def attempt(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run *command* as from a shell that knows nothing of the environment of the tests."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run *command* and return what it said; it has to succeed."""
    done = attempt(*command, cwd=cwd)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def make_venv(folder: Path) -> Path:
    """Make an environment without anything in it, not even pip; return its Python."""
    run(*UV, "venv", "--python", sys.executable, folder)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
