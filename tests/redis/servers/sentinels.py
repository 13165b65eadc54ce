"""A master, its replica, and three Sentinels that watch over them."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING

from servers.processes import Server, free_port, wait_for
from servers.resp import HOST

if TYPE_CHECKING:
    from servers.finding import Engine

NAME = "mymaster"
DOWN_MS = 500  # without an answer, after which a master counts as down
OF_THEIR_OWN = {"ping", "publish", "subscribe", "replconf", "psync", "role", "replicaof"}
QUICK = ("--repl-diskless-sync-delay", 0)


class Sentinels:
    """`nodes` are the servers that hold data, the first master first."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.nodes: list[Server] = []
        self.sentinels: list[Server] = []

    def start(self) -> Sentinels:
        master = Server(self.engine, *QUICK).start()
        self.nodes = [master]
        replica = Server(self.engine, "--replicaof", f"{HOST} {master.port}", *QUICK).start()
        self.nodes.append(replica)
        # Each is told of the others beforehand: they would find them within seconds.
        known = [(secrets.token_hex(20), free_port()) for _ in range(3)]
        for mine, port in known:
            lines = [
                f"sentinel myid {mine}",
                f"sentinel monitor {NAME} {HOST} {master.port} 2",
                f"sentinel down-after-milliseconds {NAME} {DOWN_MS}",
                f"sentinel failover-timeout {NAME} 3000",
                f"sentinel known-replica {NAME} {HOST} {replica.port}",
                *(
                    f"sentinel known-sentinel {NAME} {HOST} {other_port} {other}"
                    for other, other_port in known
                    if other != mine
                ),
            ]
            sentinel = Server(self.engine, sentinel="\n".join(lines) + "\n")
            sentinel.port = port
            self.sentinels.append(sentinel.start())
        wait_for(lambda: all(map(self._converged, self.sentinels)), "the sentinels")
        wait_for(
            lambda: "master_link_status:up" in replica.send("INFO", "replication"), "the replica"
        )
        return self

    @staticmethod
    def _converged(sentinel: Server) -> bool:
        said = sentinel.send("SENTINEL", "MASTER", NAME)
        state = dict(zip(said[::2], said[1::2]))
        return state["num-other-sentinels"] == "2" and int(state["num-slaves"]) >= 1

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [(HOST, sentinel.port) for sentinel in self.sentinels]

    @property
    def master(self) -> Server:
        """Return who is master now, as the Sentinels say."""
        _, port = self.sentinels[0].send("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return next(node for node in self.nodes if node.port == int(port))

    @property
    def takers(self) -> list[Server]:
        return [self.master]

    def home(self, key: str) -> Server:
        """Return the server that has *key*."""
        return self.master

    def commands(self) -> Counter[str]:
        """Return what the master was asked by others than Sentinels; its replica repeats that."""
        called = self.master.commands()
        return Counter({name: n for name, n in called.items() if name not in OF_THEIR_OWN})

    def fail_over(self) -> None:
        """Have them make the replica master, and wait until it is."""
        before = self.master.port
        self.sentinels[0].send("SENTINEL", "FAILOVER", NAME)
        self.wait_for_another(before)

    def wait_for_another(self, port: int) -> None:
        """Wait until the master is no longer at *port*, and takes writes."""
        wait_for(
            lambda: (
                self.master.port != port
                and "role:master" in self.master.send("INFO", "replication")
            ),
            "a failover",
        )

    def stop(self) -> None:
        for server in [*self.sentinels, *self.nodes]:
            server.stop()
