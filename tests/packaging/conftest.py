"""What is released, built once, and a folder from which it can be installed without a network."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for venvs.py

from venvs import PIP, UV, run


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our four source distributions, and the four wheels that are made of them."""
    dist = tmp_path_factory.mktemp("dist")
    run(*UV, "build", "--all-packages", "--out-dir", dist)
    (dist / ".gitignore").unlink(missing_ok=True)
    return dist


@pytest.fixture(scope="session")
def folder(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what we release and, at the locked versions, all that it needs."""
    folder = tmp_path_factory.mktemp("wheels")
    for built in dist.iterdir():
        (folder / built.name).write_bytes(built.read_bytes())
    needs = folder / "requirements.txt"
    run(
        *UV, "export", "--frozen", "--all-extras", "--no-default-groups", "--no-emit-workspace",
        "--output-file", needs,
    )  # fmt: skip
    run(
        *PIP, "download", "--no-deps", "--only-binary", ":all:",
        "--dest", folder, "--requirement", needs,
    )  # fmt: skip
    return folder
