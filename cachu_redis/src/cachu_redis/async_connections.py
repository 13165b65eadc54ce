"""Connections for asynchronous code: how they are made, read from, and closed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from cachu_redis.faults import check_mode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Connector:
    """Makes the connections of one line.

    Args:
        make: Makes a connection, to wherever the server is now.
        mode: What the server must say that it is, "standalone" or "cluster".
    """

    __slots__ = ("_checked", "_make", "_mode")

    def __init__(self, make: Callable[[], Awaitable[Any]], mode: str) -> None:
        self._make = make
        self._mode = mode
        self._checked = False

    async def connected(self) -> Any:
        """Return a new connection, to a server that is of the right kind."""
        connection: Any = None
        try:
            connection = await self._make()
            await connection.connect()
            if not self._checked:
                await connection.send_command("HELLO", check_health=False)
                replies: list[Any] = []
                await read(connection, 1, replies)
                check_mode(replies[0], self._mode)
                self._checked = True
        except BaseException:
            if connection is not None:
                await connection.disconnect(nowait=True)
            raise
        return connection


async def read(connection: Any, number: int, replies: list[Any]) -> None:
    """Add replies to *replies* until there are so many; errors of the server are among them."""
    while len(replies) < number:
        try:
            reply = await connection.read_response(disable_decoding=True, disconnect_on_error=False)
        except ResponseError as error:
            reply = error
        replies.append(reply)


def cut(connection: Any, *, forked: bool = False) -> None:
    """Close the socket of a connection whose loop is gone; nothing else can be closed any more.

    Args:
        connection: The connection.
        forked: Whether the loop is that of our parent process. It must not even hear of this: its
            selector is ours, too, and would forget the parent's socket.
    """
    writer = getattr(connection, "_writer", None)
    connection._reader = connection._writer = None  # noqa: SLF001
    if writer is None:
        return
    transport = writer.transport
    if not forked:
        with suppress(RuntimeError):  # it says that the loop is closed, and is marked nevertheless
            transport.close()
    found = transport.get_extra_info("socket")
    raw = getattr(found, "_sock", found)
    if raw is not None:
        with suppress(TypeError):  # other loops than asyncio's have closed it, or never will
            raw.close()
    if hasattr(transport, "_sock"):
        transport._sock = None  # noqa: SLF001  or it would complain
