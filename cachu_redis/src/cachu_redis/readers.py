"""What reads the replies of a connection, and what it is called in errors."""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import InvalidResponse

MORE: Final = object()
"""What a reader answers as long as there is no whole reply."""


def name_of(connection: Any) -> str:
    """Return where a connection leads to: host and port, or a path."""
    path = getattr(connection, "path", None)
    return str(path) if path else f"{connection.host}:{connection.port}"


def reader_for(connection: Any) -> Any:
    """Return what reads replies from a connection of redis-py; None if hiredis is not installed.

    Errors of the server are among the replies, as the exceptions that redis-py has for them.
    """
    try:
        from hiredis import Reader
    except ImportError:  # without it, as redis-py can be
        return None
    errors = connection._parser.parse_error  # noqa: SLF001
    return Reader(protocolError=InvalidResponse, replyError=errors, notEnoughData=MORE)
