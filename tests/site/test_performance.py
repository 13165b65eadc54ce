"""The page about performance shows what was measured, and nothing was written there by hand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "docs" / "performance"


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page and its plots again, elsewhere, from the results that are kept."""
    here = tmp_path_factory.mktemp("written")
    shutil.copy(PAGE, here)
    shutil.copytree(RESULTS, here / "performance")
    for plot in (here / "performance").glob("*.svg"):
        plot.unlink()
    command = [sys.executable, "benchmarks/run.py", "--redraw", "--output", here / "performance"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    return here


def test_the_page_is_written_from_the_results(again: Path) -> None:
    assert (again / PAGE.name).read_text("utf-8") == PAGE.read_text("utf-8")


def test_the_plots_are_drawn_from_the_results(again: Path) -> None:
    kept = {path.name: path.read_text("utf-8") for path in RESULTS.glob("*.svg")}
    drawn = {p.name: p.read_text("utf-8") for p in (again / "performance").glob("*.svg")}
    assert len(kept) > 10
    assert drawn == kept


def test_every_race_that_was_run_is_shown() -> None:
    page = PAGE.read_text("utf-8")
    shown = set(" ".join(re.findall(r"<!-- written: ([\w ]+) -->", page)).split())
    run = {
        race["name"]
        for path in RESULTS.glob("results-*.json")
        for race in json.loads(path.read_text("utf-8"))["races"]
    }
    assert run == shown - {"headlines", "figures"}
    assert set(re.findall(r"\(performance/(\S+\.svg)\)", page)) == {
        path.name for path in RESULTS.glob("*.svg")
    }


def test_the_page_names_each_measurement_once() -> None:
    page = PAGE.read_text("utf-8")
    for path in RESULTS.glob("results-*.json"):
        found = json.loads(path.read_text("utf-8"))
        about = f"Python {found['python']} on {found['machine']}, {found['date']}"
        assert page.count(about) == 1
