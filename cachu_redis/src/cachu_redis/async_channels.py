"""Channels: how asynchronous code sends commands over a connection, and reads the replies.

redis-py makes the connection and says hello. From then on its socket is ours: redis-py reads it
through a stream, and with a timer for each reply, and that takes as long as the server does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse
from redis.exceptions import TimeoutError as RedisTimeoutError

from cachu_redis import readers
from cachu_redis.async_connections import cut, read
from cachu_redis.readers import MORE, name_of

if TYPE_CHECKING:
    from typing import TypeAlias

    Channel: TypeAlias = "HiredisChannel | PlainChannel"

# What is not larger than this, in bytes, never has to wait until it can be sent.
_SMALL: Final = 32_000


def opened(connection: Any, patience: float) -> Channel:
    """Return the channel over a connection that was just made.

    Args:
        connection: The connection, which is not used otherwise any more.
        patience: Seconds that the server has to take what is sent, and then for each reply.
    """
    transport, reader = readers.transport_of(connection), readers.reader_for(connection)
    if transport is None or reader is None:
        return PlainChannel(connection, patience)
    return HiredisChannel(connection, patience, transport, reader)


class HiredisChannel(asyncio.Protocol):
    """A channel over one connection, for one batch of commands at a time; see `opened`."""

    __slots__ = (
        *("_alarm", "_answer", "_connection", "_due", "_error", "_loop"),
        *("_number", "_patience", "_reader", "_replies", "_transport"),
    )

    def __init__(self, connection: Any, patience: float, transport: Any, reader: Any) -> None:
        self._connection = connection
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._reader = reader
        self._answer: asyncio.Future[None] | None = None
        self._replies: list[Any] = []
        self._number = 0
        self._error: Exception | None = None
        self._due = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._transport = transport
        transport.set_protocol(self)

    async def exchange(self, packed: list[bytes], number: int, replies: list[Any]) -> None:
        """Send commands and read their replies.

        Args:
            packed: The commands, as the parts to send. They are sent whatever happens next.
            number: How many there are.
            replies: Gets the replies; errors of the server are among them.

        Raises:
            RedisError: If the connection is lost, or the server takes too long.
        """
        self._replies, self._number = replies, number
        if self._error is None:
            self._transport.write(b"".join(packed))
        self._due = self._loop.time() + self._patience
        if self._alarm is None:
            # One timer watches over many batches: starting one costs as much as a small reply.
            self._alarm = self._loop.call_at(self._due, self._watch)
        await self.rest()

    async def rest(self) -> None:
        """Read what is left of the replies, after an `exchange` that was cancelled."""
        if self._error is None and len(self._replies) < self._number:
            self._answer = self._loop.create_future()
            await self._answer
        if self._error is not None and len(self._replies) != self._number:
            raise self._error

    async def close(self) -> None:
        """Close the connection."""
        self._call_off()
        await self._connection.disconnect(nowait=True)

    def abandon(self, *, forked: bool) -> None:
        """Close the connection of a loop that is gone."""
        self._call_off()
        cut(self._connection, forked=forked)

    def data_received(self, data: bytes) -> None:
        """Read what has come; the event loop calls this."""
        replies, known = self._replies, len(self._replies)
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets(False)) is not MORE:
                if isinstance(reply, RedisConnectionError):  # the server hangs up
                    self._fail(reply)
                    return
                replies.append(reply)
        except InvalidResponse as error:
            self._fail(error)
            return
        if len(replies) > self._number:
            self._fail(InvalidResponse(f"{name_of(self._connection)} answered what nobody asked"))
        elif len(replies) == self._number:
            self._wake()
        elif len(replies) > known:
            self._due = self._loop.time() + self._patience

    def resume_writing(self) -> None:
        """Give the server its time from now on: it has taken nearly all; the event loop calls."""
        self._due = self._loop.time() + self._patience

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits, now or later; the event loop calls this."""
        why = f": {exc}" if exc else ""
        name = name_of(self._connection)
        self._fail(RedisConnectionError(f"Connection closed by {name}{why}"))

    def _watch(self) -> None:
        """Look whether the server takes too long."""
        self._alarm = None
        if self._error is not None or len(self._replies) == self._number:
            return
        if self._loop.time() < self._due:
            self._alarm = self._loop.call_at(self._due, self._watch)
        else:
            self._fail(RedisTimeoutError(f"Timeout reading from {name_of(self._connection)}"))

    def _call_off(self) -> None:
        """Watch no longer."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
            self._transport.abort()
            self._wake()

    def _wake(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(None)


class PlainChannel:
    """The same without hiredis, by what redis-py does."""

    __slots__ = ("_connection", "_number", "_patience", "_replies")

    def __init__(self, connection: Any, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._replies: list[Any] = []
        self._number = 0

    async def exchange(self, packed: list[bytes], number: int, replies: list[Any]) -> None:
        """Send commands and read their replies."""
        self._replies, self._number = replies, number
        connection = self._connection
        if sum(map(len, packed)) < _SMALL:
            # It goes into a buffer at once, and redis-py would make a task to watch the time.
            connection.socket_timeout = None
        try:
            await connection.send_packed_command(packed, check_health=False)
        finally:
            connection.socket_timeout = self._patience
        await self.rest()

    async def rest(self) -> None:
        """Read what is left of the replies."""
        await read(self._connection, self._number, self._replies)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.disconnect(nowait=True)

    def abandon(self, *, forked: bool) -> None:
        """Close the connection of a loop that is gone."""
        cut(self._connection, forked=forked)
