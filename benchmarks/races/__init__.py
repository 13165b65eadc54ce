"""The races. Every module here with a function `races()` is found; see the README."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness import Race

FIRST = (
    "hits",
    "options",
    "misses",
    "async_calls",
    "anatomy",
    "threads",
    "stampede",
    "growth",
    "decoration",
    "imports",
    "memory",
)


def every() -> list[Race]:
    """Return all races, those listed above in that order before any others."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    ordered = [name for name in FIRST if name in found]
    ordered += [name for name in found if name not in FIRST]
    modules = [importlib.import_module(f"races.{name}") for name in ordered]
    return [race for module in modules for race in module.races()]
