"""What stands between diskcache and the disk: bytes in, bytes out, and nothing is ever unpickled.

diskcache's own `Disk` loads pickles from whatever it finds in its directory (CVE-2025-69872). The
one made here refuses them. It also follows no link and leaves the directory for no file name, and
what it writes is for this user only.
"""
# ruff: noqa: PTH101, PTH102, PTH108, PTH118, PTH120, PTH123  paths are text here, as in diskcache

from __future__ import annotations

import os
import re
import sqlite3
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from cachu.errors import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

# The maintained fork has another import name; files and interface are the same.
_MODULES: Final = ("diskcache", "diskcache_community")
# How diskcache marks, in its table, how a value was stored.
_RAW: Final = 1
_BINARY: Final = 2
_NAME: Final = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_BINARY_FILE: Final = getattr(os, "O_BINARY", 0)
_POSIX: Final = hasattr(os, "fchmod")
# No entry of cachu's looks so: whoever unpacks it counts it, warns once and deletes it.
REFUSED: Final = b""


@cache
def library() -> ModuleType:
    """Import diskcache, or else its maintained fork.

    Raises:
        ConfigurationError: If neither is installed.
    """
    for name in _MODULES:
        if find_spec(name) is not None:
            return import_module(name)
    raise ConfigurationError(
        "The backend 'diskcache' needs the package diskcache, which is not installed. Install it "
        "with: pip install \"cachu[diskcache]\". backend='file' needs nothing more."
    )


@cache
def sealed_disk() -> Any:  # noqa: C901  a small class with small methods
    """Return the class to use as `Disk`, a subclass of the installed library's own."""

    class SealedDisk(library().Disk):  # type: ignore[misc]
        """Keeps bytes, below one directory."""

        def put(self, key: Any) -> tuple[Any, bool]:
            if type(key) is not bytes:
                raise TypeError(f"keys are bytes here, not {type(key).__name__}")
            return sqlite3.Binary(key), True

        def get(self, key: Any, raw: Any) -> bytes:
            return key if raw and isinstance(key, bytes) else REFUSED

        def store(self, value: Any, read: Any, key: Any = None) -> tuple[int, int, str | None, Any]:
            if type(value) is not bytes:
                raise TypeError(f"values are bytes here, not {type(value).__name__}")
            if len(value) < self.min_file_size:
                return 0, _RAW, None, sqlite3.Binary(value)
            name, path = self.filename()
            _write(path, value)
            return len(value), _BINARY, name, None

        def fetch(self, mode: Any, filename: Any, value: Any, read: Any) -> bytes:
            if mode == _RAW and isinstance(value, bytes):
                return value
            if mode == _BINARY and _is_ours(self._directory, filename):
                return _read(os.path.join(self._directory, filename))
            return REFUSED

        def remove(self, file_path: Any) -> None:
            if _is_ours(self._directory, file_path):
                super().remove(file_path)

    return SealedDisk


def _is_ours(directory: str, name: Any) -> bool:
    """Tell whether diskcache could have named a file so, and no link leads elsewhere."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        return False
    parent = os.path.dirname(name)
    return os.path.realpath(os.path.join(directory, parent)) == os.path.join(
        os.path.realpath(directory), parent
    )


def _read(path: str) -> bytes:
    with open(os.open(path, os.O_RDONLY | _NOFOLLOW | _BINARY_FILE), "rb") as file:
        return file.read()


def _write(path: str, data: bytes) -> None:
    descriptor = _create(path)
    try:
        if _POSIX:
            os.fchmod(descriptor, 0o600)  # whatever the umask took away
        with open(descriptor, "wb") as file:
            file.write(data)
    except BaseException:
        os.unlink(path)
        raise


def _create(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY_FILE
    folder = os.path.dirname(path)
    attempts = 10
    while True:
        attempts -= 1
        try:
            _make(os.path.dirname(folder))
            _make(folder)
            return os.open(path, flags, 0o600)
        except FileNotFoundError:  # who removed the last file of that directory removed it too
            if not attempts:
                raise


def _make(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    os.chmod(folder, 0o700)  # whatever the umask took away
