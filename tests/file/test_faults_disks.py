"""Full disks and unwritable directories; the scenes of benchmarks/soak."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "soak"))

import disks
from stage import check

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no modes, and no limits on files")


@pytest.fixture
def place():
    """A directory that other users can get to."""
    made = Path(tempfile.mkdtemp())
    yield made
    shutil.rmtree(made)


def test_c3_files_that_cannot_grow_cost_nobody_a_result(place):
    """C3, V2: calls return, nothing stale is read afterwards, and caching resumes."""
    check(disks.full(place))


def test_c3_a_full_disk_costs_nobody_a_result(place):
    """C3, V2: the same on a disk that is really full, where one can be mounted."""
    check(disks.really_full(place))


@pytest.mark.parametrize("what", ["new", "reopened", "live"])
def test_c3_an_unwritable_directory_costs_nobody_a_result(place, what):
    """C3: before anything was stored, or after, or while it is in use."""
    check(disks.barred_directory(place, what))
