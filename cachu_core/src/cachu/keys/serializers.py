"""From the arguments of a call to the last part of its key.

A key serializer gets the arguments that count, by name and in the order in which the function
declares them, and returns text. Different arguments must never make the same text.
"""

from __future__ import annotations

from cachu.errors import UncacheableArgumentError
from cachu.keys.canonical import HANDLERS, TEXTS, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol
else:
    Protocol = object

__all__ = ["KeySerializer", "digest", "digest_of", "text"]

_DIGEST_SIZE = 16


class KeySerializer(Protocol):
    """Turns the arguments that count into the last part of a key."""

    def __call__(self, arguments: Mapping[str, Any], /) -> str:
        """Return a text that is different for different arguments.

        Args:
            arguments: Parameter name -> value. `*args` is one tuple and `**kwargs` one dict, each
                under its own name.

        Raises:
            UncacheableArgumentError: No key can be made of one of the arguments.
        """
        ...


_blake2b: Callable[..., Any] | None = None


def _load_blake2b() -> Callable[..., Any]:
    # `hashlib` loads OpenSSL, which an application whose arguments are all plain may never need.
    global _blake2b  # noqa: PLW0603 - filled once, read at every call
    from hashlib import blake2b

    _blake2b = blake2b
    return blake2b


def digest(arguments: Mapping[str, Any]) -> str:
    """Return a digest of the arguments, in which none of them can be read.

    Args:
        arguments: Parameter name -> value, in the order of declaration.

    Returns:
        32 hexadecimal digits: BLAKE2b-128 of the names and the canonical bytes of the values.

    Raises:
        UncacheableArgumentError: An argument has no stable form; `.parameter` names it.
    """
    parts = []
    name = None
    try:
        for name, value in arguments.items():
            parts.append(TEXTS[name])
            parts.append(HANDLERS[type(value)](value, 0))
    except UncacheableArgumentError as error:
        error.parameter = name
        raise
    return digest_of(b"".join(parts))


def digest_of(data: bytes) -> str:
    """Return the digest of arguments: names and values, their canonical bytes one after another."""
    blake2b = _blake2b or _load_blake2b()
    hexadecimal: str = blake2b(data, digest_size=_DIGEST_SIZE).hexdigest()
    return hexadecimal


def text(arguments: Mapping[str, Any]) -> str:
    r"""Return the arguments in readable form, for debugging.

    It is made from the canonical bytes alone, so that it distinguishes exactly what they do. All of
    it is printable ASCII. Strings and bytes beyond 128 bytes are cut and end in their digest.

    Args:
        arguments: Parameter name -> value, in the order of declaration.

    Returns:
        For example `user_id=7, name='J\xf6rg'`.

    Raises:
        UncacheableArgumentError: An argument has no stable form; `.parameter` names it.
    """
    from cachu.keys.readable import render

    parts = []
    name = None
    try:
        for name, value in arguments.items():
            spelt = name if name.isidentifier() and name.isascii() else ascii(name)
            parts.append(f"{spelt}={render(encode(value))}")
    except UncacheableArgumentError as error:
        error.parameter = name
        raise
    return ", ".join(parts)
