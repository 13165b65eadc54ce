"""Records by their fields: dataclasses, attrs classes, pydantic models."""

from __future__ import annotations

import sys
from operator import attrgetter, itemgetter

from cachu.keys.canonical import HANDLERS, MAX_DEPTH, TEXTS, deeper
from cachu.keys.classes import header, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, Final

    from cachu.keys.canonical import Handler

__all__ = ["record"]

_NO_STATE: Final[dict[str, Any]] = {}
# Of pydantic models, besides the fields. Which fields were passed and which are defaults is left
# out: such models are equal.
_OF_MODELS: Final = ("__pydantic_extra__", "__pydantic_private__")


def record(cls: type) -> Handler | None:
    """Return the handler of a dataclass, an attrs class or a pydantic model; None for others.

    The state is the fields and whatever else the instance holds (a plain attribute set in
    `__post_init__`), but no value remembered by a `cached_property`, and no remembered hash:
    reading an object must not change its key.
    """
    # A base with content of its own (an exception, say) has its own `__new__`: pickle knows it.
    if any("__new__" in vars(base) for base in cls.__mro__[:-1]):
        return None
    fields = _fields(cls)
    if fields is None:
        return None
    inside, outside = fields
    start = header(b"r", name_of(cls)) + b"t1:"
    usual_start = start + b"d%d:" % (len(inside) + len(outside))
    # In the order of their bytes, as in any dict.
    order = sorted([*inside, *outside], key=TEXTS.__getitem__)
    names = [TEXTS[name] for name in order]
    size, read = len(inside), _reader(inside, outside, order)
    # A field that a model lacks is not to be looked for in its class.
    attributes = outside or inside
    forgotten = {"_attrs_cached_hash", *_cached_properties(cls)}

    def fields_of(value: Any, depth: int) -> bytes:
        state = getattr(value, "__dict__", _NO_STATE)
        if len(state) == size:
            try:
                content = read(value, state)
            except (AttributeError, KeyError):
                # A field that is not set, or an attribute that is no field.
                content = None
            if content is not None:
                depth = depth + 2 if depth + 1 < MAX_DEPTH else deeper(deeper(depth))
                parts = [usual_start]
                for name, item in zip(names, content):
                    kind = type(item)
                    parts.append(name)
                    parts.append(b"i%x;" % item if kind is int else HANDLERS[kind](item, depth))
                return b"".join(parts)
        return start + HANDLERS[dict](_whole(value, state, attributes, forgotten), deeper(depth))

    return fields_of


def _whole(
    value: object, state: dict[str, Any], attributes: list[str], forgotten: set[str]
) -> dict[str, Any]:
    whole = {name: item for name, item in state.items() if name not in forgotten}
    for name in attributes:
        if name not in whole:
            try:
                whole[name] = getattr(value, name)
            except AttributeError:
                continue
    return whole


def _reader(
    inside: Collection[str], outside: Collection[str], order: list[str]
) -> Callable[[Any, dict[str, Any]], tuple[Any, ...]]:
    """Return what reads the fields *inside* the `__dict__` and *outside* of it, in *order*.

    It raises AttributeError or KeyError if one is not there.
    """
    if not order:
        return lambda _value, _state: ()
    # Of one name alone a getter returns no tuple. What is asked for twice nobody looks at.
    names = (*order, order[0])
    if not outside:
        of_state = itemgetter(*names)
        return lambda _value, state: of_state(state)
    of_value = attrgetter(*names)
    if not inside:
        return lambda value, _state: of_value(value)
    found = [*inside, *outside]
    of_inside, of_outside = itemgetter(*inside, found[0]), attrgetter(*outside, found[-1])
    arrange = itemgetter(*[found.index(name) + (name in outside) for name in names])
    return lambda value, state: arrange(of_inside(state) + of_outside(value))


def _fields(cls: type) -> tuple[list[str], list[str]] | None:
    """Return the names of the fields in the `__dict__` of an instance, and those of the others."""
    # Only of the class itself: a plain subclass of a record is not a record.
    own = vars(cls)
    if "__dataclass_fields__" in own:
        names = [field.name for field in sys.modules["dataclasses"].fields(cls)]
    elif "__attrs_attrs__" in own:
        names = [attribute.name for attribute in own["__attrs_attrs__"]]
    elif "__pydantic_core_schema__" in own or "__pydantic_fields__" in own:
        fields = own.get("__pydantic_fields__", own.get("model_fields"))
        return list(fields) if isinstance(fields, dict) else [], list(_OF_MODELS)
    else:
        return None
    return (names, []) if cls.__dictoffset__ else ([], names)


def _cached_properties(cls: type) -> set[str]:
    return {
        name
        for base in cls.__mro__
        for name, item in vars(base).items()
        if type(item).__name__ == "cached_property"
    }
