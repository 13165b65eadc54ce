"""What is done about a database that is of no use any more: all of it is removed.

It is a cache: what it had is made anew, and nobody is given a wrong value meanwhile.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from cachu_file import damage
from cachu_file.connections import COMPANIONS
from cachu_file.keylocks import SETTING_UP
from cachu_file.turns import WriteTurns

if TYPE_CHECKING:
    from collections.abc import Generator

    from cachu_file.connections import Connection, Inode
    from cachu_file.files import Files

log: Final = logging.getLogger("cachu")


class Repairs:
    """Who makes or removes the database of an engine.

    Args:
        files: Its files.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._turns = WriteTurns(files.ranges, SETTING_UP)

    @contextmanager
    def setting_up(self) -> Generator[None, None, None]:
        """Let one caller at a time, in all processes, make or remove the database."""
        with self._turns.take():
            yield

    def heal(self, inode: Inode, error: BaseException) -> None:
        """Remove a damaged database, unless somebody did so already.

        Args:
            inode: Which one.
            error: What is wrong with it.

        Raises:
            OSError: If it cannot be removed.
        """
        if self._removed(inode):
            log.warning(
                "The cache in %s was damaged (%s). It begins anew, empty.", self._files.path, error
            )

    def drop(self, inode: Inode, error: BaseException) -> None:
        """Remove a database in which nothing can be deleted any more; as `heal` otherwise."""
        if self._removed(inode):
            log.warning(
                "Nothing could be deleted from the cache in %s (%s). All of it was removed, so "
                "that nothing out of date is used.",
                self._files.path,
                error,
            )

    def remove_dead(self) -> None:
        """Remove what is left of a damaged database, if whoever removed it was killed."""
        dead = self._files.dead()
        if dead:
            with self.setting_up():  # not from under somebody who is at it
                directory = self._files.directory()
                for name in dead:
                    directory.remove(name)

    def after_fork(self) -> None:
        """Forget, in a child process, the threads of its parent."""
        self._turns.after_fork()

    def _removed(self, inode: Inode) -> bool:
        files = self._files
        with self.setting_up():
            if files.inode() != inode:
                return False
            directory, database = files.directory(), files.database
            dead = f"{database}.{token_hex(8)}.dead"
            # Renamed first: a database must not be seen without its log, nor a log without it.
            directory.rename(database, dead)
            for name in (*(database + companion for companion in COMPANIONS), dead):
                directory.remove(name)
            values = files.values_if_any()
            if values is not None:
                for name in values.names():
                    values.remove(name)
            return True


def are_called_for(connection: Connection, error: BaseException) -> bool:
    """Tell whether *error* means that the database is damaged; look through it if need be."""
    if damage.is_damaged(error):
        return True
    if not damage.may_be_damaged(error):
        return False
    try:
        return connection.fetch("PRAGMA quick_check(1)") != ("ok",)
    except sqlite3.Error:
        return True
