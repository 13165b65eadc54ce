"""Channels: how plain code sends commands over a connection, and reads the replies.

redis-py makes the connection and says hello. From then on its socket is ours: what redis-py does
around each command costs a fifth of it.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from cachu_redis import readers
from cachu_redis.packing import pack
from cachu_redis.readers import MORE, name_of

if TYPE_CHECKING:
    from typing import TypeAlias

    Channel: TypeAlias = "HiredisChannel | PlainChannel"

_PING: Final = b"".join(pack(("PING",)))
_AT_ONCE: Final = 65_536


def opened(connection: Any) -> Channel:
    """Return the channel over a connection that was just made, and is not used otherwise."""
    socket, reader = readers.socket_of(connection), readers.reader_for(connection)
    if socket is None or reader is None:
        return PlainChannel(connection)
    return HiredisChannel(connection, socket, reader)


class HiredisChannel:
    """A channel over one connection, for one thread at a time; see `opened`."""

    __slots__ = ("_connection", "_health", "_name", "_patience", "_reader", "_socket", "_used_at")

    def __init__(self, connection: Any, socket: Any, reader: Any) -> None:
        self._connection = connection
        self._socket = socket
        self._patience: float | None = connection.socket_timeout
        self._reader = reader
        self._name = name_of(connection)
        self._health: float = connection.health_check_interval or inf
        self._used_at = monotonic()

    def send(self, packed: bytes) -> None:
        """Send commands; if nobody used the connection for long, it is tried before.

        Raises:
            RedisError: If the connection is lost, or the server takes too long.
        """
        if monotonic() >= self._used_at + self._health:
            self._send(_PING)
            self.receive()
        self._send(packed)

    def receive(self, patience: float | None = None) -> Any:
        """Read one reply; an error of the server is returned, too.

        Args:
            patience: Seconds that the server has, if not as many as usual.
        """
        if patience is None:
            return self._receive()
        self._socket.settimeout(patience)
        try:
            return self._receive()
        finally:
            self._socket.settimeout(self._patience)

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def _send(self, packed: bytes) -> None:
        try:
            self._socket.sendall(packed)
        except TimeoutError as error:
            raise RedisTimeoutError(f"Timeout writing to {self._name}") from error
        except OSError as error:
            raise RedisConnectionError(f"Error while writing to {self._name}: {error}") from error

    def _receive(self) -> Any:
        reader = self._reader
        try:
            while (reply := reader.gets(False)) is MORE:
                data = self._socket.recv(_AT_ONCE)
                if not data:
                    raise RedisConnectionError(f"Connection closed by {self._name}")
                reader.feed(data)
        except TimeoutError as error:
            raise RedisTimeoutError(f"Timeout reading from {self._name}") from error
        except OSError as error:
            raise RedisConnectionError(f"Error while reading from {self._name}: {error}") from error
        if isinstance(reply, RedisConnectionError):
            raise reply  # the server hangs up
        self._used_at = monotonic()
        return reply


class PlainChannel:
    """The same without hiredis, by what redis-py does."""

    __slots__ = ("_connection", "_name")

    def __init__(self, connection: Any) -> None:
        # It has just been tried.
        connection.next_health_check = monotonic() + connection.health_check_interval
        self._connection = connection
        self._name = name_of(connection)

    def send(self, packed: bytes) -> None:
        """Send commands."""
        self._connection.send_packed_command([packed])

    def receive(self, patience: float | None = None) -> Any:
        """Read one reply; an error of the server is returned, too."""
        if patience is not None and not self._connection.can_read(timeout=patience):
            raise RedisTimeoutError(f"Timeout reading from {self._name}")
        try:
            return self._connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()
