"""What stands between a client and a server: slowness, silence, encryption, a count of calls."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

from servers.resp import HOST, Address

if TYPE_CHECKING:
    import ssl

PATIENCE = 20.0


class Proxy:
    """Passes on what it gets, in a thread of its own.

    Args:
        target: The address of the server.
        tls: With which connections are decrypted, or None.

    Attributes:
        delay: How many seconds every answer is late.
        silent: Whether answers are swallowed instead.
        losing: A request with these bytes is passed on, once, and its answer is lost along with the
            connection.
        taken: How many connections were taken so far.
        requests: How many bursts of requests clients have sent: one for each round trip.
    """

    def __init__(self, target: Address, *, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self.delay = 0.0
        self.silent = False
        self.losing = b""
        self.taken = 0
        self.requests = 0
        self.pairs: set[_Client] = set()
        self.loop = asyncio.new_event_loop()
        self._tls = tls
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def start(self) -> Proxy:
        self._thread.start()
        opened = self.loop.create_server(lambda: _Client(self), HOST, 0, ssl=self._tls)
        self._server = self._run(opened)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def url(self) -> str:
        return f"redis{'s' * (self._tls is not None)}://{HOST}:{self.port}/0"

    def cut(self) -> None:
        """End every connection that is open now."""
        self._run(self._cut())

    def stop(self) -> None:
        self._run(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    async def _cut(self) -> None:
        while pairs := list(self.pairs):
            await asyncio.gather(*(pair.opening for pair in pairs))
            for pair in pairs:
                pair.end()
            await asyncio.sleep(0)

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        await asyncio.sleep(0)


class _Client(asyncio.Protocol):
    """A client's end of a connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.transport: asyncio.Transport | None = None
        self._server: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self.loses = False

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.proxy.taken += 1
        self.proxy.pairs.add(self)
        self.opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        loop, target = self.proxy.loop, self.proxy.target
        try:
            if isinstance(target, str):
                server, _ = await loop.create_unix_connection(lambda: _Server(self), target)
            else:
                server, _ = await loop.create_connection(lambda: _Server(self), *target)
        except OSError:
            self.end()
            return
        self._server = server
        for data in self._early:
            server.write(data)
        if self not in self.proxy.pairs:
            server.abort()

    def data_received(self, data: bytes) -> None:
        self.proxy.requests += 1
        if self.proxy.losing and self.proxy.losing in data:
            self.proxy.losing, self.loses = b"", True
        if self._server is None:
            self._early.append(data)
        else:
            self._server.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.end()

    def end(self) -> None:
        """End both connections."""
        self.proxy.pairs.discard(self)
        for transport in (self.transport, self._server):
            if transport is not None:
                transport.abort()


class _Server(asyncio.Protocol):
    """The server's end of a connection."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        if self._client.proxy.delay:
            self._client.proxy.loop.call_later(self._client.proxy.delay, self._answer, data)
        else:
            self._answer(data)

    def _answer(self, data: bytes) -> None:
        if self._client.loses:
            self._client.end()
        if not self._client.proxy.silent and not self._client.transport.is_closing():
            self._client.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.transport.close()  # once what is written has gone


class BlackHole:
    """A port on which connections are neither taken nor refused, as behind a firewall."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0), backlog=0)
        self.port = self._listener.getsockname()[1]
        self._waiting: list[socket.socket] = []

    def start(self) -> BlackHole:
        for _ in range(64):  # until nobody fits into the queue
            waiting = socket.socket()
            self._waiting.append(waiting)
            waiting.settimeout(0.2)
            try:
                waiting.connect((HOST, self.port))
            except TimeoutError:
                return self
        raise RuntimeError("this system takes every connection")

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def stop(self) -> None:
        for each in (*self._waiting, self._listener):
            each.close()


class Authority:
    """Certificates that nobody knows but those who are given `ca`."""

    def __init__(self, folder) -> None:
        import ssl

        import trustme

        authority = trustme.CA()
        self.ca = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST, "localhost").configure_cert(self.context)
