"""What a Lua script is: a text, and the name by which a server knows it."""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final

from cachu_redis.lua import assembled

if TYPE_CHECKING:
    from collections.abc import Sequence

_texts: Final[dict[str, str]] = {}


class Script:
    """A script and the name by which the server knows it.

    Attributes:
        source: The text.
        digest: Its SHA-1, as `EVALSHA` takes it.
    """

    __slots__ = ("digest", "source")

    def __init__(self, source: str) -> None:
        self.source: str = assembled(source)
        self.digest: str = sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        _texts[self.digest] = self.source

    def call(self, keys: Sequence[str], *args: Any) -> tuple[Any, ...]:
        """Return the command that runs it."""
        return ("EVALSHA", self.digest, len(keys), *keys, *args)


def spelled_out(command: Sequence[Any]) -> tuple[Any, ...]:
    """Return the command that runs a script for a server that does not know the script yet."""
    return ("EVAL", _texts[command[1]], *command[2:])
