"""Writes what was measured into docs/performance.md, between marks, from the JSON files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import targets
from report import Table

if TYPE_CHECKING:
    from pathlib import Path


def load(output: Path) -> dict[str, dict[str, Any]]:
    """Read all results in a folder, by Python version."""
    found = {
        path.stem.removeprefix("results-"): json.loads(path.read_text(encoding="utf-8"))
        for path in output.glob("results-*.json")
    }
    return dict(sorted(found.items(), key=lambda item: [int(n) for n in item[0].split(".")]))


def write(page: Path, output: Path) -> None:
    """Fill each block of *page*: `<!-- written: figures -->`, or the name of a race.

    A race is that of the newest Python, unless the block names another: `anatomy-3.10`.
    """
    results = load(output)
    newest = list(results)[-1]

    def filled(match: re.Match[str]) -> str:
        name, python = match["name"], match["python"] or newest
        block = match["block"]
        races = {race["name"]: race for race in results.get(python, {}).get("races", [])}
        if name == "figures":
            block = f"{_about(results)}\n\n{targets.table(results)}"
        elif name in races:
            plot = f"![{races[name]['title']}](performance/{name}-{python}.svg)"
            block = f"Python {python}:\n\n```text\n{Table.read(races[name]).text()}\n```\n\n{plot}"
        return f"{match['start']}\n\n{block.strip()}\n\n{match['end']}"

    marked = re.compile(
        r"(?P<start><!-- written: (?P<name>\w+)(-(?P<python>[\d.]+))? -->)"
        r"(?P<block>.*?)(?P<end><!-- end -->)",
        re.DOTALL,
    )
    page.write_text(marked.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")


def _about(results: dict[str, dict[str, Any]]) -> str:
    lines = []
    for found in results.values():
        quick = ", with --quick" * found["quick"]
        lines.append(f"- Python {found['python']}, {found['date']}, {found['machine']}{quick}")
    last = list(results.values())[-1:]
    versions = ", ".join(f"{n} {v}" for found in last for n, v in found["versions"].items())
    return "\n".join([*lines, f"- {versions}"])
