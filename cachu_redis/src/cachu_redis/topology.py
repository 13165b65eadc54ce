"""Which node of a Cluster has which bucket, and which nodes are left alone because they failed."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from cachu_redis.spelling import CLUSTER_BUCKETS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Address: TypeAlias = tuple[str, int]

SLOTS: Final = [key_slot(str(bucket).encode()) for bucket in range(CLUSTER_BUCKETS)]
"""The slot of each bucket."""
# How often a command follows a bucket that moves, and how long it waits for one that is between
# two nodes, in seconds.
HOPS: Final = 4
BETWEEN: Final = 0.01
_WORDS: Final[dict[str, Callable[[str], ResponseError]]] = {
    "ASK": AskError,
    "CLUSTERDOWN": ClusterDownError,
    "MOVED": MovedError,
    "TRYAGAIN": TryAgainError,
}
# How long a node that failed is left alone, in seconds: less at first, then more.
_SHORTEST: Final = 0.1
_LONGEST: Final = 1.0


def meant(error: ResponseError) -> ResponseError:
    """Return what a node meant; before its release 6, redis-py only reads it for its own client."""
    word, _, rest = str(error).partition(" ")
    kind = _WORDS.get(word)
    return error if kind is None else kind(rest)


def moves(error: ResponseError) -> bool:
    """Tell whether a node said that a bucket moves, or that it is not its master any more."""
    moved = isinstance(meant(error), (AskError, ClusterDownError, TryAgainError))
    return moved or str(error).startswith("UNBLOCKED")


class NodeError(RedisConnectionError):
    """One node of a Cluster failed, or is left alone because it did; the others may be all right.

    Attributes:
        partial: Tells cachu not to leave all of the Cluster alone.
    """

    partial = True


class Topology:
    """What one process knows of a Cluster.

    Args:
        seeds: Nodes to ask for the others; those that did not answer move to the end.
    """

    def __init__(self, seeds: Sequence[Address]) -> None:
        self._seeds = list(seeds)
        self._owners: dict[int, Address] = {}
        self._rests: dict[Address, tuple[float, float, Exception]] = {}
        self._stale = True

    def owner(self, bucket: int) -> Address | None:
        """Return the node of a bucket; None if the nodes have to be asked first.

        Raises:
            NodeError: If the node is left alone now.
        """
        address = self._owners.get(bucket)
        rest = self._rests.get(address) if self._rests and address else None
        if address is not None and rest is not None:
            until, _, error = rest
            if monotonic() < until:
                raise NodeError(
                    f"The node {address[0]}:{address[1]} is left alone for a moment"
                ) from error.with_traceback(None)
        return None if self._stale else address

    def known(self) -> list[Address]:
        """Return the nodes to ask, the most promising first."""
        owners = [address for address in set(self._owners.values()) if address not in self._rests]
        return list(dict.fromkeys([*owners, *self._seeds]))

    @property
    def owners(self) -> set[Address]:
        """All nodes that have buckets."""
        return set(self._owners.values())

    def silent(self, address: Address) -> None:
        """Ask *address* last the next time."""
        if address in self._seeds:
            self._seeds.remove(address)
            self._seeds.append(address)

    def learn(self, reply: Sequence[Any], asked: Address) -> bool:
        """Read what a node answers to `CLUSTER SLOTS`; say whether every bucket has a node."""
        owners: dict[int, Address] = {}
        for first, last, node, *_ in reply:
            host = node[0].decode() if node[0] else ""
            address = host or asked[0], int(node[1])
            for bucket, slot in enumerate(SLOTS):
                if first <= slot <= last:
                    owners[bucket] = address
        self._owners, self._stale = owners, False
        return len(owners) == len(SLOTS)

    def moved(self, bucket: int, address: Address) -> None:
        """Note what a node said of a bucket that it does not have any more."""
        self._owners[bucket] = address

    def doubt(self) -> None:
        """Ask the nodes again before the next command."""
        self._stale = True

    def failed(self, address: Address, error: Exception) -> NodeError:
        """Leave a node alone for a while; perhaps another one has taken its place by then.

        Returns:
            What to raise from *error*.
        """
        now = monotonic()
        before = self._rests.get(address)
        pause = _SHORTEST if before is None else min(2 * before[1], _LONGEST)
        self._rests[address] = now + pause, pause, error
        self._stale = True
        return NodeError(f"The node {address[0]}:{address[1]}: {type(error).__name__}: {error}")

    def answered(self, address: Address) -> None:
        """Use a node as ever again."""
        if self._rests:
            self._rests.pop(address, None)
