"""Who carries operations to threads: each event loop has a courier for reads and one for writes.

A loop that is closed leaves its courier to the next one: a program that calls `asyncio.run` often
opens one connection.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from threading import RLock
from typing import TYPE_CHECKING, Final
from weakref import ref

from cachu_file.courier import Courier
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
_making: RLock = RLock()
# What a forked child cannot close, and must not let go of either.
_inherited: Final[list[object]] = []


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
        if not creates and not self._engine.files.exist:
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


def _after_fork() -> None:
    global _making  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _making = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
