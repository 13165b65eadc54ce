"""The suites find what is broken: each planted fault, by the test that is named for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.append(str(HERE))  # for faults.py
sys.path.append(str(HERE.parent / "behaviour"))  # for its shelves.py

import faults  # noqa: E402

SUITES = {
    "backend": "suite",
    "key_serializer": "key_suite",
    "serializer": "value_suite",
    "lock": "lock_suite",
}
MODULE = """
import pytest
from cachu.testing.suite import colours
from cachu.testing.{suite} import *

colours.PATIENCE = 1.0  # what hangs is found soon

@pytest.fixture
def cachu_{kind}():
    return {name!r}
"""
SHORT = """
from hypothesis import Phase, settings

settings.register_profile("short", derandomize=True, phases=[Phase.generate])
settings.load_profile("short")
"""
FOREIGN = """
@pytest.fixture
def cachu_foreign():
    import faults  # noqa: E402
    return lambda: faults.TouchesOthers.THEIRS == {"theirs": 1}
"""


def kind_of(fault):
    if not isinstance(fault, type):
        return "key_serializer"
    if hasattr(fault, "dumps"):
        return "serializer"
    return "lock" if hasattr(fault, "mutex") else "backend"


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory):
    """Run, in one other process, of every faulty thing the test that is to find its fault."""
    folder = tmp_path_factory.mktemp("planted")
    tests = []
    for name, fault in faults.FAULTS.items():
        module = f"test_{name.replace('-', '_')}.py"
        kind = kind_of(fault)
        text = MODULE.format(kind=kind, suite=SUITES[kind], name=name)
        text += FOREIGN * (fault is faults.TouchesOthers)
        text += SHORT * (fault is faults.KeepsTheFirstTag)
        (folder / module).write_text(text)
        tests.append(f"{module}::{fault.found_by}")
    info = folder / "planted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    entries = "\n".join(f"{name} = faults" for name in faults.FAULTS)
    (info / "entry_points.txt").write_text(f"[cachu]\n{entries}\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    search = os.pathsep.join(map(str, [folder, HERE, HERE.parent / "behaviour"]))
    plain = ["-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=line", *plain, *tests],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", faults.FAULTS)
def test_a_planted_fault_is_found(outcomes, name):
    place = f"test_{name.replace('-', '_')}.py::{faults.FAULTS[name].found_by}"
    failed = [line for line in outcomes.splitlines() if line.startswith(f"FAILED {place}")]
    assert failed, outcomes


def test_the_report_says_what_was_refuted(outcomes):
    assert "cachu: what the suite proved" in outcomes
    assert "backend 'planted-clears-nothing' in test_planted_clears_nothing.py" in outcomes
    assert "  FAILED 2" in outcomes.splitlines()
