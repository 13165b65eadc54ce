"""The one connection over which all tasks of a loop talk to one server, batch by batch.

It is made when it is needed, tried when nobody used it for long, and made again when it was closed.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError

from cachu_redis.async_channels import opened
from cachu_redis.packing import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu_redis.async_channels import Channel
    from cachu_redis.async_connections import Connector
    from cachu_redis.async_waits import AsyncWaits
    from cachu_redis.sentinels import Sentinels

_PING: Final = pack(("PING",))


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
        *("_channel", "_connector", "_health", "_patience"),
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
        self._channel: Channel | None = None
        self._used_at = 0.0
        self._sent = False
        self._waits = waits

    async def exchange(self, batch: Sequence[Sequence[Any]], replies: list[Any]) -> None:
        """Send commands and read their replies; if the connection was closed, over a new one."""
        fresh = self._channel is None
        try:
            await self._send_and_read(batch, replies)
        except RedisConnectionError:
            await self._give_up()
            if fresh:
                raise
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self._give_up()
            raise
        else:
            replaced = any(isinstance(reply, ReadOnlyError) for reply in replies)
            if not replaced or self._sentinels is None:
                return
            await self._waits.close()
            await self._give_up()
        replies.clear()
        try:
            await self._send_and_read(batch, replies)
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self._give_up()
            raise

    async def finish(self) -> bool:
        """Read what is left of the replies after an `exchange` that was cancelled.

        Returns:
            Whether there will ever be replies: False if the commands have not been sent.
        """
        if not self._sent or self._channel is None:
            await self.close()
            return False
        try:
            await self._channel.rest()
        except BaseException:
            await self._give_up()
            raise
        return True

    async def close(self) -> None:
        """Close the connection; the next batch opens one again."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def abandon(self, *, forked: bool) -> None:
        """Close the connection of a loop that is gone."""
        if self._channel is not None:
            self._channel.abandon(forked=forked)
            self._channel = None

    async def _give_up(self) -> None:
        """Close a connection on which something went wrong, perhaps with the server, too."""
        if self._sentinels is not None:
            self._sentinels.doubt()
        await self.close()

    async def _send_and_read(self, batch: Sequence[Sequence[Any]], replies: list[Any]) -> None:
        self._sent = False
        channel = await self._ready()
        if len(batch) == 1:
            packed = pack(batch[0])
        else:
            packed = [part for command in batch for part in pack(command)]
        self._sent = True
        await channel.exchange(packed, len(batch), replies)
        self._used_at = monotonic()

    async def _ready(self) -> Channel:
        """Return the connection, or make one."""
        sentinels = self._sentinels
        if sentinels is not None and monotonic() >= sentinels.due and await sentinels.moved_async():
            await self._waits.close()
            await self.close()
        channel = self._channel
        if channel is not None and monotonic() >= self._used_at + self._health:
            try:
                await channel.exchange(_PING, 1, [])
            except RedisConnectionError:
                await self._give_up()
            except BaseException:  # also if it was cancelled: there may be an answer under way
                await self._give_up()
                raise
        if self._channel is None:
            self._channel = opened(await self._connector.connected(), self._patience)
        return self._channel
