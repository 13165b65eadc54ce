"""The courier of one event loop: a thread with a connection, to which whole operations are carried.

It is an aiosqlite connection, whose thread runs what it is given one after the other: one hop for
each operation. A task that is cancelled waits until what it began has ended, so that nothing is
stored after the task is gone.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final, cast
from weakref import ref

from cachu.loads import loads
from cachu_file.carriers import Carrier, Errand, Link
from cachu_file.connections import PATIENCE
from cachu_file.errors import StaleConnectionError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from typing import Concatenate, ParamSpec, TypeVar

    from cachu_file.connections import Connection
    from cachu_file.engine import Engine

    P = ParamSpec("P")
    R = TypeVar("R")

# Seconds in a queue that do not count.
_SOON: Final = 0.05
# Seconds between two looks whether a thread has ended.
_LOOK: Final = 0.001
# Seconds that a fork, or the end of the process, waits for an operation to end.
_PATIENCE: Final = 10.0


class Courier:
    """The connection of one event loop and its thread.

    A thread answers through the loop, so the loop must not end before it has. Whoever is cancelled
    waits for that.

    Attributes:
        loop: A weak reference to the loop.
        carrier: The connection, once there is one.
    """

    def __init__(self, engine: Engine, loop: AbstractEventLoop, creates: bool) -> None:
        self.loop: Callable[[], AbstractEventLoop | None] = ref(loop)
        self.carrier: Carrier | None = None
        self._engine = engine
        self._creates = creates
        self._connection: Connection | None = None
        self._error: Exception | None = None
        self._process = os.getpid()
        self._link = Link(self._connect)

    @property
    def serves(self) -> bool:
        """Whether it can be given errands."""
        connection = self._connection
        return (
            connection is not None
            and connection.generation == self._engine.pool.generation
            and self._link.thread.is_alive()
        )

    @property
    def idle(self) -> bool:
        """Whether its loop is gone."""
        loop = self.loop()
        return loop is None or loop.is_closed()

    async def start(self) -> None:
        """Start the thread and open the connection.

        Raises:
            Exception: Whatever opening raises.
        """
        try:
            await self._link
        except BaseException:
            try:
                await self._end_of_thread()
            finally:
                self.disconnect()  # aiosqlite has not seen the connection
            raise
        if self._error is not None:
            await self.stop()
            raise self._error

    async def carry(
        self,
        work: Callable[Concatenate[Engine, Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Do some work on the connection, in its thread."""
        asked = time.monotonic()

        def run() -> R:
            connection = self._connection
            if connection is None or self.carrier is None or self.carrier.closed:
                raise StaleConnectionError
            # Those who were queued behind others have waited already.
            waited = time.monotonic() - asked
            connection.be_patient(PATIENCE if waited < _SOON else max(0.0, PATIENCE - waited))
            return self._engine.attempt(connection, work, *args, **kwargs)

        errand = Errand()
        errand.work = run
        try:
            return await self._link.execute_fetchall(errand)  # type: ignore[return-value]
        except ValueError as error:
            if self.serves:
                raise
            raise StaleConnectionError from error  # it was stopped meanwhile
        except asyncio.CancelledError:
            await self._caught_up()
            raise

    def disconnect(self) -> None:
        """Close the connection, in plain code, as soon as the thread is not at it."""
        carrier = self.carrier
        if carrier is not None and carrier.busy.acquire(timeout=_PATIENCE):
            try:
                carrier.close()
            finally:
                carrier.busy.release()

    async def stop(self) -> None:
        """Close the connection and end the thread."""
        if self._process == os.getpid() and self._link.thread.is_alive():
            self._connection = None
            ended = self._link.stop()
            try:
                if ended is not None:
                    await ended
            finally:
                await self._end_of_thread()

    async def _caught_up(self) -> None:
        """Wait until the thread has done and answered all that it was given so far."""
        errand = Errand()
        errand.work = _nothing
        while self._link.thread.is_alive():
            try:
                await self._link.execute_fetchall(errand)
            except asyncio.CancelledError:
                continue  # it is raised in the end
            except ValueError:
                await self._end_of_thread()  # it was stopped meanwhile
            return

    async def _end_of_thread(self) -> None:
        cancelled = None
        while self._link.thread.is_alive():
            try:
                await asyncio.sleep(_LOOK)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def _connect(self) -> sqlite3.Connection:
        """Open the connection, in the thread.

        An error is kept for later: aiosqlite would end the thread without waiting for its end, and
        that may come after the end of the loop.
        """
        try:
            with self._engine.pool.lock:  # whoever forks holds it
                connection = self._engine.connect(self._creates, Carrier)
                connection.generation = self._engine.pool.generation
                self._connection = connection
                self.carrier = cast("Carrier", connection.raw)
        except Exception as error:
            self._error = error
            with loads:
                return sqlite3.connect(":memory:", check_same_thread=False)
        return connection.raw


def _nothing() -> None:
    """Do nothing; whoever waits for it has waited for all before it."""
