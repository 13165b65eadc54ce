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

from weakref import ref

from cachu.errors import UncacheableArgumentError
from cachu.loads import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, Final, TypeAlias

    Handler: TypeAlias = Callable[[Any, int], bytes]

__all__ = ["HANDLERS", "MAX_DEPTH", "TEXTS", "encode", "nested"]

# A fixed depth, so that what can be cached never depends on how deep the caller's stack is.
MAX_DEPTH = 200
_MOST_TEXTS = 1024
_LONG_TEXT = 64
# The others by id, for a metaclass may redefine what is equal.
_mortal: Final[dict[int, tuple[ref[type], Handler]]] = {}
# Sizes below have the beginning of their canonical bytes ready.
_USUAL = 64


class Handlers(dict[type, "Handler"]):
    """Class -> handler(value, depth), filled on the first sight of a class.

    Only classes that live for ever are kept in here.
    """

    def __missing__(self, cls: type) -> Handler:
        found = _mortal.get(id(cls))
        if found is not None and found[0]() is cls:
            return found[1]
        # Many an application passes nothing but the types below: the other rooms stay shut.
        with loads:
            from cachu.keys.classes import choose

        handler = choose(cls)
        if cls not in self:
            place = id(cls)
            _mortal[place] = ref(cls, lambda _: _mortal.pop(place, None)), handler
        return handler


class Texts(dict[str, bytes]):
    """Text -> its canonical bytes: names of parameters and fields, keys of dicts.

    There are few of them, and they come again at every call. Only an exact `str` may be looked up.
    """

    def __missing__(self, text: str) -> bytes:
        data = _str(text, 0)
        if len(text) <= _LONG_TEXT:
            if len(self) >= _MOST_TEXTS:
                self.clear()
            self[text] = data
        return data


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
    size = len(data)
    # Joining is half the price of formatting.
    return _STR_STARTS[size] + data if size < _USUAL else b"s%d:%b" % (size, data)


def _bytes(value: bytes, _depth: int) -> bytes:
    return b"b%d:%b" % (len(value), value)


def _bytearray(value: bytearray, _depth: int) -> bytes:
    return b"y%d:%b" % (len(value), bytes(value))


def _starts(tag: bytes) -> list[bytes]:
    return [b"%b%d:" % (tag, size) for size in range(_USUAL)]


def _collection(tag: bytes, *, ordered: bool) -> Handler:
    starts = _starts(tag)

    def collection(value: Collection[Any], depth: int) -> bytes:
        depth = depth + 1 if depth < MAX_DEPTH else deeper(depth)
        parts: list[bytes] = []
        # Every call with such an argument comes by here, and calling a handler costs as much as
        # what it does for an int.
        for item in value:
            kind = type(item)
            parts.append(b"i%x;" % item if kind is int else HANDLERS[kind](item, depth))
        if not ordered:
            parts.sort()
        size = len(parts)
        start = starts[size] if size < _USUAL else b"%b%d:" % (tag, size)
        return start + b"".join(parts)

    return collection


def _dict(value: dict[Any, Any], depth: int) -> bytes:
    depth = depth + 1 if depth < MAX_DEPTH else deeper(depth)
    parts: list[bytes] = []
    for key, item in value.items():
        kind = type(key)
        # No other class is looked up: it might be equal to the text of another.
        start = TEXTS[key] if kind is str else HANDLERS[kind](key, depth)
        kind = type(item)
        parts.append(start + (b"i%x;" % item if kind is int else HANDLERS[kind](item, depth)))
    parts.sort()
    return b"d%d:%b" % (len(parts), b"".join(parts))


_STR_STARTS = _starts(b"s")
TEXTS = Texts()
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
        tuple: _collection(b"t", ordered=True),
        list: _collection(b"l", ordered=True),
        set: _collection(b"S", ordered=False),
        frozenset: _collection(b"Z", ordered=False),
        dict: _dict,
    }
)
