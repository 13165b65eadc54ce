"""Directories that somebody else prepared; the scenes of benchmarks/soak."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "soak"))

import safety
from stage import check

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no users and modes of this kind")


@pytest.mark.parametrize("kind", safety.KINDS)
def test_c5_what_others_can_prepare_is_refused(tmp_path, kind):
    """C5: with a clear error; nothing is decoded, and nothing changed or written elsewhere."""
    check(safety.refused(tmp_path, kind))


def test_c5_a_planted_entry_is_not_decoded(tmp_path):
    """C5: with `secret_key`, neither without a signature nor with another's."""
    check(safety.signed(tmp_path))


def test_c5_nobody_else_can_read_it(tmp_path):
    """C5: 0700 and 0600, under any umask."""
    check(safety.modes(tmp_path))


def test_c5_a_readable_directory_is_closed(tmp_path):
    """C5: others could read it, but not change it; so it is used, and closed."""
    check(safety.tightened(tmp_path))


def test_c5_the_name_of_a_value_file_leads_nowhere_else(tmp_path):
    """S1, C5: what a stored entry names is neither read nor removed outside."""
    check(safety.escaping(tmp_path))
