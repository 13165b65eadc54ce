"""The four distributions are released together, under one version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cachu

ROOT = Path(__file__).parents[2]
PROJECTS = [
    ROOT / "pyproject.toml",
    *sorted(ROOT.glob("cachu_*/pyproject.toml")),
]


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.parent.name)
def test_every_distribution_has_the_version_of_the_library(project: Path) -> None:
    text = project.read_text(encoding="utf-8")
    assert re.search(r'^version = "(.+)"$', text, re.MULTILINE)[1] == cachu.__version__


def test_there_are_four_distributions() -> None:
    assert len(PROJECTS) == 4


def test_the_metapackage_pins_its_siblings_exactly() -> None:
    text = PROJECTS[0].read_text(encoding="utf-8")
    pins = re.findall(r'"cachu-(?:core|file|redis)(?:\[\w+\])?==([^"]+)"', text)
    assert pins == [cachu.__version__] * 7


def test_plugins_follow_the_rule_of_third_parties() -> None:
    for project in PROJECTS[2:]:
        assert '"cachu-core>=1.0,<2"' in project.read_text(encoding="utf-8")


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[(.+?)\]", changelog, re.MULTILINE)[1] == cachu.__version__


def test_the_lock_file_names_only_the_public_index() -> None:
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert set(re.findall(r'registry = "([^"]+)"', lock)) == {"https://pypi.org/simple"}
    assert "file://" not in lock
