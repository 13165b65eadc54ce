"""Which calls may be kept under their arguments as they are, without spelling a key.

A dict takes equal keys for one, and 1, True and 1.0 are equal. So the types of the arguments are
kept and compared too, and only values may stand in a raw key that their type and equality tell
apart from all others.
"""

from __future__ import annotations

import sys
from functools import partial

from cachu.wrappers.compiled import UNSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final, TypeAlias

    from cachu.wrappers.parameters import Parameters

    # One per value: its type, or what `_kinds_of` says of it.
    Types: TypeAlias = tuple[Any, ...]

# Equal values of these types are the same value once their types are compared too. So are floats,
# except zeros (0.0 == -0.0) and what is not a number. Under `python -bb` comparing str and bytes
# raises.
EXACT = frozenset((int, str, bool, type(None), *(() if sys.flags.bytes_warning else (bytes,))))
# Equal dates, spans and UUIDs are the same, too: not so times, whose zones and folds may differ.
# By name, as keys know them: a frozen clock puts other classes where they are found.
_VALUE_TYPES: Final = {"date": "datetime", "timedelta": "datetime", "UUID": "uuid"}
_ALONE: Final = {kind: (kind,) for kind in EXACT}
_UNHASHABLE: Final = frozenset((list, dict, set, bytearray))
# A raw key keeps what it is made of alive, and is hashed and compared at every call.
_MOST_ELEMENTS: Final = 16
_LEVELS: Final = 3


def types_reader(parameters: Parameters) -> Callable[[Any], Types | None]:
    """Return what reads the types of the arguments off a raw key; None if it must be spelled."""
    if not parameters.raw:
        return _spelled
    alone = len(parameters.raw_keyed) == 1
    if parameters.receiver:
        return partial(_types_of_method, alone, parameters.receiver == "self")
    return _types_of_one if alone else _types_of_many


def known_types(parameters: Parameters) -> Mapping[type, Types]:
    """Return what the types reader says of a raw key, for those of which its class says enough."""
    alone = parameters.raw and len(parameters.raw_keyed) == 1 and not parameters.receiver
    return _ALONE if alone else {}


def _spelled(_: Any) -> Types | None:
    return None


def _types_of_one(key: Any) -> Types | None:
    kind = type(key)
    if kind in EXACT:
        return (kind,)
    # In a table, a tuple of one is what a spelled key looks like.
    if kind in _UNHASHABLE or (kind is tuple and len(key) == 1):
        return None
    kinds = _kinds_of(key, _LEVELS)
    return None if kinds is None else (kinds,)


def _types_of_many(key: Any) -> Types | None:
    if key is UNSET:
        return None
    types = []
    for value in key:
        kind: Any = type(value)
        if kind not in EXACT:
            kind = _kinds_of(value, _LEVELS)
            if kind is None:
                return None
        types.append(kind)
    return tuple(types)


def _kinds_of(value: Any, levels: int) -> Any:
    """Return what tells a value from those equal to it; None if nothing short does.

    For most that is the type. For a tuple it is the same of its elements: no type, so that the
    compiled wrapper never takes it for one, and leaves the comparison to the call path.
    """
    kind = type(value)
    if kind is float:
        return kind if _is_exact(value) else None
    if kind is not tuple:
        module = _VALUE_TYPES.get(kind.__qualname__)
        return kind if kind in EXACT or (module and kind.__module__ == module) else None
    if not levels or len(value) > _MOST_ELEMENTS:
        return None
    kinds: list[Any] = []
    for element in value:
        part: Any = type(element)
        if part not in EXACT:
            part = _kinds_of(element, levels - 1)
            if part is None:
                return None
        kinds.append(part)
    return tuple(kinds)


def _types_of_method(alone: bool, of_instances: bool, key: Any) -> Types | None:
    if key is UNSET:
        return None
    cls, values = (key, ()) if alone else (key[0], key[1:])
    if not _stands_for_itself(cls):
        return None
    # Instances with keys of their own are spelled, and so are classes as self of a metaclass.
    if of_instances and (hasattr(cls, "__cache_key__") or issubclass(cls, type)):
        return None
    types = _types_of_many(values)
    return types if of_instances or types is None else (type(cls), *types)


def _is_exact(value: float) -> bool:
    """Tell whether a float is neither a zero nor not a number."""
    return bool(value) and value == value  # noqa: PLR0124


def _stands_for_itself(cls: object) -> bool:
    """Tell whether a class is equal to no other, so that it may be part of a raw key."""
    return (
        isinstance(cls, type)
        and type(cls).__eq__ is type.__eq__
        and type(cls).__hash__ is type.__hash__
    )
