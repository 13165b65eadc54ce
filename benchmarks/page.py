"""Writes what was measured into docs/performance.md, between marks, from the JSON files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import headlines
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
    """Fill each block of *page*: `<!-- written: NAME -->`.

    NAME is `headlines`, `figures`, or that of a race, which is drawn for the newest Python that has
    it; its tables, of all Pythons, are folded.
    """
    results = load(output)

    def filled(match: re.Match[str]) -> str:
        name, block = match["name"], match["block"]
        if name == "headlines":
            block = headlines.table(results)
        elif name == "figures":
            block = f"{_about(results)}\n\n{targets.table(results)}"
        elif headlines.newest(results, name):
            block = _race(name, results)
        return f"{match['start']}\n\n{block.strip()}\n\n{match['end']}"

    marked = re.compile(
        r"(?P<start><!-- written: (?P<name>\w+) -->)(?P<block>.*?)(?P<end><!-- end -->)",
        re.DOTALL,
    )
    page.write_text(marked.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")


def _race(name: str, results: dict[str, dict[str, Any]]) -> str:
    races = {
        python: race
        for python in reversed(results)
        for race in results[python]["races"]
        if race["name"] == name
    }
    drawn, *others = races
    title = races[drawn]["title"]
    lines = [
        f"![{title}, Python {drawn}](performance/{name}-{drawn}.svg)",
        '<details markdown="1">',
        f"<summary>The figures: Python {', '.join(races)}</summary>",
    ]
    for python, race in races.items():
        plot = f" ([drawn](performance/{name}-{python}.svg))" if python in others else ""
        lines += [f"Python {python}{plot}:", f"```text\n{Table.read(race).text()}\n```"]
    return "\n\n".join([*lines, "</details>"])


def _about(results: dict[str, dict[str, Any]]) -> str:
    lines = []
    for found in results.values():
        quick = ", with --quick" * found["quick"]
        lines.append(f"- Python {found['python']}, {found['date']}, {found['machine']}{quick}")
    last = list(results.values())[-1:]
    versions = ", ".join(f"{n} {v}" for found in last for n, v in found["versions"].items())
    return "\n".join([*lines, f"- {versions}"])
