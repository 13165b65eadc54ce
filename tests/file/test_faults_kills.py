"""Writers that are killed, and several that write at once: benchmarks/soak, briefly."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "soak"))

import kills
import writers
from stage import check


@pytest.mark.parametrize("number", [1, 8])
def test_c2_what_was_acknowledged_survives_a_kill(tmp_path, number):
    """C2, V3: nothing is lost or half-written, and no file is left behind after a sweep."""
    check(kills.killed_writers(tmp_path, 20 if number == 1 else 10, number))


def test_c4_eight_processes_write_without_an_error(tmp_path):
    """C3, C4: nobody is told that the database is locked."""
    check(writers.races(tmp_path, 0.5, 1, ["cachu", "cachu, async"]))
