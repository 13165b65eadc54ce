"""The wheels, installed as a user installs them: from a folder, into a fresh environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from venvs import UV, attempt, make_venv, run

CORE = {"cachu-core": "cachu"}
FILE = {**CORE, "cachu-file": "cachu_file", "cachu": None}
REDIS = {**FILE, "cachu-redis": "cachu_redis"}

INSTALLATIONS = {
    "cachu-core": (CORE, ["memory", "null", "dogpile"], set()),
    "cachu": (FILE, ["memory", "null", "dogpile", "file", "diskcache"], set()),
    "cachu[async]": (FILE, ["memory", "null", "dogpile", "file", "diskcache"], {"aiosqlite"}),
    "cachu[msgpack]": (FILE, ["memory", "null", "dogpile", "file", "diskcache"], {"msgspec"}),
    "cachu[cli]": (FILE, ["memory", "null", "dogpile", "file", "diskcache"], {"rich", "typer"}),
    "cachu[redis]": (
        REDIS,
        ["memory", "null", "dogpile", "file", "diskcache", "redis"],
        {"redis", "hiredis"},
    ),
    "cachu[all]": (
        REDIS,
        ["memory", "null", "dogpile", "file", "diskcache", "redis"],
        {"aiosqlite", "redis", "hiredis", "msgspec", "rich", "typer"},
    ),
}
DRIVERS = {"aiosqlite", "diskcache", "redis", "hiredis", "msgspec", "rich", "typer"}


@pytest.mark.parametrize("wanted", INSTALLATIONS)
def test_an_installation_works_outside_the_tree(wanted: str, folder: Path, tmp_path: Path) -> None:
    packages, plugins, drivers = INSTALLATIONS[wanted]
    python = make_venv(tmp_path / "venv")
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
    command = python.with_name("cachu")
    if "typer" in drivers:
        assert "file" in run(command, "plugins", cwd=tmp_path)
    else:
        asked = attempt(command, "ls", cwd=tmp_path)
        assert (asked.returncode, asked.stdout) == (2, "")
        assert 'pip install "cachu[cli]"' in asked.stderr
