"""Race cachu against its peers: `python -m uv run --group bench benchmarks/run.py`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import contenders
import old_cachu
import page
import report
import targets
from harness import QUICK, Cell, Pace, Race
from races import every
from report import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parents[1] / "docs" / "performance"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Race cachu against its peers.")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this race; repeat")
    parser.add_argument("--quick", action="store_true", help="rough figures, in about a minute")
    parser.add_argument("--list", action="store_true", help="say which races there are")
    parser.add_argument(
        "--output",
        type=Path,
        help="where to write text, JSON and plots; by default, after a complete run, docs/",
    )
    parser.add_argument(
        "--redraw", action="store_true", help="measure nothing: show again what was measured"
    )
    parser.add_argument("--no-releases", action="store_true", help="without earlier releases")
    return parser.parse_args()


def results(
    races: list[Race], pace: Pace, *, releases: bool
) -> Iterator[tuple[str, str, dict[str, Cell]]]:
    """Yield race, column and figures, of this process and then of the earlier releases'."""
    for race in races:
        for column, cells in race.run(contenders.everyone(), pace):
            yield race.name, column, cells
    if releases:
        joined = [race for race in races if race.releases]
        for version in contenders.RELEASES:
            yield from old_cachu.results(version, joined, pace)


def redraw(output: Path) -> None:
    """Write the text, the plots and the page from the results that are there."""
    for python, found in page.load(output).items():
        report.show(output, python, found, [Table.read(race) for race in found["races"]])
    write_page(output)


def write_page(output: Path) -> None:
    """Draw what is in a folder of results, and fill the page beside it, if it has one."""
    page.draw(output)
    shown = output.parent / f"{output.name}.md"
    if shown.exists():
        page.write(shown, output)


def main() -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    chosen = options()
    races = every()
    if chosen.list:
        print(*(f"{race.name:<14}{race.title}" for race in races), sep="\n")
        return
    if chosen.redraw:
        redraw(chosen.output or DOCS)
        return
    if chosen.only:
        unknown = set(chosen.only) - {race.name for race in races}
        if unknown:
            raise SystemExit(f"There is no race {min(unknown)!r}; see --list.")
        races = [race for race in races if race.name in chosen.only]
    tables = {race.name: Table.of(race) for race in races}
    again = 0 if chosen.no_releases else len(contenders.RELEASES)
    steps = sum(len(race.columns) * (1 + again * race.releases) for race in races)
    look = TextColumn("{task.description:<24}"), BarColumn(None), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*look, console=console) as progress:
        task = progress.add_task("", total=steps)
        pace = QUICK if chosen.quick else Pace()
        for race, column, cells in results(races, pace, releases=not chosen.no_releases):
            tables[race].add(column, cells)
            progress.update(task, advance=1, description=tables[race].title[:24])
        progress.update(task, completed=steps)
    found = report.circumstances(quick=chosen.quick)
    print(report.text(found, tables.values()))
    complete = not (chosen.only or chosen.quick or chosen.no_releases)
    output = chosen.output or (DOCS if complete else None)
    if output is None:
        return
    report.write(output, found, list(tables.values()))
    write_page(output)
    print(targets.table(page.load(output)))
    console.print(f"Written to {output}")


if __name__ == "__main__":
    main()
