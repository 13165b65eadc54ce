"""Value serializers: what turns a value into bytes and back. The pickle module is one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Serializer(Protocol):
        """Turns values into bytes and back.

        It may raise anything: cachu makes a `SerializationError`, a warning and a miss of it.
        """

        def dumps(self, value: Any, /) -> bytes:
            """Return *value* as bytes."""
            ...

        def loads(self, data: bytes, /) -> Any:
            """Return the value that `dumps` made *data* of."""
            ...


class PickleSerializer:
    """Stores whatever pickle can; the default. Loading runs code that the bytes name."""

    def dumps(self, value: Any, /) -> bytes:
        """Return *value*, pickled."""
        import pickle

        # Protocol 5 is what every supported Python reads.
        return pickle.dumps(value, 5)

    def loads(self, data: bytes, /) -> Any:
        """Return the value of a pickle."""
        import pickle

        return pickle.loads(data)


class JsonSerializer:
    """Stores what JSON can, and never runs code.

    A value that would come back changed (a tuple, a dict with keys that are not text) is refused.
    """

    def dumps(self, value: Any, /) -> bytes:
        """Return *value* as JSON.

        Raises:
            ValueError: If it would not come back equal and of the same type.
        """
        import json

        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if not _same(json.loads(text), value):
            message = f"JSON would change this {type(value).__name__}; use serializer='pickle'"
            raise ValueError(message)
        return text.encode("utf-8", "surrogatepass")

    def loads(self, data: bytes, /) -> Any:
        """Return the value of a JSON text."""
        import json

        return json.loads(data.decode("utf-8", "surrogatepass"))


def _same(one: object, other: object) -> bool:
    """Compare what JSON can hold, types included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one == other or (one != one and other != other)  # noqa: PLR0124  two NaNs
