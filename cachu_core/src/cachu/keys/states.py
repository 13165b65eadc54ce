"""Objects by class and the state that pickle would save."""

from __future__ import annotations

import copyreg

from cachu.errors import UncacheableArgumentError
from cachu.keys.canonical import deeper, nested
from cachu.keys.classes import header, name_of, title_of, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachu.keys.canonical import Handler

__all__ = ["pickled"]

_PROTOCOL = 4
_LENGTHS = range(2, 7)


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
