"""The distributions in docs/examples: built, installed where nothing else is, tested and typed."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "packaging"))  # for venvs.py

from venvs import ROOT, UV, make_venv, run

EXAMPLES = sorted(path.parent for path in ROOT.glob("docs/examples/*/pyproject.toml"))
NAMES = [path.name for path in EXAMPLES]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our wheels, those of the examples, and the versions that are locked."""
    folder = tmp_path_factory.mktemp("wheels")
    run(*UV, "build", "--all-packages", "--wheel", "--out-dir", folder)
    for example in EXAMPLES:
        run(*UV, "build", example, "--wheel", "--out-dir", folder)
    run(
        *UV, "export", "--frozen", "--all-extras", "--no-emit-workspace", "--no-hashes",
        "--output-file", folder / "locked.txt",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def python(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with all examples, the file backend and pytest."""
    python = make_venv(tmp_path_factory.mktemp("user") / "venv")
    wanted = [*NAMES, "cachu[cli,async]", "pytest", "hypothesis"]
    run(
        *UV, "pip", "install", "--refresh-package", "cachu-core", "--python", python,
        "--find-links", wheels, "--constraint", wheels / "locked.txt", *wanted,
    )  # fmt: skip
    return python


def test_there_is_one_example_of_each_kind() -> None:
    assert NAMES == ["cachu-encrypted", "cachu-keyed", "cachu-postgres"]


def test_a_backend_takes_less_than_fifty_lines() -> None:
    store = ROOT / "docs/examples/cachu-postgres/src/cachu_postgres/store.py"
    assert sum(bool(line.strip()) for line in store.read_text().splitlines()) < 50


@pytest.mark.parametrize("name", NAMES)
def test_an_installed_example_passes_its_tests(name: str, python: Path, tmp_path: Path) -> None:
    tests = shutil.copytree(ROOT / "docs/examples" / name / "tests", tmp_path / "tests")
    said = run(
        python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tests,
        "-c", os.devnull, "--import-mode=importlib", tests, cwd=tmp_path,
    )  # fmt: skip
    assert "passed" in said or os.environ.get("CACHU_TEST_POSTGRES") == "none"


def test_the_command_knows_the_installed_examples(python: Path, tmp_path: Path) -> None:
    said = run(python.with_name("cachu"), "plugins", "--json", cwd=tmp_path)
    assert all(f'"distribution": "{name}"' in said for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_typed(name: str, tmp_path: Path) -> None:
    source = ROOT / "docs/examples" / name / "src"
    run(
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={tmp_path}",
        source,
    )


def test_a_generated_plugin_passes_its_tests_as_it_is(python: Path, tmp_path: Path) -> None:
    command = python.with_name("cachu")
    run(command, "new-plugin", "my-shelf", cwd=tmp_path)
    folder = tmp_path / "cachu-my-shelf"
    run(*UV, "build", folder, "--wheel", "--out-dir", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run(*UV, "pip", "install", "--python", python, "--no-deps", wheel, cwd=tmp_path)
    # A file system in memory, where there is one: the store opens its file for every operation.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as base:
        said = run(
            python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={folder}",
            f"--basetemp={base}/pytest", folder, cwd=tmp_path,
        )  # fmt: skip
    assert "passed" in said
    assert '"cachu-my-shelf"' in run(command, "plugins", "--json", cwd=tmp_path)
    run(
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={tmp_path}",
        folder / "src",
    )
