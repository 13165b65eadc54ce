"""A plugin written by following docs/guides/writing-a-backend.md alone works, in both colours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "writing-a-backend.md"
BLOCK = re.compile(r"^```(?:toml|python)\n# (\S+\.\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^backend 'folder' in tests/test_folder.py\n(?:  .*\n)+", re.MULTILINE)
USE = """
import asyncio, sys
import cachu

cachu.configure(backend="folder", folder_path=sys.argv[1])

@cachu.cache(ttl=300, name="double")
def double(x): return 2 * x

@cachu.cache(ttl=300, name="double")
async def double_async(x): raise AssertionError("it is cached")

assert double(4) == asyncio.run(double_async(4)) == 8
assert cachu.cache_clear(backend="folder") == -1
assert cachu.get_backend().get(double.key(4), None) is None
print(sum("cachu_folder" in name for name in sys.modules))
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    words = [sys.executable, "-m", *map(str, command)]
    env = {**os.environ, "CI": "true", **environment}
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the guide has one write, built as a wheel and installed in `site`."""
    folder = tmp_path_factory.mktemp("written") / "cachu-folder"
    for path, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    quiet = ("uv", "--quiet", "--no-progress")
    run(*quiet, "build", "--wheel", "--out-dir", folder / "dist", cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    run(*quiet, "pip", "install", "--no-deps", "--target", folder / "site", wheel, cwd=folder)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return folder


def test_the_store_is_short(written: Path) -> None:
    source = (written / "src" / "cachu_folder" / "__init__.py").read_text(encoding="utf-8")
    assert len([line for line in source.splitlines() if line.strip()]) < 50


def test_it_works_in_both_colours(written: Path) -> None:
    site = str(written / "site")
    (written / "use.py").write_text(USE)
    assert run("use", written / "data", cwd=written, PYTHONPATH=site).strip() == "1"


def test_it_passes_the_suites_and_says_what_the_guide_shows(written: Path) -> None:
    plain = ["-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    said = run("pytest", "-q", *plain, "tests", cwd=written, PYTHONPATH=str(written / "site"))
    (shown,) = OUTPUT.findall(GUIDE.read_text(encoding="utf-8"))
    assert OUTPUT.findall(said) == [shown]
    for subject in ("key serializer 'text'", "value serializer 'pickle'", "lock provider 'thread'"):
        assert subject in said
