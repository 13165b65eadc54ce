"""The wheels, installed as a user installs them: from a folder, into a fresh environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = [sys.executable, "-m", "uv", "--quiet", "--no-progress"]

CORE = {"cachu-core": "cachu"}
FILE = {**CORE, "cachu-file": "cachu_file", "cachu": None}
REDIS = {**FILE, "cachu-redis": "cachu_redis"}

INSTALLATIONS = {
    "cachu-core": (CORE, ["memory", "null"], set()),
    "cachu": (FILE, ["memory", "null", "file", "diskcache"], set()),
    "cachu[async]": (FILE, ["memory", "null", "file", "diskcache"], {"aiosqlite"}),
    "cachu[msgpack]": (FILE, ["memory", "null", "file", "diskcache"], {"msgspec"}),
    "cachu[redis]": (REDIS, ["memory", "null", "file", "diskcache", "redis"], {"redis", "hiredis"}),
    "cachu[all]": (
        REDIS,
        ["memory", "null", "file", "diskcache", "redis"],
        {"aiosqlite", "redis", "hiredis", "msgspec"},
    ),
}
DRIVERS = {"aiosqlite", "diskcache", "redis", "hiredis", "msgspec"}


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run *command* as from a shell that knows nothing of the environment of the tests."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our four wheels and, at the locked versions, all that they need."""
    folder = tmp_path_factory.mktemp("wheels")
    run(*UV, "build", "--all-packages", "--wheel", "--out-dir", folder)
    ours = sorted(wheel.name for wheel in folder.glob("*.whl"))
    assert [name.split("-")[0] for name in ours] == [
        "cachu",
        "cachu_core",
        "cachu_file",
        "cachu_redis",
    ]
    needs = folder / "requirements.txt"
    run(
        *UV, "export", "--frozen", "--all-extras", "--no-default-groups", "--no-emit-workspace",
        "--output-file", needs,
    )  # fmt: skip
    run(
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
        "--dest", folder, "--requirement", needs,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("wanted", INSTALLATIONS)
def test_an_installation_works_outside_the_tree(wanted: str, folder: Path, tmp_path: Path) -> None:
    packages, plugins, drivers = INSTALLATIONS[wanted]
    venv = tmp_path / "venv"
    run(*UV, "venv", "--python", sys.executable, venv)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    offline = ("--no-index", "--find-links", folder)
    run(*UV, "pip", "install", "--refresh", "--python", python, *offline, wanted, cwd=tmp_path)

    run(*UV, "pip", "check", "--python", python, cwd=tmp_path)
    listed = json.loads(run(*UV, "pip", "list", "--python", python, "--format", "json"))
    assert {each["name"] for each in listed} & DRIVERS == drivers
    smoke = tmp_path / "smoke.py"
    smoke.write_bytes(Path(__file__).with_name("smoke.py").read_bytes())
    said = run(
        python, "-W", "error", smoke, json.dumps(packages), json.dumps(plugins), cwd=tmp_path
    )
    assert said.strip() == "as it should be"
