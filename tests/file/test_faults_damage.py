"""Databases that are damaged between two processes; the scenes of benchmarks/soak."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "soak"))

import damage
from stage import check


@pytest.mark.parametrize("kind", damage.KINDS)
def test_c3_a_damaged_database_costs_nobody_a_result(tmp_path, kind):
    """C3, V3: no exception, no wrong value, one warning, and caching goes on."""
    check(damage.damaged(tmp_path, kind, live=False))


def test_v3_a_flipped_bit_is_a_miss(tmp_path):
    """V3: for every value, inline or in a file, with one warning for all of them."""
    check(damage.flipped_values(tmp_path, 100))
