"""The database of one package, as this process uses it: files, connections, locks, and repairs.

All regions of a package share one engine. It opens what it needs when it is needed, and closes it
when the last store that uses it is closed.
"""
# ruff: noqa: PTH116, PTH118  one `stat` before every write, and pathlib would double its cost

from __future__ import annotations

import atexit
import logging
import os
import re
import sqlite3
import time
from contextlib import contextmanager
from secrets import token_hex
from threading import RLock
from typing import TYPE_CHECKING, Final
from weakref import WeakSet, WeakValueDictionary

from cachu.loads import loads
from cachu_file import damage
from cachu_file.connections import COMPANIONS, Connection, connect, undo
from cachu_file.directory import PrivateDirectory, own_name, user
from cachu_file.errors import AbsentError, OtherSchemaError, StaleConnectionError
from cachu_file.keylocks import SETTING_UP, KeyLocks
from cachu_file.near import CHECK, Near
from cachu_file.pool import Pool
from cachu_file.ranges import Ranges
from cachu_file.table import SCHEMA
from cachu_file.turns import WriteTurns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Concatenate, ParamSpec, TypeVar

    from cachu_file.connections import Inode

    P = ParamSpec("P")
    R = TypeVar("R")

log: Final = logging.getLogger("cachu")

#: What the names of databases end in. Other versions of the tables have other files.
SUFFIX: Final = f"-v{SCHEMA}.db"
# How often an operation is begun anew because the database was replaced.
_ATTEMPTS: Final = 3

_engines: Final[WeakValueDictionary[tuple[str, str], Engine]] = WeakValueDictionary()
_guard: RLock = RLock()


class Engine:
    """The database of one package.

    Attributes:
        root: The directory that was configured, absolute.
        name: The name of the database, without its suffix.
        size_limit: Bytes that it may take, or None.
        pool: The connections that threads share.
        near: What was read lately.
        turns: Of those who write.
        keys: Who computes what.
        last_mark: The mark after the last set of this process, see `Connection.mark`.
        writes_left: How many writes there may be until the next upkeep; the first one brings one.
        bytes_left: How many bytes they may take.
        sweep_at: When to think of the next sweep, on the monotonic clock.
        upkeep_faults: How often upkeep failed.
        has_files: Whether a large value was seen, so that a write may leave a file to remove.
        noted: When each region was last said to be used, on the monotonic clock; by the identity of
            the database and the id of the region.
        users: The stores that use it, and that somebody uses.
        async_users: Those of them that are asynchronous.
        couriers: Who carries work to threads, once there is asynchronous code.
    """

    def __init__(self, root: str, name: str) -> None:
        self.root = root
        self.name = name
        self.database: str = name + SUFFIX
        self.size_limit: int | None = None
        self.pool: Pool = Pool(self.connect)
        self.near: Near = Near(self.pool)
        self.turns: WriteTurns = WriteTurns(self.ranges)
        self.keys: KeyLocks = KeyLocks(self.ranges)
        self.last_mark: bytes | None = None
        self.writes_left: int = 1
        self.bytes_left: int = 0
        self.sweep_at: float = 0.0
        self.upkeep_faults: int = 0
        self.has_files: bool = False
        self.noted: dict[tuple[int, bytes], float] = {}
        self.users: WeakSet[object] = WeakSet()
        self.async_users: WeakSet[object] = WeakSet()
        self.couriers: object | None = None
        self._values_name = f"{name}-v{SCHEMA}.values"
        self._lock_name = f"{name}-v{SCHEMA}.lock"
        self._dead = re.compile(re.escape(self.database) + r"\.[0-9a-f]{16}\.dead")
        self._user = user()
        self._place()
        self._setup = WriteTurns(self.ranges, SETTING_UP)
        self._files = RLock()
        self._directory: PrivateDirectory | None = None
        self._values: PrivateDirectory | None = None
        self._ranges: Ranges | None = None
        self.pool.heirs.append(self._after_fork)

    @classmethod
    def of(cls, root: str, name: str) -> Engine:
        """Return the one engine for a database."""
        with _guard:
            found = _engines.get((root, name))
            if found is None:
                found = _engines[root, name] = cls(root, name)
            return found

    def run(
        self,
        work: Callable[Concatenate[Engine, Connection, P], R],
        creates: bool,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Do some work on a connection.

        Args:
            work: A function of this engine, a connection and further arguments.
            creates: Whether to make the database if there is none.
            *args: The further arguments.
            **kwargs: Likewise.

        Raises:
            AbsentError: If there is no database, and none is to be made.
            sqlite3.Error: Whatever SQLite raises.
            OSError: Whatever the system raises.
        """
        last: BaseException | None = None
        for _ in range(_ATTEMPTS):
            try:
                connection = self.pool.borrow(creates)
                try:
                    return self.attempt(connection, work, *args, **kwargs)
                finally:
                    self.pool.give_back(connection)
            except StaleConnectionError as error:
                last = error.__cause__
        raise last or sqlite3.OperationalError("the database is replaced all the time")

    def attempt(
        self,
        connection: Connection,
        work: Callable[Concatenate[Engine, Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Do some work on this connection, and repair what it finds damaged.

        Raises:
            StaleConnectionError: If another connection is needed.
        """
        if connection.generation != self.pool.generation:
            raise StaleConnectionError
        if not 0.0 < connection.check_at - time.monotonic() <= CHECK:
            self.check(connection)
        try:
            return work(self, connection, *args, **kwargs)
        except BaseException as error:
            undo(connection)
            if damage.is_damaged(error) or (
                damage.may_be_damaged(error) and not self._is_whole(connection)
            ):
                self.heal(connection.inode, error)
                self.pool.renew(connection.generation)
                raise StaleConnectionError from error
            raise

    def connect(
        self, creates: bool, factory: type[sqlite3.Connection] = sqlite3.Connection
    ) -> Connection:
        """Open a connection, and heal the database if it is damaged.

        Not while the process forks, be it a fork that began before this module was loaded, and so
        does not wait for connections: SQLite's state must not be copied in the middle of it.
        """
        with loads:
            return self._connected(creates, factory)

    def _connected(self, creates: bool, factory: type[sqlite3.Connection]) -> Connection:
        for last in (False, True):
            directory = self._opened(creates)
            try:
                return connect(
                    directory,
                    self.database,
                    creates=creates,
                    setup=self.setting_up,
                    factory=factory,
                )
            except (sqlite3.DatabaseError, OtherSchemaError) as error:
                state = directory.check(self.database)
                if last or state is None or not damage.is_damaged(error):
                    raise
                self.heal((state.st_dev, state.st_ino), error)
        raise AssertionError  # pragma: no cover

    def ranges(self) -> Ranges:
        """Return the lock file, made if it is not there."""
        found = self._ranges
        if found is None or found.closed:
            with self._files:
                self._opened(creates=True)
                found = self._ranges
                assert found is not None  # noqa: S101  it was just opened
        return found

    @property
    def exists(self) -> bool:
        """Whether there is a database."""
        self._follow_user()
        return os.path.lexists(self.path)

    def values(self) -> PrivateDirectory:
        """Return the directory of large values, made if it is not there."""
        found = self._values
        if found is None:
            with self._files:
                found = self._values
                if found is None:
                    directory = self._opened(creates=True)
                    found = self._values = directory.child(self._values_name)
        return found

    def limit_size(self, limit: int | None) -> None:
        """Set how many bytes the database may take; the next write sees to it."""
        if limit != self.size_limit:
            self.size_limit = limit
            self.bytes_left = 0

    def lose_values(self) -> None:
        """Let go of the directory of large values, which was removed."""
        with self._files:
            self._values = None

    @contextmanager
    def setting_up(self) -> Generator[None, None, None]:
        """Let one caller at a time, in all processes, make or remove the database."""
        with self._setup.take():
            yield

    def check(self, connection: Connection, *, briefly: bool = False) -> None:
        """Notice that the database was removed or replaced under a live process.

        Args:
            connection: The connection that is about to be used.
            briefly: Whether to leave the lock file to the next of the looks that are due.

        Raises:
            StaleConnectionError: If it was.
        """
        self._follow_user()
        now = time.monotonic()  # of before the look: it is true of that moment, not of a later one
        try:
            database = os.stat(self.path, follow_symlinks=False)
            there = (database.st_dev, database.st_ino) == connection.inode
            if not briefly and there:
                lock = os.stat(self._lock_path, follow_symlinks=False)
                there = (lock.st_dev, lock.st_ino) == self.ranges().inode
        except OSError:
            there = False
        else:
            if there and not database.st_size:
                # Emptied. Others would take it for a new one, each with a log of its own.
                self.heal(connection.inode, OtherSchemaError("it is empty"))
                there = False
        if not there:
            self._forget_files(connection.generation)
            raise StaleConnectionError
        connection.seen_at = now
        if not briefly:
            connection.check_at = self.near.until = now + CHECK

    def heal(self, inode: Inode, error: BaseException) -> None:
        """Remove a damaged database, unless somebody did so already.

        Raises:
            OSError: If it cannot be removed.
        """
        if self._removed(inode):
            log.warning(
                "The cache in %s was damaged (%s). It begins anew, empty.", self.path, error
            )

    def remove_dead(self) -> None:
        """Remove what is left of a damaged database, if whoever removed it was killed."""
        directory = self._opened(creates=True)
        dead = [name for name in directory.names() if self._dead.fullmatch(name)]
        if dead:
            with self.setting_up():  # not from under somebody who is at it
                for name in dead:
                    directory.remove(name)

    def drop(self, connection: Connection, error: BaseException) -> None:
        """Remove a database in which nothing can be deleted any more.

        Raises:
            OSError: If it cannot be removed.
        """
        if self._removed(connection.inode):
            log.warning(
                "Nothing could be deleted from the cache in %s (%s). All of it was removed, so "
                "that nothing out of date is used.",
                self.path,
                error,
            )
        self.pool.renew(connection.generation)

    def close(self) -> None:
        """Close what is open; the next operation opens it again."""
        self.pool.renew()
        self._let_go()

    def __del__(self) -> None:
        """Close what a program that forgot to close it left open."""
        self.close()

    def values_if_any(self) -> PrivateDirectory | None:
        """Return the directory of large values, None if there never were any."""
        there = self._opened(creates=True).check_directory(self._values_name)
        return self.values() if there else None

    def _opened(self, creates: bool) -> PrivateDirectory:
        """Open the directory and, if something is to be made, the lock file."""
        with self._files:
            self._follow_user()
            found = self._directory
            if found is None:
                found = self._directory = PrivateDirectory.below(self.root, creates=creates)
            if found is None:
                raise AbsentError
            if self._ranges is None and (creates or found.check(self.database)):
                self._ranges = Ranges(found.open_or_create(self._lock_name))
            return found

    def _place(self) -> None:
        directory = os.path.join(self.root, own_name())
        self.path: str = os.path.join(directory, self.database)
        self._lock_path = os.path.join(directory, self._lock_name)

    def _follow_user(self) -> None:
        """Go on in another directory if the process goes on as another user."""
        if self._user != user():
            with self._files:
                self._user = user()
                self._place()
                self.pool.renew()
                self._let_go()

    def _forget_files(self, generation: int) -> None:
        with self._files:
            if generation == self.pool.generation:
                self.pool.renew(generation)
                self._let_go()

    def _let_go(self) -> None:
        """Let go of the files; each is closed when nobody uses it or holds a lock in it."""
        with self._files:
            self._values = self._directory = self._ranges = None

    def _removed(self, inode: Inode) -> bool:
        with self.setting_up():
            directory = self._opened(creates=True)
            state = directory.check(self.database)
            if state is None or (state.st_dev, state.st_ino) != inode:
                return False
            dead = f"{self.database}.{token_hex(8)}.dead"
            # Renamed first: a database must not be seen without its log, nor a log without it.
            directory.rename(self.database, dead)
            for name in (*(self.database + companion for companion in COMPANIONS), dead):
                directory.remove(name)
            values = self.values_if_any()
            if values is not None:
                for name in values.names():
                    values.remove(name)
            return True

    def _is_whole(self, connection: Connection) -> bool:
        try:
            return connection.fetch("PRAGMA quick_check(1)") == ("ok",)
        except sqlite3.Error:
            return False

    def _after_fork(self) -> None:
        self._files = RLock()
        self._let_go()
        self.turns.after_fork()
        self._setup.after_fork()
        self.keys.after_fork()


def _close_all() -> None:
    for engine in list(_engines.values()):
        for follower in engine.pool.followers:
            follower()
        engine.close()


def _after_fork() -> None:
    global _guard  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _guard = RLock()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
