"""The one connection over which all tasks of a loop talk to one server, batch by batch.

It is made when it is needed, tried when nobody used it for long, and made again when it was closed.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError

from cachu_redis.async_connections import cut, read
from cachu_redis.packing import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu_redis.async_connections import Connector
    from cachu_redis.async_waits import AsyncWaits
    from cachu_redis.sentinels import Sentinels

# What is not larger than this, in bytes, never has to wait until it can be sent.
_SMALL: Final = 32_000


class AsyncWire:
    """The connection, if there is one.

    Args:
        connector: Makes connections.
        patience: Seconds that the server has for an answer.
        sentinels: Who knows which server it is now, if there are such.
        health: Seconds after which a connection that nobody used is tried before it is used.
        waits: Those who wait for the same server; closed when another one has taken its place.
    """

    __slots__ = (
        *("_connection", "_connector", "_health", "_patience"),
        *("_sent", "_sentinels", "_used_at", "_waits"),
    )

    def __init__(
        self,
        connector: Connector,
        patience: float,
        sentinels: Sentinels | None,
        health: float,
        waits: AsyncWaits,
    ) -> None:
        self._connector = connector
        self._patience = patience
        self._sentinels = sentinels
        self._health = health
        self._connection: Any = None
        self._used_at = 0.0
        self._sent = False
        self._waits = waits

    async def exchange(self, batch: Sequence[Sequence[Any]], replies: list[Any]) -> None:
        """Send commands and read their replies; if the connection was closed, over a new one."""
        fresh = self._connection is None
        try:
            await self._send_and_read(batch, replies)
        except RedisConnectionError:
            await self.close()
            if fresh:
                raise
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self.close()
            raise
        else:
            replaced = any(isinstance(reply, ReadOnlyError) for reply in replies)
            if not replaced or self._sentinels is None:
                return
            await self._waits.close()
            await self.close()
        replies.clear()
        try:
            await self._send_and_read(batch, replies)
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self.close()
            raise

    async def finish(self, number: int, replies: list[Any]) -> bool:
        """Read what is left of *number* replies after an `exchange` that was cancelled.

        Returns:
            Whether there will ever be replies: False if the commands have not been sent.
        """
        if not self._sent or self._connection is None:
            await self.close()
            return False
        try:
            await read(self._connection, number, replies)
        except BaseException:
            await self.close()
            raise
        return True

    async def close(self) -> None:
        """Close the connection; the next batch opens one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def abandon(self, *, forked: bool) -> None:
        """Close the connection of a loop that is gone."""
        if self._connection is not None:
            cut(self._connection, forked=forked)
            self._connection = None

    async def _send_and_read(self, batch: Sequence[Sequence[Any]], replies: list[Any]) -> None:
        self._sent = False
        connection = await self._ready()
        if len(batch) == 1:
            packed = pack(batch[0])
        else:
            packed = [part for command in batch for part in pack(command)]
        if sum(map(len, packed)) < _SMALL:
            # It goes into a buffer at once, and redis-py would make a task to watch the time.
            connection.socket_timeout = None
        try:
            await connection.send_packed_command(packed, check_health=False)
            self._sent = True
        finally:
            connection.socket_timeout = self._patience
        await read(connection, len(batch), replies)
        self._used_at = monotonic()

    async def _ready(self) -> Any:
        """Return the connection, or make one."""
        sentinels = self._sentinels
        if sentinels is not None and monotonic() >= sentinels.due and await sentinels.moved_async():
            await self._waits.close()
            await self.close()
        connection = self._connection
        if connection is not None and monotonic() >= self._used_at + self._health:
            try:
                await connection.send_command("PING", check_health=False)
                await read(connection, 1, [])
            except RedisConnectionError:
                await self.close()
            except BaseException:  # also if it was cancelled: there may be an answer under way
                await self.close()
                raise
        if self._connection is None:
            self._connection = await self._connector.connected()
        return self._connection
