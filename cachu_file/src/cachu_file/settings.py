"""The options that the file backends add to `configure()`."""

from __future__ import annotations

import os
from pathlib import Path

from cachu.settings import Settings

__all__ = ["DiskcacheSettings", "FileSettings"]


class FileSettings(Settings):
    """Options of the backend `file`.

    Attributes:
        file_dir: Directory under which cachu makes one of its own; made at first use.
        file_size_limit: Bytes that the entries of one package may take, or None for no limit.
    """

    file_dir: str | Path = "/tmp"  # noqa: S108 - cachu makes a private directory there
    file_size_limit: int | None = None

    def check(self) -> None:
        """Refuse what could not work at first use either."""
        check_directory("file_dir", self.file_dir)
        if self.file_size_limit is not None and self.file_size_limit <= 0:
            raise ValueError(
                f"file_size_limit is a number of bytes above 0, or None for no limit; "
                f"got {self.file_size_limit}"
            )


class DiskcacheSettings(Settings):
    """Options of the backend `diskcache`.

    Attributes:
        diskcache_dir: Directory under which the backend keeps its own; made at first use.
    """

    diskcache_dir: str | Path = "/tmp"  # noqa: S108 - cachu makes a private directory there

    def check(self) -> None:
        """Refuse what could not work at first use either."""
        check_directory("diskcache_dir", self.diskcache_dir)


def check_directory(option: str, directory: str | Path) -> None:
    """Raise ValueError if *directory* exists and cannot be written to as one."""
    shown = str(directory)
    if not shown:
        raise ValueError(f"{option} is empty; name a directory")
    if not os.path.lexists(directory):
        return
    if not os.path.isdir(directory):  # noqa: PTH112 - Path.is_dir raises where this says no
        raise ValueError(f"{option}={shown!r} is not a directory; name one, existing or not")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ValueError(f"{option}={shown!r} is not writable; name a directory that is")
