"""Value serializers: what turns a value into bytes and back. The pickle module is one.

Imported only where bytes are kept; the modules that do the work are imported once, not per call.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Final, Protocol, TypeAlias

    Pieces: TypeAlias = tuple[bytes, ...]

    class Serializer(Protocol):
        """Turns values into bytes and back.

        It may raise anything: cachu makes a `SerializationError`, a warning and a miss of it. One
        that has a true attribute `takes_views` is given large data as a `memoryview`, not copied.
        One that has a method `pieces` is asked for what `dumps` returns in parts, for the same.
        """

        def dumps(self, value: Any, /) -> bytes:
            """Return *value* as bytes."""
            ...

        def loads(self, data: bytes, /) -> Any:
            """Return the value that `dumps` made *data* of."""
            ...


class PickleSerializer:
    """Stores whatever pickle can; the default. Loading runs code that the bytes name.

    Attributes:
        loads: Returns the value of a pickle.
    """

    takes_views: ClassVar[bool] = True
    loads: Callable[[Any], Any]

    def __init__(self) -> None:
        import pickle

        self._dumps: Callable[[Any, int], bytes] = pickle.dumps
        if not hasattr(self, "loads"):  # a subclass may have its own
            self.loads = pickle.loads

    def dumps(self, value: Any, /) -> bytes:
        """Return *value*, pickled."""
        return b"".join(self.pieces(value))

    def pieces(self, value: Any, /) -> Pieces:
        """Return the parts of *value*, pickled."""
        if type(value) is bytes and _LARGE <= len(value) < _TOO_LARGE:
            # A pickler would copy it into a buffer that grows, which takes ten times as long.
            return _BYTES, len(value).to_bytes(4, "little"), value, _STOP
        return (self._dumps(value, _PROTOCOL),)


class JsonSerializer:
    """Stores what JSON can, and never runs code.

    A value that would come back changed (a tuple, a dict with keys that are not text) is refused.
    """

    __slots__ = ("_decode", "_encode")

    takes_views: ClassVar[bool] = True

    def __init__(self) -> None:
        import json

        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        self._decode = json.JSONDecoder().decode

    def dumps(self, value: Any, /) -> bytes:
        """Return *value* as JSON.

        Raises:
            ValueError: If it would not come back equal and of the same type.
        """
        refuse_changes(value, _JSON, _TEXT, "JSON")
        return self._encode(value).encode("utf-8", "surrogatepass")

    def loads(self, data: bytes, /) -> Any:
        """Return the value of a JSON text."""
        return self._decode(str(data, "utf-8", "surrogatepass"))


class MsgpackSerializer:
    """Stores what MessagePack can, by msgspec; smaller and faster than JSON, and never runs code.

    A value that would come back changed (a tuple, a set, a date) is refused.
    """

    __slots__ = ("_encode", "loads")

    takes_views: ClassVar[bool] = True

    def __init__(self) -> None:
        from msgspec import msgpack

        # Both may be used by several threads at once.
        self._encode = msgpack.Encoder().encode
        self.loads: Callable[[Any], Any] = msgpack.Decoder().decode

    def dumps(self, value: Any, /) -> bytes:
        """Return *value* as MessagePack.

        Raises:
            ValueError: If it would not come back equal and of the same type.
        """
        refuse_changes(value, _MSGPACK, _KEYS, "MessagePack")
        return self._encode(value)


# Of pickles: what every supported Python reads.
_PROTOCOL: Final = 5
# How it spells bytes: the protocol, an opcode, the length in four bytes, and the end.
_BYTES: Final = b"\x80\x05B"
_STOP: Final = b"."
_LARGE: Final = 16 * 1024
_TOO_LARGE: Final = 1 << 32
_JSON: Final[frozenset[type]] = frozenset((str, int, float, bool, type(None)))
_TEXT: Final[frozenset[type]] = frozenset((str,))
_MSGPACK: Final[frozenset[type]] = _JSON | {bytes}
_KEYS: Final[frozenset[type]] = frozenset((str, int, bytes))


def refuse_changes(
    value: object, scalars: frozenset[type], keys: frozenset[type], form: str
) -> None:
    """Raise `ValueError` for a value that would not come back from *form* as it is.

    Looking at the types is several times faster than decoding what was encoded.

    Args:
        value: The value; lists and dicts, of exactly those types, are looked into.
        scalars: The types that come back, no subclass of theirs.
        keys: Those that do so as a key of a dict.
        form: What to call it in the message.
    """
    kind = type(value)
    if kind in scalars:
        return
    if isinstance(value, list) and kind is list:
        inside = value
    elif isinstance(value, dict) and kind is dict:
        odd = set(map(type, value)) - keys
        if odd:
            names = ", ".join(sorted(key.__name__ for key in odd))
            raise ValueError(f"{form} would change keys of type {names}; {_ADVICE}")
        inside = value.values()  # type: ignore[assignment]
    else:
        raise ValueError(f"{form} would change this {kind.__name__}; {_ADVICE}")
    if not scalars.issuperset(map(type, inside)):
        for item in inside:
            refuse_changes(item, scalars, keys, form)


_ADVICE: Final = "return plain lists and dicts, or use serializer='pickle'"
