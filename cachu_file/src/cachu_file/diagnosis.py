"""What about a file store works, but will bite; for `cachu doctor`."""
# ruff: noqa: PTH100, PTH111, PTH116, PTH118  as the rest of the package, for it takes text

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING, Final

from cachu_file.directory import own_name

if TYPE_CHECKING:
    from cachu.regions import Region

_LEAST_FREE: Final = 0.05


def diagnose(region: Region) -> list[str]:
    """Look at the directory of a store that works."""
    settings = region.config.settings("file")
    root = os.path.abspath(os.path.expanduser(os.fspath(settings.file_dir)))
    found: list[str] = []
    mode = os.stat(root).st_mode
    if hasattr(os, "geteuid") and mode & stat.S_IWOTH:
        found.append(
            f"Everybody can write to file_dir={root!r}. What cachu keeps is in a directory of its "
            f"own there, but another user may take the name {own_name()!r} first, and then every "
            "call raises. Name a directory of your own."
        )
    own = os.path.join(root, own_name())
    own_mode = stat.S_IMODE(os.stat(own).st_mode)
    if hasattr(os, "geteuid") and own_mode & 0o077:
        found.append(f"{own!r} has mode {own_mode:o}; it should be 700: chmod 700 {own}")
    usage = shutil.disk_usage(root)
    if usage.free < _LEAST_FREE * usage.total:
        found.append(
            f"The disk of {root!r} is nearly full: {usage.free // 2**20} MiB are left. A full disk "
            "can cost the whole cache."
        )
    if settings.file_size_limit is None:
        found.append(
            "There is no file_size_limit: a function that is called with ever new arguments fills "
            "the disk until its entries expire."
        )
    return found
