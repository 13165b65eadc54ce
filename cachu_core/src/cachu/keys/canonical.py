"""The canonical bytes of a value: equal bytes for equal type and content, in every process.

The form is a prefix code: every value announces its own end, so values written one after the
other never run into each other.

    N  T  F                      None, True, False
    i<hex>;  f<hex>;             int, float (`float.hex`, all NaN alike)
    c<hex>;<hex>;                complex
    s<n>:  b<n>:  y<n>:          str (UTF-8), bytes, bytearray: n bytes follow
    t<n>:  l<n>:  S<n>:  Z<n>:   tuple, list, set, frozenset: n values follow
    d<n>:                        dict: n pairs of key and value follow
    g<n>:                        a class or function: n bytes of its name follow
    n k e r u p m a              <tag><n>:<name of n bytes>, then a tuple (see `classes`)

What has no order (set, frozenset, dict) is sorted by the bytes of its elements. Nothing depends on
`repr`, on `hash`, on memory addresses, or on which objects are shared.
"""

from __future__ import annotations

from cachu.errors import UncacheableArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    Handler: TypeAlias = Callable[[Any, int], bytes]

__all__ = ["HANDLERS", "MAX_DEPTH", "encode", "nested"]

# A fixed depth, so that what can be cached never depends on how deep the caller's stack is.
MAX_DEPTH = 200


class Handlers(dict[type, "Handler"]):
    """Class -> handler(value, depth), filled on the first sight of a class."""

    _choose: Callable[[type], Handler] | None = None

    def __missing__(self, cls: type) -> Handler:
        if self._choose is None:
            # Many an application passes nothing but the types below: the other rooms stay shut.
            from cachu.keys.classes import handler_of

            self._choose = handler_of
        return self._choose(cls)


def nested(value: object, depth: int) -> bytes:
    """Encode a value that is part of another one, `depth` levels down."""
    return HANDLERS[type(value)](value, depth)


def encode(value: object) -> bytes:
    """Return the canonical bytes of a value.

    Args:
        value: Any value. Its type counts as much as its content, inside containers too.

    Raises:
        UncacheableArgumentError: The value has no stable form, contains itself, or is nested too
            deeply. The error does not know the name of the parameter.
    """
    return HANDLERS[type(value)](value, 0)


def deeper(depth: int) -> int:
    """Return the depth of the values inside one at `depth`."""
    if depth >= MAX_DEPTH:
        raise UncacheableArgumentError(
            f"it contains itself, or is nested more than {MAX_DEPTH} levels deep"
        )
    return depth + 1


def _none(_value: None, _depth: int) -> bytes:
    return b"N"


def _bool(value: bool, _depth: int) -> bytes:
    return b"T" if value else b"F"


def _int(value: int, _depth: int) -> bytes:
    # Hexadecimal, because the interpreter limits the length of decimal ones.
    return b"i%x;" % value


def _float(value: float, _depth: int) -> bytes:
    return f"f{value.hex()};".encode()


def _complex(value: complex, _depth: int) -> bytes:
    return f"c{value.real.hex()};{value.imag.hex()};".encode()


def _str(value: str, _depth: int) -> bytes:
    try:
        data = value.encode()
    except UnicodeEncodeError:
        data = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(data), data)


def _bytes(value: bytes, _depth: int) -> bytes:
    return b"b%d:%b" % (len(value), value)


def _bytearray(value: bytearray, _depth: int) -> bytes:
    return b"y%d:%b" % (len(value), bytes(value))


def _tuple(value: tuple[object, ...], depth: int) -> bytes:
    depth = deeper(depth)
    parts = [HANDLERS[type(item)](item, depth) for item in value]
    return b"t%d:%b" % (len(parts), b"".join(parts))


def _list(value: list[object], depth: int) -> bytes:
    depth = deeper(depth)
    parts = [HANDLERS[type(item)](item, depth) for item in value]
    return b"l%d:%b" % (len(parts), b"".join(parts))


def _set(value: set[object], depth: int) -> bytes:
    depth = deeper(depth)
    parts = sorted([HANDLERS[type(item)](item, depth) for item in value])
    return b"S%d:%b" % (len(parts), b"".join(parts))


def _frozenset(value: frozenset[object], depth: int) -> bytes:
    depth = deeper(depth)
    parts = sorted([HANDLERS[type(item)](item, depth) for item in value])
    return b"Z%d:%b" % (len(parts), b"".join(parts))


def _dict(value: dict[object, object], depth: int) -> bytes:
    depth = deeper(depth)
    parts = [
        HANDLERS[type(key)](key, depth) + HANDLERS[type(item)](item, depth)
        for key, item in value.items()
    ]
    parts.sort()
    return b"d%d:%b" % (len(parts), b"".join(parts))


HANDLERS = Handlers(
    {
        type(None): _none,
        bool: _bool,
        int: _int,
        float: _float,
        complex: _complex,
        str: _str,
        bytes: _bytes,
        bytearray: _bytearray,
        tuple: _tuple,
        list: _list,
        set: _set,
        frozenset: _frozenset,
        dict: _dict,
    }
)
