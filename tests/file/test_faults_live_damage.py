"""Databases that are damaged under a process that uses them; the scenes of benchmarks/soak."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "soak"))

import damage
from stage import check

pytestmark = pytest.mark.skipif(os.name == "nt", reason="open files cannot be removed there")


@pytest.mark.parametrize("kind", damage.KINDS)
def test_c3_damage_under_a_live_process_costs_nobody_a_result(tmp_path, kind):
    """C3, V3: no exception, no wrong value, no signal; caching goes on, here and elsewhere."""
    check(damage.damaged(tmp_path, kind, live=True))
