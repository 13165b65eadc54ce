"""The protocol of Redis, as far as the tests need it: what they assert goes through no client."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"
Address = tuple[str, int] | str  # of TCP, or the path of a Unix socket


class ServerError(Exception):
    """What the server answered with: `-NOAUTH ...`."""


class Wire:
    """One connection, in plain code."""

    def __init__(self, address: Address, *, timeout: float = 5.0, password: str = "") -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        try:
            self.socket.settimeout(timeout)
            self.socket.connect(address)
            self._reader = self.socket.makefile("rb")
            if password:
                self.send("AUTH", password)
        except BaseException:
            self.socket.close()
            raise

    def send(self, *parts: object):
        """Send a command and return what it is answered with."""
        self.socket.sendall(encode(*parts))
        return self.receive()

    def receive(self):
        """Wait for the next answer, or what the server says of its own accord."""
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server hung up")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise ServerError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self._reader.read(length + 2)[:-2].decode("latin-1")
        if kind == b"*":
            return None if rest == "-1" else [self.receive() for _ in range(int(rest))]
        return rest

    def close(self) -> None:
        self._reader.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def encode(*parts: object) -> bytes:
    """Return a command as it travels."""
    raw = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in raw)
