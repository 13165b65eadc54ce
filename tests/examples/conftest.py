"""Starts the applications of docs/examples."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for applications.py

from applications import Application


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts applications, which end with the tests of a module."""
    started = []

    def start_one(name, path, *arguments, **variables):
        log = tmp_path_factory.mktemp(name) / "log"
        started.append(Application(name, log, *arguments, **variables))
        started[-1].wait_until_it_serves(path)
        return started[-1]

    yield start_one
    for each in reversed(started):
        each.stop()
