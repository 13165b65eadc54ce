"""Analyse Python's standard library four times, and wait only twice.

Every source file is parsed, measured and hashed, by a plain function and by a coroutine: first
with an empty cache, then once more. The second pass of each is answered from memory.

    python -m uv run docs/examples/quickstart.py
"""

from __future__ import annotations

import ast
import asyncio
import sysconfig
import time
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_LIBRARY = {"test", "tests", "idle_test", "site-packages", "dist-packages"}


@dataclass(frozen=True)
class Report:
    """What there is to know about one source file."""

    path: str
    digest: str
    lines: int
    functions: int
    classes: int
    imports: frozenset[str]
    longest_function: tuple[int, str]


@cachu.cache(ttl=300, tag="analysis")
def analyse(path: str) -> Report:
    """Parse, measure and hash the file at *path*: a few milliseconds of real work."""
    return measure(path)


@cachu.async_cache(ttl=300, tag="analysis")
async def analyse_async(path: str) -> Report:
    """Do the same in a worker thread, so that the event loop stays free."""
    return await asyncio.to_thread(measure, path)


def measure(path: str) -> Report:
    source = Path(path).read_bytes()
    functions, classes, imports = 0, 0, set[str]()
    longest = (0, "none")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions += 1
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            longest = max(longest, (length, node.name))
        elif isinstance(node, ast.ClassDef):
            classes += 1
        elif isinstance(node, ast.Import):
            imports.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports.add(node.module.partition(".")[0])
    digest, lines = sha256(source).hexdigest(), source.count(b"\n")
    return Report(path, digest, lines, functions, classes, frozenset(imports), longest)


@dataclass(frozen=True)
class Pass:
    """One round over all files: how long it took and what the cache counted."""

    name: str
    seconds: float
    hits: int
    misses: int


def sync_pass(name: str, paths: list[str], progress: Progress) -> Pass:
    before, start = cachu.cache_info(analyse), time.perf_counter()
    for path in progress.track(paths, description=name):
        analyse(path)
    seconds, after = time.perf_counter() - start, cachu.cache_info(analyse)
    return Pass(name, seconds, after.hits - before.hits, after.misses - before.misses)


async def async_pass(name: str, paths: list[str], progress: Progress) -> Pass:
    before, start = await cachu.async_cache_info(analyse_async), time.perf_counter()
    calls = [analyse_async(path) for path in paths]
    for call in progress.track(asyncio.as_completed(calls), len(calls), description=name):
        await call
    seconds, after = time.perf_counter() - start, await cachu.async_cache_info(analyse_async)
    return Pass(name, seconds, after.hits - before.hits, after.misses - before.misses)


def find_sources(library: Path) -> list[str]:
    """Return the library's own source files, without its tests and what is installed beside it."""
    found = (path for path in library.rglob("*.py"))
    return sorted(str(p) for p in found if NOT_LIBRARY.isdisjoint(p.relative_to(library).parts))


def tabulate(passes: Iterable[Pass]) -> Table:
    table = Table("pass", title="What the cache did")
    for heading in ("calls", "hits", "misses", "seconds", "speed-up"):
        table.add_column(heading, justify="right")
    cold = 0.0
    for each in passes:
        if each.misses:
            cold = each.seconds
        calls = each.hits + each.misses
        speed_up = "" if each.misses else f"{cold / each.seconds:,.0f} x"
        table.add_row(
            each.name, f"{calls}", f"{each.hits}", f"{each.misses}", f"{each.seconds:.3f}", speed_up
        )
    return table


def findings(reports: list[Report], library: Path) -> str:
    def name(report: Report) -> str:
        return str(Path(report.path).relative_to(library))

    largest = max(reports, key=lambda report: report.lines)
    longest = max(reports, key=lambda report: report.longest_function)
    imported, times = Counter(n for report in reports for n in report.imports).most_common(1)[0]
    lines, function = longest.longest_function
    return (
        f"{len(reports)} modules, {len({r.digest for r in reports})} of them different, "
        f"{sum(r.lines for r in reports):,} lines, "
        f"{sum(r.functions for r in reports):,} functions, "
        f"{sum(r.classes for r in reports):,} classes\n"
        f"largest module:        {name(largest)}, {largest.lines:,} lines\n"
        f"longest function:      {function} in {name(longest)}, {lines:,} lines\n"
        f"most imported module:  {imported}, by {times} modules"
    )


async def async_passes(paths: list[str], progress: Progress) -> list[Pass]:
    return [await async_pass(f"async, {state}", paths, progress) for state in ("cold", "warm")]


def main() -> None:
    console = Console()
    library = Path(sysconfig.get_path("stdlib"))
    paths = find_sources(library)
    with Progress(console=console) as progress:
        passes = [sync_pass(f"sync, {state}", paths, progress) for state in ("cold", "warm")]
        passes += asyncio.run(async_passes(paths, progress))
    console.print(tabulate(passes))
    console.print(findings([analyse(path) for path in paths], library))
    console.print(f"cleared {cachu.cache_clear(tag='analysis', backend='memory')} entries")


if __name__ == "__main__":
    main()
