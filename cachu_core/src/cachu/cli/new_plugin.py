"""Writes a distribution with a backend in it that passes the suite as it is: `cachu new-plugin`."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from cachu import catalogue, plugins
from cachu.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["generate"]


def generate(name: str, directory: Path) -> list[Path]:
    """Write the plugin called *name* into a new folder.

    Args:
        name: What people are to write in `configure(backend=...)`.
        directory: Where the folder `cachu-NAME` is made.

    Returns:
        The files, in order.

    Raises:
        ConfigurationError: If the name will not do, or the folder is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", name):
        raise ConfigurationError(
            f"A plugin's name is lower-case letters and digits, with _ or - between; got {name!r}"
        )
    if name in catalogue.BUILT_IN or name in catalogue.KNOWN:
        raise ConfigurationError(f"{name!r} is a plugin of cachu itself; choose another name.")
    folder = directory / f"cachu-{name.replace('_', '-')}"
    if folder.exists():
        raise ConfigurationError(f"{str(folder)!r} is there already; nothing was written.")
    words = {
        "name": name,
        "prefix": plugins.prefix(name).rstrip("_"),
        "distribution": folder.name,
        "module": f"cachu_{plugins.prefix(name).rstrip('_')}",
        "Class": "".join(part.capitalize() for part in re.split("[_-]", name)),
    }
    written = []
    for place, text in _templates(files("cachu.cli") / "template", ""):
        path = folder / _filled(place, words).removesuffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(text, words), encoding="utf-8")
        written.append(path)
    return sorted(written)


def _templates(folder: Any, place: str) -> Iterator[tuple[str, str]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _templates(each, f"{place}{each.name}/")
        else:
            yield f"{place}{each.name}", each.read_text(encoding="utf-8")


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@(\w+?)@", lambda found: words[found[1]], text)
