"""The commands, their arguments, and how they end."""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cachu.cli import show, situation
from cachu.errors import CachuError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Look after caches that cachu keeps, and write plugins for it.",
)

Backend = Annotated[str | None, typer.Option("--backend", "-b", help="Only this backend.")]
Package = Annotated[
    str | None,
    typer.Option("--package", "-p", help="Only this package, as `cachu ls` shows it."),
]
Ttl = Annotated[
    str | None,
    typer.Option("--ttl", help="Only this time to live: seconds, or `inf` for what never expires."),
]
Tag = Annotated[str | None, typer.Option("--tag", "-t", help="Only entries with this tag.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _reporting(command: Callable[..., None]) -> Callable[..., None]:
    """Print what cachu raises, which says what to do, without a traceback."""

    @wraps(command)
    def reported(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (CachuError, OSError) as error:
            show.fail(str(error))
            raise typer.Exit(1) from None

    return reported


def _version(asked: bool) -> None:
    if asked:
        from cachu import __version__

        show.line(f"cachu {__version__}")
        raise typer.Exit


@app.callback()
@_reporting
def common(
    modules: Annotated[
        list[str] | None,
        typer.Option(
            "--import", "-i", metavar="MODULE", help="Import this first: its configure() counts."
        ),
    ] = None,
    pyproject: Annotated[
        Path | None,
        typer.Option(help="The file with [tool.cachu]; by default the nearest one upwards."),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Look after caches that cachu keeps, and write plugins for it.

    What is configured in pyproject.toml and in CACHU_* variables counts; what a program configures
    by itself counts if --import names the module that does.
    """
    situation.prepare(modules or [], pyproject)


@app.command()
@_reporting
def plugins(json: Json = False) -> None:
    """List all plugins, what they can do, and why one fails to load."""
    from cachu.cli.plugin_list import every

    found = every()
    if json:
        show.json([each._asdict() for each in found])
    else:
        show.plugins(found)


@app.command()
@_reporting
def doctor(
    backend: Annotated[
        list[str] | None, typer.Option("--backend", "-b", help="Look at this one instead.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for warnings, too.")] = False,
) -> None:
    """Try every configured backend, and warn about what will bite. Exit code 1 if one fails."""
    from cachu.cli.doctor import examine

    worst = {"ok"}
    for finding in examine(backend or []):
        show.finding(finding)
        worst.add(finding.level)
    if "error" in worst or (strict and "warning" in worst):
        raise typer.Exit(1)


@app.command()
@_reporting
def info(package: Package = None, json: Json = False) -> None:
    """Show the settings that count, where they stand, and what is in the backends."""
    from cachu.cli.overview import overview

    found = overview(package)
    if json:
        show.json(found)
    else:
        show.overview(found)
    _fail_for(each.get("error") for each in found["backends"])


@app.command("ls")
@_reporting
def list_regions(
    package: Package = None, backend: Backend = None, ttl: Ttl = None, json: Json = False
) -> None:
    """List what is cached: by package, key prefix and time to live, with numbers of entries."""
    from cachu.cli.reach import rows

    found = rows(package, backend=backend, ttl=_seconds(ttl))
    if json:
        show.json([each._asdict() for each in found])
    else:
        show.rows(found)
    _fail_for(each.error for each in found)


@app.command()
@_reporting
def clear(
    package: Package = None,
    backend: Backend = None,
    ttl: Ttl = None,
    tag: Tag = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget entries, whoever stored them. Asks first, unless --yes is given."""
    from cachu.cli import clears

    wanted = {"backend": backend, "ttl": _seconds(ttl), "tag": tag}
    if not yes:
        found = clears.what(package, wanted)
        show.rows(found)
        if not found:
            return
        typer.confirm(clears.question(package, wanted), abort=True)
    show.line(clears.clear(package, wanted))


@app.command("new-plugin")
@_reporting
def new_plugin(
    name: Annotated[str, typer.Argument(help="What people write in configure(backend=...).")],
    directory: Annotated[
        Path | None, typer.Option("--directory", "-d", help="Where to put it.")
    ] = None,
) -> None:
    """Write a plugin that works: a distribution with a backend, its options and its tests."""
    from cachu.cli.new_plugin import generate

    for path in generate(name, directory or Path.cwd()):
        show.line(str(path))


@app.command()
def conformance(
    target: Annotated[
        str, typer.Argument(help="MODULE:CLASS of a Store or Backend, or the name of a plugin.")
    ],
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="NAME=VALUE", help="An option of configure()."),
    ] = None,
    pytest: Annotated[
        list[str] | None, typer.Argument(help="Arguments for pytest, after --.")
    ] = None,
) -> None:
    """Run the tests that every backend has to pass on a class of yours, or on a plugin."""
    from cachu.cli.conformance import run

    run_reporting = _reporting(lambda: _exit(run(target, option or [], pytest or [])))
    run_reporting()


def _exit(status: int) -> None:
    raise typer.Exit(status)


def _seconds(ttl: str | None) -> float | None:
    if ttl is None:
        return None
    if ttl.lower() in ("inf", "none", "never"):
        return inf
    try:
        return float(ttl)
    except ValueError:
        raise ConfigurationError(f"--ttl is a number of seconds, or inf; got {ttl!r}") from None


def _fail_for(errors: Iterable[str | None]) -> None:
    if any(errors):
        raise typer.Exit(1)
