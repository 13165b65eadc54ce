"""Every python block of README.md and docs/ is a test; the blocks of a page share their names."""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sybil import Sybil
from sybil.evaluators.python import pad
from sybil.parsers.markdown import CodeBlockParser, SkipParser

import cachu

if TYPE_CHECKING:
    from sybil import Example


collect_ignore_glob = ["docs/examples/cachu-*"]  # tests/examples runs those, in an installation


def evaluate(example: Example) -> None:
    """Run a block as if a module were written there; `await` may stand at its top level."""
    name = f"page_{example.document.path.rpartition('/')[2].partition('.')[0].lower()}"
    page = sys.modules.setdefault(name, ModuleType(name))
    source = pad(example.parsed, example.line + example.parsed.line_offset)
    code = compile(
        source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    result = eval(code, vars(page))  # noqa: S307 - the project's own documentation
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(result)


def leave_clean(_namespace: dict[str, Any]) -> None:
    """Undo what a page may have switched or left behind when one of its blocks failed."""
    cachu.enable()
    cachu.clear_backends()


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end: all modules and thousands of tests."""
    gc.collect()
    gc.freeze()


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("python", evaluate), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    excludes=["tests/docs/seed/*.md"],  # test_seed.py runs them
    teardown=leave_clean,
).pytest()
