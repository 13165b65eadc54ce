"""Our own backends pass the suite as those of third parties do: installed, from another folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
UV = [sys.executable, "-m", "uv", "--quiet", "--no-progress"]

sys.path.append(str(ROOT / "tests" / "redis"))  # for servers/

from servers import stations  # noqa: E402


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has our wheels installed, in `site`, and the modules of a third party."""
    folder = tmp_path_factory.mktemp("outside")
    run(*UV, "build", "--all-packages", "--wheel", "--out-dir", folder / "wheels", cwd=ROOT)
    wheels = sorted((folder / "wheels").glob("*.whl"))
    run(*UV, "pip", "install", "--no-deps", "--target", folder / "site", *wheels, cwd=folder)
    for module in (HERE / "outside").glob("*.py"):
        shutil.copy(module, folder)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return folder


def proved(outside: Path, *modules: str, **environment: str) -> str:
    """Run modules with the wheels, without the plugins of pytest that we happen to have."""
    plain = ["-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", *plain]
    site = str(outside / "site")
    return run(*command, *modules, cwd=outside, PYTHONPATH=site, **environment)


def test_the_wheels_are_what_is_tested(outside: Path) -> None:
    code = "import cachu, cachu_file, cachu_redis; print(cachu.__file__, cachu_redis.__file__)"
    said = run(sys.executable, "-c", code, cwd=outside, PYTHONPATH=str(outside / "site"))
    assert all(path.startswith(str(outside / "site")) for path in said.split())


@pytest.mark.parametrize("backend", ["memory", "file", "diskcache", "redis", "dogpile"])
def test_a_backend_passes_the_suite(outside: Path, backend: str) -> None:
    said = proved(
        outside, f"suite_{backend}.py", CACHU_TEST_REDIS_URL=stations.shared_url(), CI="true"
    )
    assert re.search(rf"^backend '{backend}[.\w]*' in suite_{backend}\.py", said, re.MULTILINE)
    assert int(re.search(r"^  proved (\d+):", said, re.MULTILINE)[1]) > 150
    assert "cachu_foreign" not in said or backend in {"memory", "dogpile"}


def test_what_keeps_nothing_and_what_is_no_backend(outside: Path) -> None:
    said = proved(outside, "suite_null.py", "suite_serializers.py", "suite_locks.py")
    for subject in ("backend 'null'", "key serializer 'text'", "lock provider 'file'"):
        assert subject in said


def test_fixtures_cost_nothing_until_they_are_used(outside: Path) -> None:
    assert "4 passed" in proved(outside, "users.py")
