"""What is configured, where that stands, and how much is in the stores: `cachu info`."""

from __future__ import annotations

import platform

from cachu import projects, regions, sources
from cachu.cli import plugin_list, reach, situation
from cachu.errors import CachuError
from cachu.options import DEFAULTS
from cachu.settings import redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachu.package_config import Config


def overview(package: str | None) -> dict[str, Any]:
    """Gather it, ready to be shown as a table or as JSON; secrets are left out."""
    from cachu import __version__

    used = situation.in_use(package)
    return {
        "cachu": __version__,
        "python": platform.python_version(),
        "pyproject": projects.file_of(package or situation.OWN),
        "settings": [row for settings in used for row in _settings(settings)],
        "backends": [_backend(settings) for settings in used],
    }


def _settings(settings: Config) -> list[dict[str, Any]]:
    outside = sources.ambient(settings.package)
    found: list[dict[str, Any]] = []
    values = {name: getattr(settings, name) for name in DEFAULTS} | dict(settings.options)
    for name, value in values.items():
        source = "default" if name in DEFAULTS and value == DEFAULTS[name] else "configure()"
        if name in outside and outside[name].value == value:
            source = outside[name].source.partition(", ")[0]
        shown = redacted(name, value)
        found.append(
            {"package": settings.package, "option": name, "value": shown, "source": source}
        )
    return found


def _backend(settings: Config) -> dict[str, Any]:
    name = settings.backend
    found: dict[str, Any] = {"backend": name, "package": settings.package}
    try:
        able = regions.live(name, settings.package, 300.0).backend.capabilities
        rows = reach.Reach(settings, name).regions()
        counted = [reach.row(backend, live) for backend, live in rows]
    except (CachuError, ImportError, OSError) as error:
        return {**found, "error": str(error)}
    errors = [row.error for row in counted if row.error]
    known = [row.entries for row in counted if row.entries is not None]
    return {
        **found,
        "capabilities": plugin_list.capabilities(able),
        "packages": len({row.package for row in counted if not row.error}),
        "regions": sum(not row.error for row in counted),
        "entries": sum(known) if len(known) == len(counted) else None,
        "error": errors[0] if errors else None,
    }
