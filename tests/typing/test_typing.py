"""D2, D3: decorated functions keep their types, for mypy and for pyright."""

from __future__ import annotations

import asyncio
import json
import runpy
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples.py"


def test_d2_mypy_agrees(tmp_path: Path) -> None:
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}"]
    checked = subprocess.run([*mypy, EXAMPLES], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_d2_pyright_agrees(tmp_path: Path) -> None:
    settings = {
        "include": [str(EXAMPLES)],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    config = tmp_path / "pyrightconfig.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    pyright = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "-p", config]
    checked = subprocess.run(pyright, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_d2_the_examples_do_what_their_types_say() -> None:
    examples = runpy.run_path(str(EXAMPLES))
    accepted = [
        "plain", "generics_and_overloads", "methods", "methods_of_methods",
        "class_and_static_methods", "asynchronous", "asynchronous_methods",
    ]  # fmt: skip
    for name in accepted:
        result = examples[name]()
        if name.startswith("async"):
            asyncio.run(result)
