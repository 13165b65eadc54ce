"""The pipeline: processes that share their results, in one run and from one to the next."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress

import pytest
from applications import PATIENCE, command, surroundings

UNIQUE, COPIES = 12, 3


@pytest.fixture
def folder(tmp_path):
    """Some source files, each three times."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for number in range(UNIQUE):
        lines = [f"value_{n} = {n} * {number if n % 9 else 0}" for n in range(200)]
        for copy in "abc":
            (folder / f"{copy}{number}.py").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def run(folder, tmp_path):
    """Runs the pipeline over the folder; returns how much was computed, how much was known."""

    def run_once(*arguments):
        done = subprocess.run(
            command("pipeline", folder, "--cache", tmp_path / "cache", *arguments),
            env=surroundings(COLUMNS="100"),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        run_once.said = done.stdout
        computed, known = re.search(r"(\d+) computed, (\d+) known", done.stdout).groups()
        return int(computed), int(known)

    return run_once


def test_equal_files_are_read_once_and_the_next_run_does_what_is_new(run, folder):
    total = UNIQUE * COPIES
    assert run("--workers", 4) == (UNIQUE, total - UNIQUE)
    assert re.search(r"by [1-4] processes", run.said)  # how many get something to do is luck
    assert "100%" in run.said
    (folder / "a0.py").rename(folder / "moved.py")
    (folder / "a1.py").write_text("changed = True\n" * 99, encoding="utf-8")
    assert run("--workers", 2) == (1, total - 1)
    assert run("--workers", 2, "--clear") == (UNIQUE + 1, total - UNIQUE - 1)
    assert f"Forgot {UNIQUE + 1} files." in run.said


def test_a_run_that_was_killed_is_taken_up_again(run, folder, tmp_path):
    interrupted = subprocess.Popen(
        command("pipeline", folder, "--cache", tmp_path / "cache", "--workers", 2),
        env=surroundings(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + PATIENCE
    while not list(tmp_path.glob("cache/*/*.db")) and interrupted.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.001)
    with suppress(ProcessLookupError):
        os.killpg(interrupted.pid, signal.SIGKILL)
    interrupted.wait()
    computed, known = run("--workers", 2)
    assert computed <= UNIQUE
    assert computed + known == UNIQUE * COPIES
