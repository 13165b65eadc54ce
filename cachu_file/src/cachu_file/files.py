"""The files of one database: its directory, the lock file, the directory of large values.

Each is opened when it is needed first. Somebody may remove them under a live process, and the
process may go on as another user, who has a directory of their own: then they are let go of, and
what stands there now is opened the next time.
"""
# ruff: noqa: PTH116, PTH118  one `stat` before every write, and pathlib would double its cost

from __future__ import annotations

import os
import re
from _thread import RLock
from typing import TYPE_CHECKING, Final

from cachu_file.directory import PrivateDirectory, own_name, user
from cachu_file.errors import AbsentError
from cachu_file.ranges import Ranges
from cachu_file.table import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

    Inode = tuple[int, int]

#: What the names of databases end in. Other versions of the tables have other files.
SUFFIX: Final = f"-v{SCHEMA}.db"


class Files:
    """The files of one database, as this process has them open.

    Attributes:
        root: The directory that was configured, absolute.
        database: The name of the database file.
        path: Where it is.
        guard: Held while they are opened or let go of.

    Args:
        root: The directory.
        name: The name of the database, without its suffix.
        moved: Called when the process goes on as another user.
    """

    def __init__(self, root: str, name: str, moved: Callable[[], None]) -> None:
        self.root = root
        self.database: str = name + SUFFIX
        self._moved = moved
        self._lock_name = f"{name}-v{SCHEMA}.lock"
        self._values_name = f"{name}-v{SCHEMA}.values"
        self._dead = re.compile(re.escape(self.database) + r"\.[0-9a-f]{16}\.dead")
        self._user = user()
        self._place()
        self.guard: RLock = RLock()
        self._directory: PrivateDirectory | None = None
        self._values: PrivateDirectory | None = None
        self._ranges: Ranges | None = None

    @property
    def exist(self) -> bool:
        """Whether there is a database."""
        self.follow_user()
        return os.path.lexists(self.path)

    def directory(self, creates: bool = True) -> PrivateDirectory:
        """Return the directory and, if something is to be made, open the lock file.

        Args:
            creates: Whether to make it if it is not there.

        Raises:
            AbsentError: If there is none, and none is to be made.
        """
        with self.guard:
            self.follow_user()
            found = self._directory
            if found is None:
                found = self._directory = PrivateDirectory.below(self.root, creates=creates)
            if found is None:
                raise AbsentError
            if self._ranges is None and (creates or found.check(self.database)):
                self._ranges = Ranges(found.open_or_create(self._lock_name))
            return found

    def ranges(self) -> Ranges:
        """Return the lock file, made if it is not there."""
        found = self._ranges
        if found is None or found.closed:
            with self.guard:
                self.directory()
                found = self._ranges
                assert found is not None  # noqa: S101  it was just opened
        return found

    def values(self) -> PrivateDirectory:
        """Return the directory of large values, made if it is not there."""
        found = self._values
        if found is None:
            with self.guard:
                found = self._values
                if found is None:
                    found = self._values = self.directory().child(self._values_name)
        return found

    def values_if_any(self) -> PrivateDirectory | None:
        """Return the directory of large values, None if there never were any."""
        there = self.directory().check_directory(self._values_name)
        return self.values() if there else None

    def lose_values(self) -> None:
        """Let go of the directory of large values, which was removed."""
        with self.guard:
            self._values = None

    def inode(self) -> Inode | None:
        """Say which file is the database now; None if there is none."""
        state = self.directory().check(self.database)
        return None if state is None else (state.st_dev, state.st_ino)

    def dead(self) -> list[str]:
        """Return the names of what is left of damaged databases."""
        return [name for name in self.directory().names() if self._dead.fullmatch(name)]

    def size(self, inode: Inode, *, briefly: bool) -> int | None:
        """Return how large the database is, in bytes; None if it is another one by now.

        Args:
            inode: Of the one that is open.
            briefly: Whether not to look if the lock file is still the one that is open, too.

        Raises:
            OSError: If one of them is not there, or cannot be looked at.
        """
        database = os.stat(self.path, follow_symlinks=False)
        if (database.st_dev, database.st_ino) != inode:
            return None
        if not briefly:
            lock = os.stat(self._lock_path, follow_symlinks=False)
            if (lock.st_dev, lock.st_ino) != self.ranges().inode:
                return None
        return database.st_size

    def follow_user(self) -> None:
        """Go on in another directory if the process goes on as another user."""
        if self._user != user():
            with self.guard:
                self._user = user()
                self._place()
                self._moved()
                self.let_go()

    def let_go(self) -> None:
        """Let go of the files; each is closed when nobody uses it or holds a lock in it."""
        with self.guard:
            self._values = self._directory = self._ranges = None

    def after_fork(self) -> None:
        """Begin anew, in a child process."""
        self.guard = RLock()
        self.let_go()

    def _place(self) -> None:
        directory = os.path.join(self.root, own_name())
        self.path: str = os.path.join(directory, self.database)
        self._lock_path = os.path.join(directory, self._lock_name)
