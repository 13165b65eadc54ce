"""Every example of the 0.2.1 README runs as it was written then.

The text in `seed/` is the API that 1.0 owes its users. Its examples are executed unchanged, each in
a module and so in a package of its own; only the helpers that the text leaves to the reader's
imagination are supplied here.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, Mock

import pytest

import cachu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = Path(__file__).with_name("seed") / "cachu-0.2.1-readme.md"

NEEDS_MORE_THAN_MEMORY = {
    "Redis Client Access": "sets a key on a Redis server",
}


def examples() -> dict[str, str]:
    """The python blocks by the heading above them; a second block under one has a number."""
    found: dict[str, str] = {}
    heading = ""
    pattern = re.compile(
        r"^#+ (?P<heading>[^\n]+)$|^```python\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL
    )
    text = SEED.read_text(encoding="utf-8")
    for match in pattern.finditer(text):
        if match["block"] is None:
            heading = match["heading"]
        else:
            number = sum(title.split(" #")[0] == heading for title in found) + 1
            title = heading if number == 1 else f"{heading} #{number}"
            # Blank lines above, so that a traceback points into the seed.
            found[title] = "\n" * text.count("\n", 0, match.start("block")) + match["block"]
    return found


EXAMPLES = examples()


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """A module that has what the README assumes: its imports so far, and the reader's helpers."""
    title = request.node.callspec.params["title"]
    module = ModuleType("seed_" + re.sub(r"\W+", "_", title).lower())
    helpers = {
        name: Mock(return_value={"id": 123, "version": 1})
        for name in (
            "call_external_api",
            "compute",
            "compute_result",
            "db",
            "fetch",
            "fetch_live_price",
            "fetch_from_database",
            "fetch_product",
            "fetch_user",
            "load_config",
            "parse_config_file",
        )
    }
    module.__dict__.update(helpers, cachu=cachu, cache=cachu.cache, CURRENT_VERSION=1)
    module.__dict__.update({name: Mock() for name in ("logger1", "logger2", "ctx1", "ctx2")})
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]
    cachu.enable()
    cachu.clear_backends()


def run(source: str, module: ModuleType) -> None:
    if "await fetch_from_database" in source:
        module.fetch_from_database = AsyncMock(return_value={"id": 123})
    code = compile(source, str(SEED), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, vars(module))  # noqa: S307 - the text is ours
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(result)


def config_of(page: ModuleType) -> cachu.Config:
    return cachu.get_config(package=page.__name__)


CHECKS: dict[str, Callable[[ModuleType], bool]] = {
    "Quick Start": lambda page: page.fetch_from_database.call_count == 1,
    "Configuration": lambda page: config_of(page).file_dir == "/var/cache/app",
    "Package Isolation": lambda page: config_of(page).key_prefix == "lib_b:",
    "Package Isolation #3": lambda page: page.cfg.backend == "memory",
    "Per-Call Control": lambda page: page.fetch.call_count == 3,
    "Cache Statistics": lambda page: tuple(page.info) == (0, 0, 0),
    "Excluding Parameters": lambda page: page.compute.call_count == 1,
    "Direct Cache Manipulation": lambda page: page.user is None,
    "Testing": lambda _: not cachu.is_disabled(),
    "Async Support": lambda page: page.fetch_from_database.call_count == 3 and page.info.hits == 1,
    "Direct Backend Access": lambda page: page.value == {"data": "value"},
}


@pytest.mark.parametrize("title", sorted(EXAMPLES.keys() - NEEDS_MORE_THAN_MEMORY.keys()))
def test_example_works_as_written(title: str, page: ModuleType) -> None:
    run(EXAMPLES[title], page)
    if title in CHECKS:
        assert CHECKS[title](page)


def test_exactly_the_examples_that_need_a_server_are_left_out() -> None:
    assert len(EXAMPLES) == 22
    assert NEEDS_MORE_THAN_MEMORY.keys() <= EXAMPLES.keys()
    assert CHECKS.keys() <= EXAMPLES.keys()
    needs_redis = {title for title, block in EXAMPLES.items() if "get_redis_client()" in block}
    assert needs_redis == NEEDS_MORE_THAN_MEMORY.keys()
