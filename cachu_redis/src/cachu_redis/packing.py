"""Commands as the server reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

try:
    from hiredis import pack_command
except ImportError:  # without it, as redis-py can be

    def pack(command: Sequence[Any]) -> list[bytes]:
        """Return a command as the parts to send."""
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
        packed = [b"*%d\r\n" % len(parts)]
        packed += [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
        return packed

else:

    def pack(command: Sequence[Any]) -> list[bytes]:
        """Return a command as the parts to send.

        Args:
            command: Its words: text, bytes and whole numbers. redis-py also takes others apart,
                which costs more time than all the rest.
        """
        return [pack_command(tuple(command))]
