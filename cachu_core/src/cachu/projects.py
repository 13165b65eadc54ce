"""Finds the pyproject.toml that holds for a package, and reads its table `[tool.cachu]`.

A file holds for the packages whose code lies beside or below it. Where a process was started makes
no difference: a program that is run inside somebody's project does not take its settings from it.
"""
# ruff: noqa: PTH100, PTH113, PTH116, PTH118, PTH120, PTH123, PTH206  pathlib costs more than this

from __future__ import annotations

import os
import sys

from cachu.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

VARIABLE: Final = "CACHU_PYPROJECT"
_NAME: Final = "pyproject.toml"
_INSTALLED: Final = ("site-packages", "dist-packages")

_adopted: str | None = None
_files: dict[str, dict[str, Any]] = {}


def adopt(path: str | None) -> None:
    """Have one file count for all packages, as the command does with the project's; None ends it.

    Args:
        path: The path of a pyproject.toml.
    """
    global _adopted  # noqa: PLW0603  one per process
    _adopted = path
    _files.clear()


def file_of(package: str) -> str | None:
    """Return the path of the file that counts for a package, None if there is none.

    It is the nearest pyproject.toml with a table `[tool.cachu]`, from the folder of the package's
    code (for a script, the script's) upwards. Installed packages have none, and neither have those
    that were not imported. `CACHU_PYPROJECT` names another file for all packages, or, if it is
    empty, none.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return os.path.abspath(named) if named else None
    if _adopted is not None:
        return _adopted
    folder = _folder_of(package)
    return None if folder is None else nearest(folder)


def nearest(folder: str) -> str | None:
    """Return the path of the nearest pyproject.toml with a table for cachu, upwards."""
    start = folder
    while True:
        path = os.path.join(folder, _NAME)
        if os.path.isfile(path) and _is_trusted(path, start) and table(path):
            return path
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def table(path: str) -> dict[str, Any]:
    """Return what stands under `[tool.cachu]` in a file; it is read once.

    Raises:
        ConfigurationError: If the file cannot be read, or is no TOML.
    """
    if path not in _files:
        _files[path] = _read(path)
    return _files[path]


def _folder_of(package: str) -> str | None:
    main = package == "__main__" or package.startswith("__main__.")
    module = sys.modules.get("__main__" if main else package)
    path: str | None = getattr(module, "__file__", None)
    if path is None:
        places: list[str] = list(getattr(module, "__path__", ()))  # a namespace package
        if not places:
            return None
        folder = os.path.abspath(places[0])
    else:
        folder = os.path.dirname(os.path.abspath(path))
    if any(part in _INSTALLED for part in folder.split(os.sep)):
        return None
    return folder


def _is_trusted(path: str, folder: str) -> bool:
    """Tell whether a file is the user's, root's, or of whoever owns the code in *folder*.

    Above a folder there may be one where everybody can leave a file, such as `/tmp`.
    """
    if not hasattr(os, "geteuid"):
        return True
    return os.stat(path).st_uid in (0, os.geteuid(), os.stat(folder).st_uid)


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read()
        if b"tool" not in data or b"cachu" not in data:
            return {}
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        own: Any = tomllib.loads(data.decode()).get("tool", {}).get("cachu", {})
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    if not isinstance(own, dict):
        raise ConfigurationError(f"{path}: [tool.cachu] must be a table, got {own!r}")
    return own
