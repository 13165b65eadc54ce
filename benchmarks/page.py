"""Writes what was measured into docs/performance.md, between marks, from the JSON files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import headlines
import plots
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


def draw(output: Path) -> None:
    """Draw the races of the Python that is shown first, and keep no other plot."""
    for plot in output.glob("*.svg"):
        plot.unlink()
    results = load(output)
    for race in results[headlines.shown(results)]["races"]:
        for name, drawn in plots.pictures(Table.read(race)).items():
            (output / f"{race['name']}-{name}.svg").write_text(drawn, encoding="utf-8")


def write(page: Path, output: Path) -> None:
    """Fill each block of *page*: `<!-- written: NAME -->`.

    NAME is `headlines`, `figures`, or that of a race, or of several. Races are drawn side by side
    for one Python, which is the same for all; their tables, of all Pythons, are folded.
    """
    results = load(output)
    shown = headlines.shown(results)

    def filled(match: re.Match[str]) -> str:
        names, block = match["names"].split(), match["block"]
        if names == ["headlines"]:
            block = f"{headlines.table(results[shown])}\n\n{_about(results, shown)}"
        elif names == ["figures"]:
            block = f"{targets.table(results)}\n\n{_files(results)}"
        else:
            block = _races(names, results, shown)
        return f"{match['start']}\n\n{block.strip()}\n\n{match['end']}"

    marked = re.compile(
        r"(?P<start><!-- written: (?P<names>[\w ]+) -->)(?P<block>.*?)(?P<end><!-- end -->)",
        re.DOTALL,
    )
    page.write_text(marked.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")


def _races(names: list[str], results: dict[str, dict[str, Any]], shown: str) -> str:
    tables = {
        python: [Table.read(race) for race in found["races"] if race["name"] in names]
        for python, found in results.items()
    }
    pythons = [shown, *(python for python in reversed(results) if python != shown)]
    pythons = [python for python in pythons if tables[python]]
    pictures = [
        f"![{table.title}: {title}](performance/{table.name}-{name}.svg)"
        for table in tables[shown]
        for name, title in _drawn(table).items()
    ]
    folded = [
        f"Python {python}:\n\n```text\n{table.text()}\n```"
        for python in pythons
        for table in tables[python]
    ]
    lines = [
        '<div class="plots" markdown="1">',
        "\n".join(pictures),
        "</div>",
        '<details markdown="1">',
        f"<summary>All figures: Python {', '.join(pythons)}</summary>",
        *folded,
        "</details>",
    ]
    return "\n\n".join(lines)


def _drawn(table: Table) -> dict[str, str]:
    """Return what is drawn of a race, and what it shows."""
    titles = {column.name: column.title for column in table.columns}
    return {name: titles.get(name, "all") for name in plots.pictures(table)}


def _about(results: dict[str, dict[str, Any]], shown: str) -> str:
    """Say of each Python where and when it was measured."""
    lines = []
    for python in [shown, *(python for python in reversed(results) if python != shown)]:
        found = results[python]
        quick = ", with --quick" * found["quick"]
        line = f"Python {found['python']} on {found['machine']}, {found['date']}{quick}"
        lines.append(
            f"- **{line}**: this table and all plots"
            if python == shown
            else f"- {line}: in the folds"
        )
    versions = ", ".join(
        f"{name} {version}" for name, version in results[shown]["versions"].items()
    )
    return "\n".join([*lines, "", f"Raced were {versions}."])


def _files(results: dict[str, dict[str, Any]]) -> str:
    files = ", ".join(
        f"Python {python} ([tables](performance/results-{python}.txt), "
        f"[data](performance/results-{python}.json))"
        for python in results
    )
    return f"All that was measured: {files}."
