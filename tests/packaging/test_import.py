"""`import cachu` is cheap: what costs time is imported by the first call that needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

HEAVY = (
    "aiosqlite",
    "asyncio",
    "dataclasses",
    "diskcache",
    "dogpile",
    "importlib.metadata",
    "inspect",
    "logging",
    "pluggy",
    "redis",
    "rich",
    "sqlite3",
    "tomllib",
    "typer",
    "typing",
)


@cache
def modules_loaded_by(statements: str) -> frozenset[str]:
    """Run *statements*, once, in an interpreter without site-packages' start-up hooks."""
    search = [path for path in sys.path if path]
    script = (
        "import json, sys\n"
        f"sys.path[:] = {search!r}\n"
        "before = set(sys.modules)\n"
        f"{statements}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], check=True, capture_output=True, text=True
    )
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", HEAVY)
def test_import_cachu_does_not_load(module: str) -> None:
    loaded = modules_loaded_by("import cachu")
    assert "cachu" in loaded
    assert module not in loaded


@pytest.mark.parametrize("module", ["aiosqlite", "diskcache", "importlib.metadata", "redis"])
def test_a_cached_call_on_memory_does_not_load(module: str) -> None:
    assert module not in modules_loaded_by(
        "import cachu\n@cachu.cache(ttl=300)\ndef f(x): return x\nassert f(1) == f(1) == 1"
    )


@pytest.mark.parametrize("module", ["aiosqlite", "diskcache", "redis"])
def test_the_options_of_a_plugin_do_not_load(module: str) -> None:
    assert module not in modules_loaded_by(
        "import cachu\n"
        "cachu.configure(file_dir='/nowhere', redis_url='redis://localhost', diskcache_dir='/no')"
    )
