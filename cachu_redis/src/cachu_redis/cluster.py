"""Lines to the nodes of a Cluster, for plain code.

All keys of a command are in one bucket, so that one node has them all.
"""

from __future__ import annotations

import time
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

from cachu_redis.lines import Line
from cachu_redis.script import spelled_out
from cachu_redis.topology import BETWEEN, HOPS, Topology, meant, moves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cachu_redis.exchanges import Command, Sent
    from cachu_redis.topology import Address


class ClusterLine:
    """Lines to all nodes.

    Args:
        make: Makes a connection to an address.
        seeds: Some of the nodes.
        size: How many connections to each there may be.
        patience: Seconds that a caller waits for a connection, or for an answer to come.
    """

    def __init__(
        self,
        make: Callable[[str, int], Any],
        seeds: Sequence[Address],
        size: int,
        patience: float,
    ) -> None:
        self._make = make
        self._size = size
        self._patience = patience
        self._seeds = seeds
        self._topology = Topology(seeds)
        self._lines: dict[Address, Line] = {}

    def at(self, bucket: int) -> BucketLine:
        """Return the line to whatever node has a bucket."""
        return BucketLine(self, bucket)

    def ask(self, bucket: int, command: Command) -> Any:
        """Send a command to the node of its bucket."""
        for _ in range(HOPS):
            address = self._owner(bucket)
            try:
                reply = self.node(address).ask(*command)
            except ResponseError as refusal:
                error = meant(refusal)
                if isinstance(error, MovedError):
                    self._topology.moved(bucket, (error.host or address[0], error.port))
                elif isinstance(error, AskError):
                    place = error.host or address[0], error.port
                    return self._ask_elsewhere(place, command)
                elif isinstance(error, TryAgainError):
                    time.sleep(BETWEEN)
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

    def ask_each(self, commands: Sequence[tuple[int, Command]]) -> list[Any]:
        """Send commands, each with the number of its bucket, in one round trip per node.

        Returns:
            Their replies; where a node said no, or nothing, that error.
        """
        replies: list[Any] = [None] * len(commands)
        nodes: dict[Address, list[int]] = defaultdict(list)
        for number, (bucket, _) in enumerate(commands):
            try:
                nodes[self._owner(bucket)].append(number)
            except RedisError as error:
                replies[number] = error
        asked = {at: [commands[number][1] for number in numbers] for at, numbers in nodes.items()}
        for address, answers in self._ask_nodes(asked).items():
            for number, answer in zip(nodes[address], answers):
                replies[number] = answer
        for number, reply in enumerate(replies):
            if isinstance(reply, ResponseError) and moves(reply):
                replies[number] = self.ask(*commands[number])
        return replies

    def _ask_nodes(self, commands: dict[Address, list[Command]]) -> dict[Address, list[Any]]:
        """Send each node its commands, before any of the answers is waited for."""
        sent: dict[Address, Sent] = {}
        heard: dict[Address, list[Any] | None] = {}
        replies: dict[Address, list[Any]] = {}

        def each(nodes: Iterable[Address], work: Callable[[Address], None]) -> None:
            for address in nodes:
                try:
                    work(address)
                except (RedisError, OSError) as error:
                    failure = self._topology.failed(address, error)
                    replies[address] = [failure] * len(commands[address])

        def start(address: Address) -> None:
            sent[address] = self.node(address).start(commands[address])

        def hear(address: Address) -> None:
            heard[address] = self.node(address).hear(sent.pop(address), commands[address])

        def settle(address: Address) -> None:
            replies[address] = self.node(address).settle(heard[address], commands[address])

        try:
            # Always in the same order, so that no callers wait for each other's connections.
            each(sorted(commands), start)
            each(list(sent), hear)
        finally:
            for rest in sent.values():
                rest.call_off()
        each(heard, settle)
        return replies

    def ask_all(self, bucket: int, commands: Sequence[Command]) -> list[Any]:
        """Send several commands, in this order, to the node of their bucket.

        Returns:
            Their replies; where the node said no, be it that the bucket moves, that error.
        """
        address = self._owner(bucket)
        try:
            replies = self.node(address).ask_all(commands)
        except (RedisConnectionError, RedisTimeoutError, OSError) as failure:
            raise self._topology.failed(address, failure) from failure
        self._topology.answered(address)
        return replies

    def wait(self, bucket: int, key: str, since: bytes, seconds: float) -> None:
        """Wait for a wake-up call at the node of a bucket."""
        address = self._owner(bucket)
        try:
            self.node(address).wait(key, since, seconds)
        except ResponseError as error:
            if not moves(error):
                raise
            time.sleep(BETWEEN)  # whoever waits looks again
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            raise self._topology.failed(address, error) from error

    def node(self, address: Address) -> Line:
        """Return the line to one node."""
        found = self._lines.get(address)
        if found is None:
            made = Line(lambda: self._make(*address), self._size, self._patience, "cluster")
            found = self._lines.setdefault(address, made)
        return found

    def masters(self) -> set[Address]:
        """Ask which nodes there are that have buckets."""
        self._topology.doubt()
        self._owner(0)
        return self._topology.owners

    def close(self) -> None:
        """Close what is idle now."""
        for line in list(self._lines.values()):
            line.close()

    def after_fork(self) -> None:
        """Forget, in a child process, the connections of its parent."""
        self._lines = {}
        self._topology = Topology(self._seeds)

    def _owner(self, bucket: int) -> Address:
        address = self._topology.owner(bucket)
        if address is None:
            self._discover()
            address = self._topology.owner(bucket)
        if address is None:
            raise RedisConnectionError(f"No node of the Cluster has bucket {bucket}")
        return address

    def _discover(self) -> None:
        """Ask the nodes, one after the other, which has what."""
        until = monotonic() + self._patience
        failure: Exception | None = None
        for address in self._topology.known():
            try:
                reply = self.node(address).ask("CLUSTER", "SLOTS")
            except (RedisError, OSError) as error:
                failure = error
                self._topology.silent(address)
                if monotonic() >= until:
                    break
            else:
                self._topology.learn(reply, address)
                return
        raise failure or RedisConnectionError("No node of the Cluster is known")

    def _ask_elsewhere(self, address: Address, command: Command) -> Any:
        """Ask the node that a slot is just moving to."""
        if command[0] == "EVALSHA":
            command = spelled_out(command)
        reply = self.node(address).ask_all([("ASKING",), command])[1]
        if isinstance(reply, Exception):
            raise reply
        return reply


class BucketLine:
    """The line to whatever node has a bucket."""

    __slots__ = ("_bucket", "_cluster")

    raw: Final = True
    """Whether replies come as the server sent them, whatever the command."""

    def __init__(self, cluster: ClusterLine, bucket: int) -> None:
        self._cluster = cluster
        self._bucket = bucket

    def ask(self, *command: Any) -> Any:
        """Send a command and return the reply."""
        return self._cluster.ask(self._bucket, command)

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send several commands in one round trip; errors of the node are among the replies."""
        return self._cluster.ask_all(self._bucket, commands)

    def wait(self, key: str, since: bytes, seconds: float) -> None:
        """Wait for a wake-up call after *since*, at most *seconds*."""
        self._cluster.wait(self._bucket, key, since, seconds)
