"""A Cluster on this machine: masters that share the slots, and replicas if there are to be some."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING

from servers.processes import Server, commands, wait_for
from servers.resp import HOST

if TYPE_CHECKING:
    from collections import Counter

    from servers.finding import Engine

SLOTS = 16_384


def slot(key: str) -> int:
    """Return the slot of *key*, of which only what is in braces counts."""
    braced = re.search(r"\{(.+?)\}", key)
    return binascii.crc_hqx((braced[1] if braced else key).encode(), 0) % SLOTS


class Cluster:
    """Masters, each with so many replicas; `nodes` are the masters first."""

    def __init__(self, engine: Engine, masters: int = 3, replicas: int = 0) -> None:
        self.engine = engine
        self.masters = masters
        options = {
            "--cluster-enabled": "yes",
            "--cluster-node-timeout": 1000,
            "--cluster-announce-ip": HOST,
            "--cluster-replica-validity-factor": 0,
            "--repl-diskless-sync-delay": 0,  # it would wait five seconds for more replicas
        }
        arguments = [part for option in options.items() for part in option]
        self.nodes = [Server(engine, *arguments) for _ in range(masters * (1 + replicas))]

    def start(self) -> Cluster:
        for node in self.nodes:
            node.start()
        for number, node in enumerate(self.nodes[: self.masters]):
            first, end = (SLOTS * i // self.masters for i in (number, number + 1))
            node.send("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            node.send("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            self.nodes[0].send("CLUSTER", "MEET", HOST, node.port)
        known = f"cluster_known_nodes:{len(self.nodes)}\r"
        wait_for(lambda: all(known in node.send("CLUSTER", "INFO") for node in self.nodes), "nodes")
        for number, node in enumerate(self.nodes[self.masters :]):
            master = self.nodes[number % self.masters]
            node.send("CLUSTER", "REPLICATE", master.send("CLUSTER", "MYID"))
        wait_for(self._whole, "the cluster")
        return self

    def _whole(self) -> bool:
        replicas = self.nodes[self.masters :]
        return all(
            "cluster_state:ok" in node.send("CLUSTER", "INFO") for node in self.nodes
        ) and all("master_link_status:up" in node.send("INFO", "replication") for node in replicas)

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def commands(self) -> Counter[str]:
        return commands(self.nodes)

    def owner(self, slot: int) -> Server:
        """Return the master that has *slot*."""
        for first, last, master, *_ in self.nodes[0].send("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == master[1])
        raise LookupError(f"nobody has slot {slot}")

    @property
    def takers(self) -> list[Server]:
        """The servers that take commands: the masters of now."""
        masters = {master[1] for _, _, master, *_ in self.nodes[0].send("CLUSTER", "SLOTS")}
        return [node for node in self.nodes if node.port in masters]

    def home(self, key: str) -> Server:
        """Return the server that has *key*."""
        return self.owner(slot(key))

    def begin_moving(self, slot: int, target: Server) -> Server:
        """Move the keys of *slot*: who asks its owner is answered with ASK from now on."""
        source = self.owner(slot)
        target.send("CLUSTER", "SETSLOT", slot, "IMPORTING", source.send("CLUSTER", "MYID"))
        source.send("CLUSTER", "SETSLOT", slot, "MIGRATING", target.send("CLUSTER", "MYID"))
        for key in source.send("CLUSTER", "GETKEYSINSLOT", slot, 10_000):
            raw = key.encode("latin-1")
            source.send("MIGRATE", HOST, target.port, raw, 0, 2000)
        return source

    def finish_moving(self, slot: int, source: Server, target: Server) -> None:
        """Give *slot* away: who asks its former owner is answered with MOVED from now on."""
        identity = target.send("CLUSTER", "MYID")
        for node in (target, source):
            node.send("CLUSTER", "SETSLOT", slot, "NODE", identity)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
