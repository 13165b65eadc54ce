"""What is taken from a connection of redis-py: its socket, a reader of replies, and its name.

Not all of it is public there. What a release does not have is done without: then redis-py reads.
"""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import InvalidResponse

MORE: Final = object()
"""What a reader answers as long as there is no whole reply."""


def name_of(connection: Any) -> str:
    """Return where a connection leads to: host and port, or a path."""
    path = getattr(connection, "path", None)
    return str(path) if path else f"{connection.host}:{connection.port}"


def socket_of(connection: Any) -> Any:
    """Return the socket of a connection of redis-py; None if this redis-py has it elsewhere."""
    return getattr(connection, "_sock", None)


def transport_of(connection: Any) -> Any:
    """Return the transport of an asynchronous connection, likewise."""
    return getattr(getattr(connection, "_writer", None), "transport", None)


def reader_for(connection: Any) -> Any:
    """Return what reads replies from a connection of redis-py; None if nothing here can.

    Errors of the server are among the replies, as the exceptions that redis-py has for them.
    """
    try:
        from hiredis import Reader
    except ImportError:  # without it, as redis-py can be
        return None
    errors = getattr(getattr(connection, "_parser", None), "parse_error", None)
    if errors is None:
        return None
    return Reader(protocolError=InvalidResponse, replyError=errors, notEnoughData=MORE)
