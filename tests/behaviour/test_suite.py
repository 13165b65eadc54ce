"""The suite finds what is broken."""

import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import sys
sys.path.append({here!r})
import pytest
import shelves
from cachu.entries import NO_VALUE
from cachu.testing.suite import *

{store}

shelves.register(shelves.{plugin}("planted", Planted))

@pytest.fixture
def cachu_backend():
    return "planted"
"""
SOUND = "class Planted(shelves.FullStore): pass", "StorePlugin", ""
FORGETS_EXPIRY = (
    """class Planted(shelves.WholeBackend):
        def load(self, key, tag=None):
            row = self.rows.get(key)
            return NO_VALUE if row is None else row[0]""",
    "WholePlugin",
    "test_an_entry_is_stale_exactly_at_its_deadline",
)
LEAKS_BETWEEN_TAGS = (
    """class Planted(shelves.FullStore):
        def clear(self, tag=None):
            found = [key for key, row in self.rows.items() if (tag or "") in row[2]]
            for key in found:
                del self.rows[key]
            return len(found)""",
    "StorePlugin",
    "test_a_clear_by_tag_concerns_that_tag",
)
COUNTS_STALE_ENTRIES = (
    """class Planted(shelves.FullStore):
        def _fresh(self):
            return list(self.rows)""",
    "StorePlugin",
    "test_what_is_stale_does_not_count",
)
LOSES_CASE = (
    """class Planted(shelves.FullStore):
        def load(self, key, tag=None):
            return super().load(key.lower())
        def store(self, key, data, ttl, tag=""):
            super().store(key.lower(), data, ttl, tag)""",
    "StorePlugin",
    "test_keys_of_any_text",
)
SHARES_REGIONS = (
    """class Planted(shelves.FullStore):
        ROWS = {}
        def __init__(self, shelf, rack):
            super().__init__(shelf, rack)
            self.rows = self.ROWS""",
    "StorePlugin",
    "test_a_backend_lists_its_regions",
)


def run(folder, case):
    """Run the suite on a store, or of a faulty one the test that is to find the fault."""
    store, plugin, finder = case
    here = str(Path(__file__).parent)
    module = MODULE.format(here=here, store=store, plugin=plugin)
    (folder / "test_planted.py").write_text(module)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    plain = ["-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    tests = f"test_planted.py::{finder}" if finder else "test_planted.py"
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", *plain, tests]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_sound_store_passes(tmp_path):
    done = run(tmp_path, SOUND)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "case",
    [FORGETS_EXPIRY, LEAKS_BETWEEN_TAGS, COUNTS_STALE_ENTRIES, LOSES_CASE, SHARES_REGIONS],
    ids=["expiry", "tags", "count", "keys", "regions"],
)
def test_a_planted_fault_is_found(tmp_path, case):
    done = run(tmp_path, case)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"FAILED test_planted.py::{case[2]}" in done.stdout
