"""What was measured: kept as JSON, shown as text."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import contenders
from harness import Cell, Column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness import Race


@dataclass
class Table:
    """The figures of a race, by column and contender."""

    name: str
    title: str
    reference: str
    lines: bool
    columns: list[Column]
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)

    @classmethod
    def of(cls, race: Race) -> Table:
        return cls(race.name, race.title, race.reference, race.lines, list(race.columns))

    @classmethod
    def read(cls, race: dict[str, Any]) -> Table:
        """Make the table of a race out of what was written as JSON."""
        columns = [Column(**column) for column in race["columns"]]
        cells = {
            column: {name: Cell(**cell) for name, cell in found.items()}
            for column, found in race["cells"].items()
        }
        return cls(race["name"], race["title"], race["reference"], race["lines"], columns, cells)

    def written(self) -> dict[str, Any]:
        """Return the table as JSON has it."""
        return {
            "name": self.name,
            "title": self.title,
            "reference": self.reference,
            "lines": self.lines,
            "columns": [column._asdict() for column in self.columns],
            "cells": {
                column: {name: cell._asdict() for name, cell in cells.items()}
                for column, cells in self.cells.items()
            },
        }

    def add(self, column: str, cells: dict[str, Cell]) -> None:
        self.cells.setdefault(column, {}).update(cells)

    def names(self) -> list[str]:
        """Return all contenders, in the order in which they came."""
        return list(dict.fromkeys(name for cells in self.cells.values() for name in cells))

    def text(self) -> str:
        about = f" (ratio to {self.reference}; p20)" if self.reference else ""
        head = ["", *(column.title for column in self.columns)]
        rows = [
            [name, *(spelled(self.cells.get(c.name, {}).get(name), c.unit) for c in self.columns)]
            for name in self.names()
        ]
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in [head, *rows]
        ]
        return "\n".join([self.title + about, "", *lines])


def spelled(cell: Cell | None, unit: str) -> str:
    """Write a figure as in a table: `3.1x  190 ns`."""
    if cell is None:
        return "-"
    if cell.value is None:
        return cell.note.partition(":")[0] or "-"
    value = f"{short(cell.value)} {unit}"
    if unit in {"x", "runs"}:
        value = f"{short(cell.value)}{'x' if unit == 'x' else ''}"
    ratio = "" if cell.ratio is None else f"{short(cell.ratio)}x "
    note = f" ({cell.note})" if cell.note else ""
    return f"{ratio}{value:>8}{note}"


def short(number: float) -> str:
    """Write a number with two significant digits at least."""
    if number >= 10 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.2f}" if number < 2 else f"{number:.1f}"


def circumstances(*, quick: bool) -> dict[str, Any]:
    """Return what the figures depend on."""
    present = [peer for peer in contenders.PEERS if peer.distribution and peer.installed]
    versions = {peer.name: peer.version for peer in present}
    return {
        "python": platform.python_version(),
        "implementation": f"{platform.python_implementation()}, {platform.python_compiler()}",
        "machine": _machine(),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "quick": quick,
        "versions": versions,
    }


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(
            line.partition(":")[2].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        pass
    from os import cpu_count

    return f"{cpu}, {cpu_count()} cores, {platform.system()}"


def text(found: dict[str, Any], tables: Iterable[Table]) -> str:
    """Return all tables as text, with what they depend on above."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    quick = "\nMeasured with --quick: rough figures." * found["quick"]
    head = (
        f"Python {found['python']} ({found['implementation']}), {found['date']}\n"
        f"{found['machine']}\n{versions}{quick}\n"
    )
    return "\n\n".join([head, *(table.text() for table in tables)]) + "\n"


def write(output: Path, found: dict[str, Any], tables: list[Table]) -> None:
    """Write the text and the JSON of one Python version.

    Races that were not run now are kept as they were written the same day.
    """
    output.mkdir(parents=True, exist_ok=True)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    kept = _kept(output / f"results-{python}.json", found, {table.name for table in tables})
    every = [*kept, *tables]
    written = json.dumps({**found, "races": [table.written() for table in every]}, indent=1)
    (output / f"results-{python}.json").write_text(written + "\n", encoding="utf-8")
    show(output, python, found, every)


def show(output: Path, python: str, found: dict[str, Any], tables: list[Table]) -> None:
    """Write the text of one Python version."""
    (output / f"results-{python}.txt").write_text(text(found, tables), encoding="utf-8")


def _kept(path: Path, found: dict[str, Any], run: set[str]) -> list[Table]:
    """Return the tables of races that were not run again, if all else is the same."""
    if not path.exists():
        return []
    earlier = json.loads(path.read_text(encoding="utf-8"))
    if any(earlier[what] != found[what] for what in ("python", "machine", "date", "quick")):
        return []
    return [Table.read(race) for race in earlier["races"] if race["name"] not in run]
