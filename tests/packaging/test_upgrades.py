"""Releases before 1.0 were one distribution, `cachu`, with the files that `cachu-core` has now.

pip installs `cachu-core` first and then removes the old `cachu`, with whatever files have the same
names. That cannot be prevented; it is told, with the command that puts the files back.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from venvs import PIP, UV, attempt, make_venv, run

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

OLD = ["0.2.1", "0.6.1"]
IMPORTS = [
    "import cachu",
    "from cachu.errors import CachuError",
    "import cachu_file.plugin",
    "import cachu_redis.plugin",
]
WORKS = """
import cachu, cachu.backends, cachu_file.plugin, cachu_redis.plugin

@cachu.cache(backend="file")
def double(number):
    return 2 * number

cachu.configure(file_dir="files")
assert double(1) == double(1) == 2
assert double.info().hits == 1
cachu.clear_backends()
"""


@pytest.fixture
def environment(tmp_path: Path, folder: Path) -> Environment:
    return Environment(tmp_path, folder)


class Environment:
    """An environment that has an old release, for a start."""

    def __init__(self, folder: Path, packages: Path) -> None:
        self.folder = folder
        self.source = ("--no-index", "--find-links", packages)
        self.python = make_venv(folder / "venv")

    def install_from_the_index(self, wanted: str) -> None:
        run(*UV, "pip", "install", "--python", self.python, "--no-deps", wanted)

    def pip(self, *arguments: str) -> None:
        source = () if "uninstall" in arguments else ("--no-compile", *self.source)
        run(*PIP, "--python", self.python, *arguments, *source, cwd=self.folder)

    def attempt(self, statements: str) -> subprocess.CompletedProcess[str]:
        return attempt(self.python, "-W", "error", "-c", statements, cwd=self.folder)

    def works(self) -> bool:
        tried = self.attempt(WORKS)
        return tried.returncode == 0 or pytest.fail(tried.stderr)


@pytest.mark.parametrize("old", OLD)
def test_what_pip_damages_says_so_and_how_to_mend_it(old: str, environment: Environment) -> None:
    environment.install_from_the_index(f"cachu=={old}")
    environment.pip("install", "--upgrade", "cachu[redis]")
    for statement in IMPORTS:
        tried = environment.attempt(statement)
        assert tried.returncode == 1, statement
        assert tried.stderr.splitlines()[-1].startswith("ImportError: cachu is damaged")
    command = shlex.split(tried.stderr.rpartition("python -m pip ")[2])
    assert command == ["install", "--force-reinstall", "--no-deps", "cachu-core"]
    environment.pip(*command)
    assert environment.works()


def test_uninstalling_the_old_release_first_prevents_it(environment: Environment) -> None:
    environment.install_from_the_index("cachu==0.6.1")
    environment.pip("uninstall", "--yes", "cachu")
    environment.pip("install", "--upgrade", "cachu[redis]")
    assert environment.works()


@pytest.mark.parametrize("old", OLD)
def test_uv_upgrades_without_damage(old: str, environment: Environment) -> None:
    environment.install_from_the_index(f"cachu=={old}")
    run(*UV, "pip", "install", "--python", environment.python, *environment.source, "--refresh",
        "--upgrade", "cachu[redis]")  # fmt: skip
    assert environment.works()
