"""Forks, threads, event loops, exits and cancellation; the scenes of benchmarks/soak, briefly."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "soak"))

import lifetimes
from stage import check


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_c4_no_child_of_a_busy_process_hangs(tmp_path):
    """C4: each reads, writes and clears, in both colours."""
    check(lifetimes.forks(tmp_path, 30))


def test_c4_threads_leave_few_descriptors(tmp_path):
    """C4: 80 threads, at most 40 descriptors in all."""
    check(lifetimes.threads(tmp_path, 80))


def test_c4_event_loops_leave_nothing(tmp_path):
    """C4: `asyncio.run` 200 times."""
    check(lifetimes.loops(tmp_path, 200))


def test_c4_a_process_ends_without_closing_anything(tmp_path):
    """C4: at once, with nothing on its standard error."""
    check(lifetimes.exits(tmp_path))


def test_c2_a_cancelled_write_leaves_no_lock(tmp_path):
    """C2: at whatever moment it is cancelled, and no entry is half-written."""
    check(lifetimes.cancellations(tmp_path, 60))
