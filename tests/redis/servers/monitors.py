"""Who sent what: MONITOR tells what a client sent from what a script did with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from servers.sentinels import OF_THEIR_OWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers.processes import Server

LINE = re.compile(r'[\d.]+ \[\d+ (?P<source>[^\]]*)\] "(?P<name>[^"]*)"(?P<rest>.*)')
SET_UP = {"hello", "auth", "client", "select", "info", "echo", "cluster", "command", "monitor"}
END = "the monitor ends here"


class Monitor:
    """Listens to servers, inside of `with`.

    Attributes:
        sent: The names of the commands that clients sent, in the order in which each server got
            them; those that scripts called and those that set connections up are not among them.
    """

    def __init__(self, nodes: Sequence[Server]) -> None:
        self._nodes = nodes
        self.sent: list[str] = []

    def __enter__(self):
        self._wires = [node.connect() for node in self._nodes]
        for wire in self._wires:
            wire.send("MONITOR")
        return self

    def __exit__(self, *error: object) -> None:
        for node, wire in zip(self._nodes, self._wires):
            node.send("ECHO", END)
            while END not in (line := wire.receive()):
                found = LINE.match(line)
                assert found, line
                name = found["name"].lower()
                if found["source"] != "lua" and name not in SET_UP | OF_THEIR_OWN:
                    self.sent.append(name)
            wire.close()
