"""What the command takes for configured: the project's file, the environment, imported modules."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from cachu import config, projects, sharing
from cachu.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from cachu.package_config import Config

OWN: Final = "cachu-command"
"""The package that the command itself is."""
DOCTOR: Final = "cachu-doctor"
"""The package whose entries a round trip of `cachu doctor` makes, and clears again."""


def prepare(modules: list[str], pyproject: Path | None) -> None:
    """Take settings from where the user is, unlike a program, which takes them from its code.

    Args:
        modules: What to import first, so that its `configure()` counts.
        pyproject: The file to use, by default the nearest one upwards from the working directory.

    Raises:
        ConfigurationError: If the file or a module is not there.
    """
    if pyproject is not None and not pyproject.is_file():
        raise ConfigurationError(f"There is no file {str(pyproject)!r}.")
    here = str(Path.cwd())
    projects.adopt(str(pyproject.resolve()) if pyproject else projects.nearest(here))
    config.reread()
    if modules and here not in sys.path:
        sys.path.insert(0, here)
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise ConfigurationError(f"{module!r} cannot be imported: {error}") from error


def in_use(package: str | None = None) -> list[Config]:
    """Return the settings that count, each once; those of one package if it is named."""
    if package is not None:
        return [config.get_config(package)]
    found: dict[tuple[object, ...], Config] = {}
    for settings in (config.get_config(OWN), *config.get_all_configs().values()):
        place = (settings.backend, *sharing.options_of(settings.backend, settings))
        found.setdefault(place, settings)
    return list(found.values())
