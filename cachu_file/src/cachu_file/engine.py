"""The database of one package, as this process uses it: connections, turns, and repairs.

All regions of a package share one engine. It opens what it needs when it is needed, and closes it
when the last store that uses it is closed.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import time
from threading import RLock
from typing import TYPE_CHECKING, Final
from weakref import WeakSet, WeakValueDictionary

from cachu.living import living
from cachu.loads import loads
from cachu_file import damage, repairs
from cachu_file.connections import Connection, undo
from cachu_file.errors import OtherSchemaError, StaleConnectionError
from cachu_file.files import Files
from cachu_file.keylocks import KeyLocks
from cachu_file.near import CHECK, Near
from cachu_file.opening import connect
from cachu_file.pool import Pool
from cachu_file.repairs import Repairs
from cachu_file.turns import WriteTurns

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Concatenate, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

# How often an operation is begun anew because the database was replaced.
_ATTEMPTS: Final = 3

_engines: Final[WeakValueDictionary[tuple[str, str], Engine]] = WeakValueDictionary()
_guard: RLock = RLock()


class Engine:
    """The database of one package.

    Attributes:
        files: Its files.
        repairs: What is done about it when it is damaged.
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
        self.size_limit: int | None = None
        self.pool: Pool = Pool(self.connect)
        self.files: Files = Files(root, name, self.pool.renew)
        self.repairs: Repairs = Repairs(self.files)
        self.near: Near = Near(self.pool)
        self.turns: WriteTurns = WriteTurns(self.files.ranges)
        self.keys: KeyLocks = KeyLocks(self.files.ranges)
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
            if repairs.are_called_for(connection, error):
                self.repairs.heal(connection.inode, error)
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
            directory = self.files.directory(creates)
            try:
                return connect(
                    directory,
                    self.files.database,
                    creates=creates,
                    setup=self.repairs.setting_up,
                    factory=factory,
                )
            except (sqlite3.DatabaseError, OtherSchemaError) as error:
                inode = self.files.inode()
                if last or inode is None or not damage.is_damaged(error):
                    raise
                self.repairs.heal(inode, error)
        raise AssertionError  # pragma: no cover

    @property
    def path(self) -> str:
        """Where the database is."""
        return self.files.path

    def limit_size(self, limit: int | None) -> None:
        """Set how many bytes the database may take; the next write sees to it."""
        if limit != self.size_limit:
            self.size_limit = limit
            self.bytes_left = 0

    def check(self, connection: Connection, *, briefly: bool = False) -> None:
        """Notice that the database was removed or replaced under a live process.

        Args:
            connection: The connection that is about to be used.
            briefly: Whether to leave the lock file to the next of the looks that are due.

        Raises:
            StaleConnectionError: If it was.
        """
        files = self.files
        files.follow_user()
        now = time.monotonic()  # of before the look: it is true of that moment, not of a later one
        try:
            size = files.size(connection.inode, briefly=briefly)
        except OSError:
            size = None
        if size == 0:
            # Emptied. Others would take it for a new one, each with a log of its own.
            self.repairs.heal(connection.inode, OtherSchemaError("it is empty"))
            size = None
        if size is None:
            self._forget_files(connection.generation)
            raise StaleConnectionError
        connection.seen_at = now
        if not briefly:
            connection.check_at = self.near.until = now + CHECK

    def drop(self, connection: Connection, error: BaseException) -> None:
        """Remove a database in which nothing can be deleted any more; see `Repairs.drop`."""
        self.repairs.drop(connection.inode, error)
        self.pool.renew(connection.generation)

    def close(self) -> None:
        """Close what is open; the next operation opens it again."""
        self.pool.renew()
        self.files.let_go()

    def __del__(self) -> None:
        """Close what a program that forgot to close it left open."""
        self.close()

    def _forget_files(self, generation: int) -> None:
        with self.files.guard:
            if generation == self.pool.generation:
                self.pool.renew(generation)
                self.files.let_go()

    def _after_fork(self) -> None:
        self.files.after_fork()
        self.turns.after_fork()
        self.repairs.after_fork()
        self.keys.after_fork()


def _close_all() -> None:
    for engine in living(_engines):
        for follower in engine.pool.followers:
            follower()
        engine.close()


def _after_fork() -> None:
    global _guard  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _guard = RLock()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
