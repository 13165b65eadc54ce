"""Waiting for wake-up calls in asynchronous code, on connections that do nothing else."""

from __future__ import annotations

import asyncio
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from cachu_redis.async_connections import cut

if TYPE_CHECKING:
    from cachu_redis.async_connections import Connector


class AsyncWaits:
    """Those who wait for one server, each on a connection of its own.

    Args:
        connector: Makes connections.
        size: How many there may be.
        patience: Seconds that the server has for an answer.
    """

    __slots__ = ("_connector", "_idle", "_patience", "_seats")

    def __init__(self, connector: Connector, size: int, patience: float) -> None:
        self._connector = connector
        self._patience = patience
        self._idle: list[Any] = []
        self._seats = asyncio.Semaphore(size)

    async def wait(self, key: str, since: bytes, seconds: float) -> None:
        """Wait for a wake-up call after *since*, at most *seconds*; as long for a connection.

        It may return too early, so whoever waited looks again.
        """
        until = monotonic() + seconds
        if not self._seats.locked():
            await self._seats.acquire()  # at once
        else:
            try:
                await asyncio.wait_for(self._seats.acquire(), seconds)
            except asyncio.TimeoutError:
                return
        fresh = not self._idle
        connection: Any = None
        try:
            connection = await self._connector.connected() if fresh else self._idle.pop()
            left = max(0.001, until - monotonic())
            command = ("XREAD", "BLOCK", ceil(left * 1000), "STREAMS", key, since)
            await connection.send_command(*command, check_health=False)
            connection.socket_timeout = left + self._patience
            await connection.read_response(disable_decoding=True)
        except ResponseError:
            self._idle.append(connection)
            raise
        except BaseException as error:
            if connection is not None:
                await connection.disconnect(nowait=True)
            if fresh or not isinstance(error, RedisConnectionError):
                raise
            await self.close()  # the others were closed by the server, too
        else:
            self._idle.append(connection)
        finally:
            if connection is not None:
                connection.socket_timeout = self._patience
            self._seats.release()

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.disconnect(nowait=True)

    def abandon(self, *, forked: bool) -> None:
        """Close the connections of a loop that is gone."""
        for connection in self._idle:
            cut(connection, forked=forked)
        self._idle = []
