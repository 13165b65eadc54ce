"""The wheels, installed as a user installs them: from a folder, into a fresh environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from venvs import UV, make_venv, run

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
