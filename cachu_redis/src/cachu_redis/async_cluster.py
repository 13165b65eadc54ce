"""Lines to the nodes of a Cluster, for asynchronous code.

All keys of a command are in one bucket, so that one node has them all.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from cachu_redis.async_lines import AsyncLine
from cachu_redis.script import spelled_out
from cachu_redis.topology import BETWEEN, HOPS, Topology, meant, moves

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cachu_redis.async_lines import Command
    from cachu_redis.topology import Address


class AsyncClusterLine:
    """Lines to all nodes.

    Args:
        make: Makes a connection to an address.
        seeds: Some of the nodes.
        size: How many connections to each there may be.
        patience: Seconds that a node has for an answer.
        health: Seconds after which a connection that nobody used is tried before it is used.
    """

    def __init__(
        self,
        make: Callable[[str, int], Awaitable[Any]],
        seeds: Sequence[Address],
        size: int,
        patience: float,
        health: float,
    ) -> None:
        self._make = make
        self._size = size
        self._patience = patience
        self._health = health
        self._topology = Topology(seeds)
        self._lines: dict[Address, AsyncLine] = {}

    def at(self, bucket: int) -> AsyncBucketLine:
        """Return the line to whatever node has a bucket."""
        return AsyncBucketLine(self, bucket)

    async def ask(self, bucket: int, command: Command, *, read: bool = False) -> Any:
        """Send a command, perhaps one that only reads, to the node of its bucket."""
        for _ in range(HOPS):
            address = await self._owner(bucket)
            try:
                node = self.node(address)
                reply = await (node.read(*command) if read else node.ask(*command))
            except ResponseError as refusal:
                error = meant(refusal)
                if isinstance(error, MovedError):
                    self._topology.moved(bucket, (error.host or address[0], error.port))
                elif isinstance(error, AskError):
                    place = error.host or address[0], error.port
                    return await self._ask_elsewhere(place, command)
                elif isinstance(error, TryAgainError):
                    await asyncio.sleep(BETWEEN)
                else:
                    if isinstance(error, ClusterDownError):
                        self._topology.doubt()
                    raise
            except (RedisConnectionError, RedisTimeoutError, OSError) as failure:
                raise self._topology.failed(address, failure) from failure
            else:
                self._topology.answered(address)
                return reply
        raise RedisConnectionError(f"The Cluster does not settle on a node for bucket {bucket}")

    async def ask_each(self, commands: Sequence[tuple[int, Command]]) -> list[Any]:
        """Send commands, each with the number of its bucket, in one round trip per node.

        Returns:
            Their replies; where a node said no, or nothing, that error.
        """
        replies: list[Any] = [None] * len(commands)
        nodes: dict[Address, list[int]] = defaultdict(list)
        for number, (bucket, _) in enumerate(commands):
            try:
                nodes[await self._owner(bucket)].append(number)
            except RedisError as error:
                replies[number] = error
        asked = (
            self._ask_node(address, [commands[number][1] for number in numbers])
            for address, numbers in nodes.items()
        )
        for numbers, answers in zip(nodes.values(), await asyncio.gather(*asked)):
            for number, answer in zip(numbers, answers):
                replies[number] = answer
        for number, reply in enumerate(replies):
            if isinstance(reply, ResponseError) and moves(reply):
                replies[number] = await self.ask(*commands[number])
        return replies

    async def ask_all(self, bucket: int, commands: Sequence[Command]) -> list[Any]:
        """Send several commands, in this order, to the node of their bucket.

        Returns:
            Their replies; where the node said no, be it that the bucket moves, that error.
        """
        address = await self._owner(bucket)
        try:
            replies = await self.node(address).ask_all(commands)
        except (RedisConnectionError, RedisTimeoutError, OSError) as failure:
            raise self._topology.failed(address, failure) from failure
        self._topology.answered(address)
        return replies

    async def wait(self, bucket: int, key: str, since: bytes, seconds: float) -> None:
        """Wait for a wake-up call at the node of a bucket."""
        address = await self._owner(bucket)
        try:
            await self.node(address).wait(key, since, seconds)
        except ResponseError as error:
            if not moves(error):
                raise
            await asyncio.sleep(BETWEEN)  # whoever waits looks again
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            raise self._topology.failed(address, error) from error

    def node(self, address: Address) -> AsyncLine:
        """Return the line to one node."""
        found = self._lines.get(address)
        if found is None:
            found = self._lines[address] = AsyncLine(
                lambda: self._make(*address),
                self._size,
                self._patience,
                "cluster",
                health=self._health,
            )
        return found

    async def close(self) -> None:
        """Close what is idle now."""
        for line in list(self._lines.values()):
            await line.close()

    def abandon(self, *, forked: bool = False) -> None:
        """Close all connections of a loop that was closed itself, or is our parent process's."""
        for line in self._lines.values():
            line.abandon(forked=forked)

    async def _ask_node(self, address: Address, commands: Sequence[Command]) -> list[Any]:
        try:
            return await self.node(address).ask_all(commands)
        except (RedisError, OSError) as error:
            return [self._topology.failed(address, error)] * len(commands)

    async def _owner(self, bucket: int) -> Address:
        address = self._topology.owner(bucket)
        if address is None:
            await self._discover()
            address = self._topology.owner(bucket)
        if address is None:
            raise RedisConnectionError(f"No node of the Cluster has bucket {bucket}")
        return address

    async def _discover(self) -> None:
        """Ask the nodes, one after the other, which has what."""
        until = monotonic() + self._patience
        failure: Exception | None = None
        for address in self._topology.known():
            try:
                reply = await self.node(address).ask("CLUSTER", "SLOTS")
            except (RedisError, OSError) as error:
                failure = error
                self._topology.silent(address)
                if monotonic() >= until:
                    break
            else:
                self._topology.learn(reply, address)
                return
        raise failure or RedisConnectionError("No node of the Cluster is known")

    async def _ask_elsewhere(self, address: Address, command: Command) -> Any:
        """Ask the node that a slot is just moving to."""
        if command[0] == "EVALSHA":
            command = spelled_out(command)
        reply = (await self.node(address).ask_all([("ASKING",), command]))[1]
        if isinstance(reply, Exception):
            raise reply
        return reply


class AsyncBucketLine:
    """The line to whatever node has a bucket."""

    __slots__ = ("_bucket", "_cluster")

    raw: Final = True
    """Whether replies come as the server sent them, whatever the command."""

    def __init__(self, cluster: AsyncClusterLine, bucket: int) -> None:
        self._cluster = cluster
        self._bucket = bucket

    async def ask(self, *command: Any) -> Any:
        """Send a command and return the reply."""
        return await self._cluster.ask(self._bucket, command)

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send several commands in one round trip; errors of the node are among the replies."""
        return await self._cluster.ask_all(self._bucket, commands)

    async def read(self, *command: Any) -> Any:
        """Send a command that only reads; those who ask the same share it."""
        return await self._cluster.ask(self._bucket, command, read=True)

    async def wait(self, key: str, since: bytes, seconds: float) -> None:
        """Wait for a wake-up call after *since*, at most *seconds*."""
        await self._cluster.wait(self._bucket, key, since, seconds)
