"""A directory of our own, which nobody else can change or read.

`/tmp`, the default, is everybody's. Whoever could put a file in our place there could have a pickle
of theirs loaded. So what we open must be ours, must not be a symbolic link, and must not be
writable by others; everything in it is reached through the directory that was checked.
"""
# ruff: noqa: PTH101, PTH102, PTH103, PTH105, PTH112, PTH116, PTH118, PTH208  all is reached through descriptors, which pathlib does not know

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING, Final

from cachu_file.errors import UnsafeDirectoryError
from cachu_file.mounts import check_local

if TYPE_CHECKING:
    from typing import Any

_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_OTHERS_MAY_WRITE: Final = 0o022
_OTHERS_MAY: Final = 0o077
_NO_DIRECTORY: Final = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)
_POSIX: Final = hasattr(os, "geteuid")
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY: Final = getattr(os, "O_DIRECTORY", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)


def user() -> int:
    """Return the id of the user whose files this process makes, 0 where there are none."""
    return os.geteuid() if _POSIX else 0


def own_name() -> str:
    """Return what this user's directory below `file_dir` is called."""
    if _POSIX:
        return f"cachu-{os.geteuid()}"
    import getpass

    return f"cachu-{getpass.getuser()}"


class PrivateDirectory:
    """A directory that belongs to this user alone; closed when it is let go of.

    Attributes:
        path: Its absolute path.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def below(cls, root: str, *, creates: bool) -> PrivateDirectory | None:
        """Open this user's directory below *root*.

        Args:
            root: An absolute path.
            creates: Whether to make it, and *root*, if they are not there.

        Returns:
            The directory, or None if it is not there.

        Raises:
            UnsafeDirectoryError: If it is somebody else's, or others may write to it.
            ConfigurationError: If it is on a network file system.
            OSError: If it cannot be made or opened.
        """
        if creates:
            os.makedirs(root, exist_ok=True)
        opened = cls._open(os.path.join(root, own_name()), creates=creates)
        if opened is not None:
            check_local(opened.path)
            _keep_cleaners_off(opened._descriptor)  # noqa: SLF001  it was made here
        return opened

    @classmethod
    def _open(cls, path: str, *, creates: bool) -> PrivateDirectory | None:
        if creates:
            try:
                os.mkdir(path, _MODE)
            except FileExistsError:
                pass
            else:
                os.chmod(path, _MODE)  # whatever the umask took away
        if not _POSIX:  # the user's own profile is what access rights protect there
            return cls(path, -1) if os.path.isdir(path) else None
        try:
            descriptor = os.open(path, os.O_RDONLY | _DIRECTORY | _NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in _NO_DIRECTORY and os.path.lexists(path):
                raise _unsafe(path, "is a symbolic link, or no directory") from error
            raise
        try:
            _check(path, os.fstat(descriptor), descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    def child(self, name: str) -> PrivateDirectory:
        """Open a directory in this one; make it if it is not there."""
        made = self._open(os.path.join(self.path, name), creates=True)
        if made is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        return made

    def create(self, name: str) -> int:
        """Make a file, for this user only; return its descriptor.

        Raises:
            FileExistsError: If there is one.
        """
        path, there = self._at(name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY
        descriptor = os.open(path, flags, _FILE_MODE, **there)
        if _POSIX:
            os.fchmod(descriptor, _FILE_MODE)  # whatever the umask took away
        return descriptor

    def file(self, name: str, flags: int) -> FileIO:
        """Open a file, or make it, but follow no link; return what closes it when let go of."""
        path, there = self._at(name)
        flags |= _NOFOLLOW | _BINARY
        # In one piece: a signal must not come between a descriptor and what will close it.
        opened = map(FileIO, map(partial(os.open, flags=flags, mode=_FILE_MODE, **there), (path,)))
        file = next(opened)
        if _POSIX and flags & os.O_CREAT:
            os.fchmod(file.fileno(), _FILE_MODE)  # whatever the umask took away
        return file

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a file that is there, but follow no link; return its descriptor."""
        path, there = self._at(name)
        return os.open(path, flags | _NOFOLLOW | _BINARY, **there)

    def open_or_create(self, name: str) -> int:
        """Open a file for reading and writing, make it if it is not there."""
        try:
            return self.create(name)
        except FileExistsError:
            self.check(name)
            return self.open(name, os.O_RDWR)

    def check(self, name: str) -> os.stat_result | None:
        """Return the state of a file of ours, None if there is none.

        Raises:
            UnsafeDirectoryError: If it is a link, no file, or somebody else's.
        """
        path, there = self._at(name)
        try:
            found = os.stat(path, follow_symlinks=False, **there)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise _unsafe(os.path.join(self.path, name), "is a symbolic link, or no file")
        if _POSIX and found.st_uid != os.geteuid():
            raise _unsafe(os.path.join(self.path, name), f"belongs to user {found.st_uid}")
        return found

    def check_directory(self, name: str) -> bool:
        """Tell whether there is a directory of that name."""
        return os.path.isdir(os.path.join(self.path, name))

    def rename(self, name: str, other: str) -> None:
        """Give a file another name."""
        if self._descriptor < 0:
            os.replace(os.path.join(self.path, name), os.path.join(self.path, other))
        else:
            at = self._descriptor
            os.rename(name, other, src_dir_fd=at, dst_dir_fd=at)

    def remove(self, name: str) -> bool:
        """Remove a file and say whether it was there."""
        path, there = self._at(name)
        try:
            os.unlink(path, **there)
        except FileNotFoundError:
            return False
        return True

    def names(self) -> list[str]:
        """List what is in it."""
        return os.listdir(self.path if self._descriptor < 0 else self._descriptor)

    def close(self) -> None:
        """Close it; nothing happens if it is closed."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        """Close it, when nobody uses it any more."""
        self.close()

    def _at(self, name: str) -> tuple[str, dict[str, Any]]:
        if self._descriptor < 0:
            return os.path.join(self.path, name), {}
        return name, {"dir_fd": self._descriptor}


def _keep_cleaners_off(descriptor: int) -> None:
    """Hold the lock that makes systemd-tmpfiles pass a directory over."""
    if descriptor < 0:
        return
    import contextlib
    import fcntl

    with contextlib.suppress(OSError):  # some file systems have no such locks
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _check(path: str, state: os.stat_result, descriptor: int) -> None:
    mode = stat.S_IMODE(state.st_mode)
    if state.st_uid != os.geteuid():
        raise _unsafe(path, f"belongs to user {state.st_uid}, not to user {os.geteuid()}")
    if mode & _OTHERS_MAY_WRITE:
        raise _unsafe(path, f"can be written to by others (mode {mode:o})")
    if mode & _OTHERS_MAY:
        os.fchmod(descriptor, _MODE)


def _unsafe(path: str, reason: str) -> UnsafeDirectoryError:
    return UnsafeDirectoryError(
        f"{path!r} {reason}. Nothing in it was read, for a stored value could be somebody else's "
        "code. Look at it, then remove it or choose another file_dir."
    )
