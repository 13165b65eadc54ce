"""Objects by class and state: records by their fields, others as pickle would save them."""

from __future__ import annotations

import copyreg
import sys

from cachu.errors import UncacheableArgumentError
from cachu.keys.canonical import deeper, nested
from cachu.keys.classes import header, name_of, title_of, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachu.keys.canonical import Handler

__all__ = ["pickled", "record"]

_PROTOCOL = 4
_LENGTHS = range(2, 7)


def record(cls: type) -> Handler | None:
    """Return the handler of a dataclass, an attrs class or a pydantic model; None for others.

    The state is the fields and whatever else the instance holds (a plain attribute set in
    `__post_init__`), but no value remembered by a `cached_property`, and no remembered hash:
    reading an object must not change its key.
    """
    # A base with content of its own (an exception, say) has its own `__new__`: pickle knows it.
    if any("__new__" in vars(base) for base in cls.__mro__[:-1]):
        return None
    names = _fields(cls)
    if names is None:
        return None
    start = header(b"r", name_of(cls))
    forgotten = {"_attrs_cached_hash", *_cached_properties(cls)}

    def fields(value: Any, depth: int) -> bytes:
        state = {
            name: item
            for name, item in getattr(value, "__dict__", {}).items()
            if name not in forgotten
        }
        for name in names:
            if name not in state:
                try:
                    state[name] = getattr(value, name)
                except AttributeError:
                    continue
        return start + nested((state,), depth)

    return fields


def _fields(cls: type) -> list[str] | None:
    # Only of the class itself: a plain subclass of a record is not a record.
    own = vars(cls)
    if "__dataclass_fields__" in own:
        return [field.name for field in sys.modules["dataclasses"].fields(cls)]
    if "__attrs_attrs__" in own:
        return [attribute.name for attribute in own["__attrs_attrs__"]]
    if "__pydantic_core_schema__" in own or "__pydantic_fields__" in own:
        # The fields are in `__dict__`, these are not. Which fields were passed and which are
        # defaults is left out: such models are equal.
        return ["__pydantic_extra__", "__pydantic_private__"]
    return None


def _cached_properties(cls: type) -> set[str]:
    return {
        name
        for base in cls.__mro__
        for name, item in vars(base).items()
        if type(item).__name__ == "cached_property"
    }


def pickled(cls: type) -> Handler:
    """Return the handler of any other class: its instances by the state that pickle would save."""
    # Such objects pickle, but belong to one event loop: a lock is not equal to another lock.
    if any(type_name(base)[0].partition(".")[0] == "asyncio" for base in cls.__mro__):
        raise UncacheableArgumentError(
            f"a {_spell(cls)} object belongs to its event loop, and has no stable form"
        )
    start = b""

    def saved(value: Any, depth: int) -> bytes:
        nonlocal start
        reduced = _reduce(value)
        if isinstance(reduced, str):
            return _singleton(value, reduced)
        # Only now, so that of a lock it is said that it cannot be pickled.
        start = start or header(b"p", name_of(type(value)))
        return start + _state(value, reduced, deeper(depth))

    return saved


def _reduce(value: Any) -> str | tuple[Any, ...]:
    cls = type(value)
    reducer = copyreg.dispatch_table.get(cls)
    try:
        reduced = reducer(value) if reducer else value.__reduce_ex__(_PROTOCOL)
    except (RecursionError, MemoryError, UncacheableArgumentError):
        raise
    except Exception as error:
        raise UncacheableArgumentError(
            f"a {_spell(cls)} object has no state that pickle could save"
        ) from error
    if isinstance(reduced, str) or (isinstance(reduced, tuple) and len(reduced) in _LENGTHS):
        return reduced
    raise UncacheableArgumentError(f"{_spell(cls)}.__reduce__() does not follow pickle's rules")


def _singleton(value: Any, name: str) -> bytes:
    module = getattr(value, "__module__", None)
    found = title_of(value, module, name)
    if found is None:
        raise UncacheableArgumentError(f"there is no {module}.{name} that is this very object")
    return header(b"g", found)


def _state(value: Any, reduced: tuple[Any, ...], depth: int) -> bytes:
    maker: Any
    arguments: Any
    maker, arguments, state, items, pairs, setter = (*reduced, None, None, None, None)[:6]
    if maker is copyreg.__newobj__ and arguments[0] is type(value):  # type: ignore[attr-defined]
        maker, arguments = None, arguments[1:]
    parts = [
        nested(maker, depth),
        nested(arguments, depth),
        nested(state, depth),
        nested(None if items is None else list(items), depth),
        _pairs(pairs, depth),
        nested(setter, depth),
    ]
    return b"t6:" + b"".join(parts)


def _pairs(pairs: Any, depth: int) -> bytes:
    if pairs is None:
        return nested(None, depth)
    depth = deeper(depth)
    parts = sorted([nested(key, depth) + nested(item, depth) for key, item in pairs])
    return b"d%d:%b" % (len(parts), b"".join(parts))


def _spell(cls: type) -> str:
    return ".".join(type_name(cls))
