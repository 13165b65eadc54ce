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
    from collections.abc import Callable
    from typing import Any

    from cachu.wrappers.parameters import Parameters

# Equal values of these types are the same value once their types are compared too. So are floats,
# except zeros (0.0 == -0.0) and what is not a number. Under `python -bb` comparing str and bytes
# raises.
EXACT = frozenset((int, str, bool, type(None), *(() if sys.flags.bytes_warning else (bytes,))))


def types_reader(parameters: Parameters) -> Callable[[Any], tuple[type, ...] | None]:
    """Return what reads the types of the arguments off a raw key; None if it must be spelled."""
    if not parameters.raw:
        return _spelled
    alone = len(parameters.raw_keyed) == 1
    if parameters.receiver:
        return partial(_types_of_method, alone, parameters.receiver == "self")
    return _types_of_one if alone else _types_of_many


def _spelled(_: Any) -> tuple[type, ...] | None:
    return None


def _types_of_one(key: Any) -> tuple[type, ...] | None:
    kind = type(key)
    return (kind,) if kind in EXACT or (kind is float and _is_exact(key)) else None


def _types_of_many(key: Any) -> tuple[type, ...] | None:
    if key is UNSET:
        return None
    for value in key:
        kind = type(value)
        if kind not in EXACT and not (kind is float and _is_exact(value)):
            return None
    return tuple([type(value) for value in key])


def _types_of_method(alone: bool, of_instances: bool, key: Any) -> tuple[type, ...] | None:
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
