"""Several commands on one connection: sent together, answered together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import ResponseError

from cachu_redis.packing import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu_redis.pools import Pool

    Command = Sequence[Any]


class Sent(NamedTuple):
    """Commands that were sent: the pool, and the connection unless it broke."""

    pool: Pool
    connection: Any

    def call_off(self) -> None:
        """Have nobody read the answers."""
        if self.connection is not None:
            self.pool.drop(self.connection)


def exchange(connection: Any, commands: Sequence[Command]) -> list[Any]:
    """Send commands and read as many replies; errors among them are returned."""
    send(connection, commands)
    return receive(connection, commands)


def send(connection: Any, commands: Sequence[Command]) -> None:
    """Send commands, whose replies are to be read next."""
    # Together: redis-py would send one part after the other, and the server begin with the first.
    parts = b"".join([part for command in commands for part in pack(command)])
    connection.send_packed_command([parts])


def receive(connection: Any, commands: Sequence[Command]) -> list[Any]:
    """Read as many replies as there were commands; errors among them are returned."""
    replies: list[Any] = []
    for _ in commands:
        try:
            replies.append(connection.read_response(disable_decoding=True))
        except ResponseError as error:
            replies.append(error)
    return replies
