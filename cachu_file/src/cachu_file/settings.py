"""The options of the backend `file`."""

from __future__ import annotations

import os
from pathlib import Path

from cachu.settings import Settings

__all__ = ["FileSettings"]


class FileSettings(Settings):
    """Options of the backend `file`.

    Attributes:
        file_dir: Directory under which cachu makes one of its own; made at first use. `~` is the
            home directory.
        file_size_limit: Bytes that the entries of one package may take, or None for no limit. Those
            that would expire soonest are evicted.
        file_near_cache: Bytes that each process may use to keep what it has read of one package
            lately, 0 for none. It is used for as long as nobody, in any process, writes anything.
    """

    file_dir: str | Path = "/tmp"  # noqa: S108 - cachu makes a private directory there
    file_size_limit: int | None = None
    file_near_cache: int = 8 << 20

    def check(self) -> None:
        """Refuse what could not work at first use either."""
        check_directory("file_dir", self.file_dir)
        self.settle("file_dir", lasting(self.file_dir))
        if self.file_size_limit is not None and self.file_size_limit <= 0:
            raise ValueError(
                f"file_size_limit is a number of bytes above 0, or None for no limit; "
                f"got {self.file_size_limit}"
            )
        if self.file_near_cache < 0:
            raise ValueError(
                f"file_near_cache is a number of bytes, or 0 for none; got {self.file_near_cache}"
            )


def lasting(directory: str | Path) -> str | Path:
    """Return a directory that is the same one wherever the process goes: no relative path."""
    text = os.fspath(directory)
    return directory if text.startswith("~") or os.path.isabs(text) else os.path.abspath(text)  # noqa: PTH100, PTH117 - as it was written, else


def check_directory(option: str, directory: str | Path) -> None:
    """Raise ValueError if *directory* exists and cannot be written to as one."""
    shown = str(directory)
    if not shown:
        raise ValueError(f"{option} is empty; name a directory")
    directory = os.path.expanduser(directory)  # noqa: PTH111 - text is what is shown
    if not os.path.lexists(directory):
        return
    if not os.path.isdir(directory):  # noqa: PTH112 - Path.is_dir raises where this says no
        raise ValueError(f"{option}={shown!r} is not a directory; name one, existing or not")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ValueError(f"{option}={shown!r} is not writable; name a directory that is")
