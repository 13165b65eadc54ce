"""Carries whole operations to a thread that has a connection, by way of aiosqlite: one hop each.

Each event loop has a courier: an aiosqlite connection, whose thread runs what it is given one after
the other. A task that is cancelled waits until what it began has ended, so that nothing is stored
after the task is gone. A loop that is closed leaves its courier to the next one: a program that
calls `asyncio.run` often opens one connection.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from threading import RLock
from typing import TYPE_CHECKING, Final, cast
from weakref import ref

from cachu_file.carriers import Carrier, Errand, Link
from cachu_file.connections import PATIENCE
from cachu_file.errors import AbsentError, StaleConnectionError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from typing import Concatenate, ParamSpec, TypeVar

    from cachu_file.connections import Connection
    from cachu_file.engine import Engine

    P = ParamSpec("P")
    R = TypeVar("R")
    Place = tuple[int, bool]

_ATTEMPTS: Final = 3
# Seconds in a queue that do not count.
_SOON: Final = 0.05
# Seconds between two looks whether a thread has ended.
_LOOK: Final = 0.001
# Seconds that a fork, or the end of the process, waits for an operation to end.
_PATIENCE: Final = 10.0
_making: RLock = RLock()
# What a forked child cannot close, and must not let go of either.
_inherited: Final[list[object]] = []


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
            return sqlite3.connect(":memory:", check_same_thread=False)
        return connection.raw


class Couriers:
    """The couriers of one engine.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # By loop, and whether they write: who reads must not wait for who waits for other writers.
        self._couriers: dict[Place, Courier] = {}
        # All that have a thread, also those that are just being started or stopped.
        self._alive: set[Courier] = set()
        self._starting: dict[Place, asyncio.Task[Courier]] = {}
        engine.pool.followers.append(self.disconnect)
        engine.pool.heirs.append(self._after_fork)

    @classmethod
    def of(cls, engine: Engine) -> Couriers:
        """Return the couriers of an engine, for all its stores."""
        with _making:  # not the pool's: a fork has that, and waits for whoever makes a store
            if engine.couriers is None:
                engine.couriers = cls(engine)
            return engine.couriers  # type: ignore[return-value]

    async def run(
        self,
        work: Callable[Concatenate[Engine, Connection, P], R],
        creates: bool,
        writes: bool,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Do some work; see `Engine.run`.

        Args:
            work: A function of the engine, a connection and further arguments.
            creates: Whether to make the database if there is none.
            writes: Whether the work changes something, and may have to wait for other writers.
            *args: The further arguments.
            **kwargs: Likewise.
        """
        last: BaseException | None = None
        for _ in range(_ATTEMPTS):
            loop = asyncio.get_running_loop()
            courier = self._couriers.get((id(loop), writes))
            try:
                if courier is None or courier.loop() is not loop or not courier.serves:
                    courier = await self._courier(loop, writes, creates)
                return await courier.carry(work, *args, **kwargs)
            except StaleConnectionError as error:
                last = error.__cause__
        raise last or sqlite3.OperationalError("the database is replaced all the time")

    def disconnect(self) -> None:
        """Close all connections, in plain code: the process forks, or ends."""
        for courier in list(self._alive):
            courier.disconnect()

    async def close(self) -> None:
        """Close all connections and end their threads."""
        self._couriers = {}
        for courier in list(self._alive):
            await self._stop(courier)

    async def _courier(self, loop: AbstractEventLoop, writes: bool, creates: bool) -> Courier:
        """Find or make a courier of a loop, once for all tasks that wait for it."""
        if not creates and not self._engine.exists:
            raise AbsentError
        place = (id(loop), writes)
        starting = self._starting.get(place)
        if starting is None or starting.get_loop() is not loop:
            starting = loop.create_task(self._started(loop, place, creates))
            self._starting[place] = starting
            starting.add_done_callback(lambda _: self._starting.pop(place, None))
        return await asyncio.shield(starting)

    async def _started(self, loop: AbstractEventLoop, place: Place, creates: bool) -> Courier:
        found: Courier | None = None
        for other, courier in list(self._couriers.items()):
            if courier.idle or other == place:
                if self._couriers.pop(other, None) is not courier:
                    continue  # another loop took it
                if found is None and courier.serves:
                    found = courier
                    found.loop = ref(loop)
                else:
                    await self._stop(courier)
        if found is None:
            found = Courier(self._engine, loop, creates)
            self._alive.add(found)
            try:
                await found.start()
            except BaseException:
                self._alive.discard(found)
                raise
        self._couriers[place] = found
        return found

    async def _stop(self, courier: Courier) -> None:
        try:
            await courier.stop()
        finally:
            self._alive.discard(courier)

    def _after_fork(self) -> None:
        _inherited.append(self._alive)
        self._couriers = {}
        self._alive = set()
        self._starting = {}


def _nothing() -> None:
    """Do nothing; whoever waits for it has waited for all before it."""


def _after_fork() -> None:
    global _making  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _making = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
