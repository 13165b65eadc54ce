"""Several commands on one channel: sent together, answered together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cachu_redis.packing import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu_redis.channels import Channel
    from cachu_redis.pools import Pool

    Command = Sequence[Any]


class Sent(NamedTuple):
    """Commands that were sent: the pool, and the channel unless it broke."""

    pool: Pool
    channel: Channel | None

    def call_off(self) -> None:
        """Have nobody read the answers."""
        if self.channel is not None:
            self.pool.drop(self.channel)


def exchange(channel: Channel, commands: Sequence[Command]) -> list[Any]:
    """Send commands and read as many replies; errors among them are returned."""
    send(channel, commands)
    return receive(channel, commands)


def send(channel: Channel, commands: Sequence[Command]) -> None:
    """Send commands, whose replies are to be read next."""
    channel.send(b"".join([part for command in commands for part in pack(command)]))


def receive(channel: Channel, commands: Sequence[Command]) -> list[Any]:
    """Read as many replies as there were commands; errors among them are returned."""
    return [channel.receive() for _ in commands]
