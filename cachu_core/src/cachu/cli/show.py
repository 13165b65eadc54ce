"""How results look: tables for people, JSON for programs."""

from __future__ import annotations

import json as jsons

from rich.console import Console
from rich.markup import escape
from rich.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final

    from cachu.cli.doctor import Finding
    from cachu.cli.plugin_list import Plugin
    from cachu.cli.reach import Row

_MARKS: Final = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}


def line(text: str) -> None:
    """Print one line, however wide."""
    Console(soft_wrap=True).print(text, markup=False, highlight=False)


def fail(text: str) -> None:
    """Print an error on stderr."""
    Console(stderr=True, soft_wrap=True).print(f"[red]error[/] {escape(text)}", highlight=False)


def json(found: object) -> None:
    """Print JSON."""
    line(jsons.dumps(found, indent=2, ensure_ascii=False))


def finding(found: Finding) -> None:
    """Print one finding of the doctor."""
    text = f"{_MARKS[found.level]} [bold]{escape(found.subject)}[/] {escape(found.text)}"
    Console(soft_wrap=True).print(text, highlight=False)


def rows(found: Iterable[Row]) -> None:
    """Print regions."""
    lines = [
        (
            each.backend,
            each.package,
            each.key_prefix,
            "" if each.error else "never expires" if each.ttl is None else f"{each.ttl:g} s",
            each.error or ("not counted" if each.entries is None else f"{each.entries:,}"),
        )
        for each in found
    ]
    if lines:
        _table(("backend", "package", "key prefix", "time to live", "entries"), lines)
    else:
        line("Nothing is cached.")


def plugins(found: Iterable[Plugin]) -> None:
    """Print plugins."""
    _table(
        ("name", "distribution", "hooks", "capabilities"),
        (
            (
                each.name,
                f"{each.distribution} {each.version}".strip(),
                each.error or ", ".join(each.hooks),
                ", ".join(each.capabilities),
            )
            for each in found
        ),
    )


def overview(found: dict[str, Any]) -> None:
    """Print settings and backends."""
    line(f"cachu {found['cachu']}, Python {found['python']}")
    line(f"pyproject.toml: {found['pyproject'] or 'none'}")
    names = ("package", "option", "value", "source")
    _table(names, ([each[name] for name in names] for each in found["settings"]))
    _table(
        ("backend", "package", "capabilities", "packages", "regions", "entries"),
        ([*_of_backend(each)] for each in found["backends"]),
    )


def _of_backend(each: dict[str, Any]) -> Iterable[str]:
    yield from (each["backend"], each["package"])
    if each["error"]:
        yield each["error"]
        return
    yield ", ".join(each["capabilities"])
    yield from (str(each["packages"]), str(each["regions"]))
    yield "not counted" if each["entries"] is None else f"{each['entries']:,}"


def _table(columns: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for each in lines:
        table.add_row(*(escape(cell) for cell in each))
    Console().print(table, highlight=False)
