"""The open caches of this process: one for each package and place, shared by all its regions."""
# ruff: noqa: PTH100, PTH111, PTH118, PTH208  paths are text here, as diskcache takes them

from __future__ import annotations

import os
import re
import sqlite3
import threading
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from cachu.errors import ConfigurationError
from cachu_file.directory import PrivateDirectory, own_name
from cachu_file.diskcache_disk import library, sealed_disk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

_FOLDER: Final = "diskcache"
_DATABASE: Final = "cache.db"
# Seconds that a writer waits for another.
_TIMEOUT: Final = 5.0
_FIXED: Final = {
    "disk_min_file_size": 2**15,
    "sqlite_mmap_size": 0,  # with it, a file that is cut short would end the process
    "tag_index": 1,
}


class SharedCache:
    """A `diskcache.Cache` of ours; see `shared`.

    Attributes:
        cache: The cache. diskcache gives every thread a connection of its own.
    """

    def __init__(
        self, folders: list[PrivateDirectory], path: str, settings: Mapping[str, Any]
    ) -> None:
        self._folders = folders
        self._path = path
        self.cache: Any = library().Cache(
            path, timeout=_TIMEOUT, disk=sealed_disk(), **_FIXED, **settings
        )
        self._threads = threading.local()
        self._anchor: sqlite3.Connection | None = None
        self.users = 0
        self.connections: int = 0

    def used(self) -> Any:
        """Return the cache, to be used in this thread until the thread ends."""
        if not hasattr(self._threads, "closer"):
            if self._anchor is None:
                self._anchor = _anchored(self._path)
            self._threads.closer = _Closer(self)
        return self.cache

    def release(self) -> None:
        """Close this thread's connection; the other threads' are closed when those end."""
        with suppress(AttributeError):
            del self._threads.closer
        self.cache.close()
        anchor, self._anchor = self._anchor, None
        if anchor is not None:
            anchor.close()

    def after_fork(self) -> None:
        """Let this process, a child, open connections of its own."""
        # Kept: closing them would concern the parent, and wait for threads that are not here.
        _inherited.append((self._threads, self.cache._local, self._anchor))  # noqa: SLF001
        self._threads = threading.local()
        self.cache._local = threading.local()  # noqa: SLF001  diskcache would close what is there
        self._anchor = None
        self.connections = 0

    def drop(self) -> None:
        """Let go of the directories."""
        for folder in self._folders:
            folder.close()


class _Closer:
    """Closes a thread's connection when that thread ends, for diskcache would not."""

    __slots__ = ("_connection", "_process", "_shared")

    def __init__(self, shared: SharedCache) -> None:
        self._connection: Any = shared.cache._con  # noqa: SLF001  there is no other way to it
        self._process = os.getpid()
        _connections.add(self._connection)
        self._shared = shared
        shared.connections += 1

    def __del__(self) -> None:
        if os.getpid() != self._process:
            return  # a fork has ended this thread here, but not in the parent
        _connections.discard(self._connection)
        with suppress(
            sqlite3.ProgrammingError
        ):  # at the end of the interpreter another thread does it
            self._connection.close()
        self._shared.connections -= 1


def _anchored(path: str) -> sqlite3.Connection:
    """Open a connection that stays: the last one to be closed would tidy up, which takes time."""
    connection = sqlite3.connect(os.path.join(path, _DATABASE), check_same_thread=False)
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute("SELECT count(*) FROM Settings").fetchall()
    return connection


def shared(
    root: str | Path, package: str, settings: Mapping[str, Any], *, creates: bool
) -> SharedCache | None:
    """Open the cache of a package, or take the one that is open.

    Args:
        root: The configured directory.
        package: The package's name in shared stores.
        settings: diskcache's settings; they are kept in the database.
        creates: Whether to make it if it is not there.

    Returns:
        The cache, to be given back with `give_back`; None if it is not there.

    Raises:
        UnsafeDirectoryError: If a directory or file is not ours alone.
        ConfigurationError: If the directory cannot be used, or diskcache is not installed.
    """
    return _opened(absolute(root), _folder_of(package), settings, creates=creates)


def shared_by_all(root: str | Path) -> list[SharedCache]:
    """Open the caches of all packages that are there, with the settings that each has."""
    place = absolute(root)
    try:
        names = os.listdir(os.path.join(place, own_name(), _FOLDER))
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (_opened(place, name, {}, creates=False) for name in sorted(names))
    return [cache for cache in found if cache is not None]


def give_back(opened: SharedCache) -> None:
    """Close a cache unless others still use it."""
    with _lock:
        opened.users -= 1
        if opened.users > 0:
            return
        opened.release()
        for key, other in list(_open.items()):
            if other.users <= 0 and other.connections <= 0:
                del _open[key]
                other.drop()


def absolute(root: str | Path) -> str:
    """Return the directory below which ours is.

    Raises:
        ConfigurationError: If diskcache would take it for another one.
    """
    path = os.path.abspath(os.path.expanduser(root))
    if os.path.expandvars(path) != path or path.startswith("~"):
        raise ConfigurationError(
            f"diskcache_dir: diskcache puts environment variables into {path!r}. Choose a path "
            "without dollar signs."
        )
    return path


def _opened(
    place: str, name: str, settings: Mapping[str, Any], *, creates: bool
) -> SharedCache | None:
    path = os.path.join(place, own_name(), _FOLDER, name)
    key = (path, tuple(sorted(settings.items())))
    with _lock:
        found = _open.get(key)
        if found is None and not settings:
            found = next((cache for (at, _), cache in _open.items() if at == path), None)
        if found is None:
            if not creates and not os.path.lexists(os.path.join(path, _DATABASE)):
                return None
            found = _open[key] = SharedCache(_made(place, name), path, settings)
        found.users += 1
        return found


def _made(place: str, name: str) -> list[PrivateDirectory]:
    """Make the directories and the database, and check that they are ours."""
    folders: list[PrivateDirectory] = []
    try:
        top = PrivateDirectory.below(place, creates=True)
        folders += [top] if top else []
        for child in (_FOLDER, name):
            folders.append(folders[-1].child(child))
        # SQLite gives its other files the mode of this one.
        os.close(folders[-1].open_or_create(_DATABASE))
        for other in ("-wal", "-shm", "-journal"):
            folders[-1].check(f"{_DATABASE}{other}")
    except BaseException:
        for folder in folders:
            folder.close()
        raise
    return folders


def _folder_of(package: str) -> str:
    readable = re.sub(r"[^a-z0-9._-]", "_", package.lower())[:40]
    digest = blake2b(package.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{readable}-{digest}"


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = threading.RLock()
    for opened in _open.values():
        opened.after_fork()


_lock = threading.RLock()
_inherited: Final[list[object]] = []
_connections: Final[set[sqlite3.Connection]] = set()  # those of all threads, kept over a fork
_open: Final[dict[tuple[str, tuple[tuple[str, Any], ...]], SharedCache]] = {}

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
