"""Value types of the standard library, and subclasses of those and of the built-in types.

Each is spelt here by its content rather than left to pickle, whose form for them differs between
versions of Python.
"""

from __future__ import annotations

from cachu.errors import UncacheableArgumentError
from cachu.keys.canonical import HANDLERS, deeper, nested
from cachu.keys.classes import (
    bound_method,
    built_in_function,
    global_object,
    header,
    name_of,
    type_name,
)
from cachu.keys.quick import QUICK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachu.keys.canonical import Handler

    Parts = Callable[[Any], tuple[object, ...]]

__all__ = ["derived", "exact_native", "subclass_of_native"]


def _zone_key(value: Any) -> tuple[object, ...]:
    if value.key is None:
        raise UncacheableArgumentError("it is a ZoneInfo read from a file, which has no key")
    return (value.key,)


def _text(value: Any) -> tuple[object, ...]:
    return (str(value),)


def _path(value: Any) -> tuple[object, ...]:
    return (value.__fspath__(),)


def _slice(value: Any) -> tuple[object, ...]:
    return (value.start, value.stop, value.step)


def _nothing(_value: Any) -> tuple[object, ...]:
    return ()


# By module and name: what of a value makes up its content.
_PARTS: dict[tuple[str, str], Parts] = {
    ("builtins", "range"): _slice,
    ("builtins", "slice"): _slice,
    ("builtins", "ellipsis"): _nothing,
    ("builtins", "NotImplementedType"): _nothing,
    ("datetime", "datetime"): lambda v: (
        *(v.year, v.month, v.day),
        *(v.hour, v.minute, v.second, v.microsecond, v.fold, v.tzinfo),
    ),
    ("datetime", "date"): lambda v: (v.year, v.month, v.day),
    ("datetime", "time"): lambda v: (
        *(v.hour, v.minute, v.second, v.microsecond, v.fold, v.tzinfo),
    ),
    ("datetime", "timedelta"): lambda v: (v.days, v.seconds, v.microseconds),
    ("datetime", "timezone"): lambda v: (v.utcoffset(None), v.tzname(None)),
    ("zoneinfo", "ZoneInfo"): _zone_key,
    # Not str(), whose "E" depends on the decimal context.
    ("decimal", "Decimal"): lambda v: tuple(v.as_tuple()),
    ("fractions", "Fraction"): lambda v: (v.numerator, v.denominator),
    ("uuid", "UUID"): lambda v: (v.int,),
    ("re", "Pattern"): lambda v: (v.pattern, v.flags),
    ("functools", "partial"): lambda v: (v.func, v.args, v.keywords, vars(v)),
    ("collections", "Counter"): lambda v: (dict.copy(v),),
    ("collections", "defaultdict"): lambda v: (v.default_factory, dict(dict.items(v))),
    # An ordered dict with another order is another one for `==`, too.
    ("collections", "OrderedDict"): lambda v: (list(v.items()),),
    ("collections", "deque"): lambda v: (list(v), v.maxlen),
    ("pathlib", "PurePosixPath"): _path,
    ("pathlib", "PureWindowsPath"): _path,
    ("pathlib", "PosixPath"): _path,
    ("pathlib", "WindowsPath"): _path,
    ("ipaddress", "IPv4Address"): _text,
    ("ipaddress", "IPv6Address"): _text,
    ("ipaddress", "IPv4Interface"): _text,
    ("ipaddress", "IPv6Interface"): _text,
    ("ipaddress", "IPv4Network"): _text,
    ("ipaddress", "IPv6Network"): _text,
}


def _bare_object(_value: object, _depth: int) -> bytes:
    raise UncacheableArgumentError("a bare object() has nothing but its identity")


_BUILT_IN: dict[str, Handler] = {
    "object": _bare_object,
    "type": global_object,
    "function": global_object,
    "builtin_function_or_method": built_in_function,
    "method": bound_method,
}

# A subclass may override every method; these reach the content of the base behind its back.
_EXACT: dict[type, Callable[[Any], object]] = {
    int: lambda v: int.__getnewargs__(v)[0],
    float: lambda v: float.__getnewargs__(v)[0],
    complex: complex.__pos__,
    str: lambda v: str.__getnewargs__(v)[0],
    bytes: lambda v: bytes.__getnewargs__(v)[0],
    bytearray: lambda v: bytearray.__getitem__(v, slice(None)),
    tuple: lambda v: tuple.__getitem__(v, slice(None)),
    list: lambda v: list.__getitem__(v, slice(None)),
    set: lambda v: set(set.__iter__(v)),
    frozenset: lambda v: frozenset(frozenset.__iter__(v)),
    dict: dict.copy,
}

# Of these, `canonical` only reads the elements.
_ITERATED = frozenset({tuple, list, set, frozenset})


def exact_native(cls: type, *, quick: bool = True) -> Handler | None:
    """Return the handler of a class of the standard library, None for any other class.

    One that is not *quick* takes instances of subclasses too.
    """
    module, name = type_name(cls)
    if module == "builtins" and name in _BUILT_IN:
        return _BUILT_IN[name]
    if module.startswith("pathlib._"):
        module = "pathlib"
    parts = _PARTS.get((module, name))
    if parts is None:
        return None
    start = header(b"n", f"{module}:{name}")
    if quick and (module, name) in QUICK:
        return QUICK[module, name](start)

    def native(value: Any, depth: int) -> bytes:
        return start + nested(parts(value), depth)

    return native


def subclass_of_native(cls: type) -> Handler | None:
    """Return the handler of a class derived from a type above; None for any other class."""
    for base in cls.__mro__[1:-1]:
        exact = _EXACT.get(base)
        if exact is not None:
            faithful = base in _ITERATED and _iterator(cls) is _iterator(base)
            return derived(cls, base, HANDLERS[base], None if faithful else exact)
        handler = exact_native(base, quick=False)
        if handler is not None:
            return derived(cls, base, handler)
    return None


def _iterator(cls: Any) -> object:
    return cls.__iter__


def derived(
    cls: type, base: type, handler: Handler, exact: Callable[[Any], object] | None = None
) -> Handler | None:
    """Encode by class, by the content of a base class, and by what the class adds to it.

    Args:
        cls: The class.
        base: One of its bases.
        handler: The handler of that base.
        exact: Turns an instance of the class into one of the base, if the handler needs that.

    Returns:
        A handler, or None if the class says by itself how it is pickled.
    """
    own = cls.__mro__[: cls.__mro__.index(base)]
    if any("__reduce__" in vars(each) or "__reduce_ex__" in vars(each) for each in own):
        return None
    start = header(b"u", name_of(cls)) + b"t2:"
    has_state = any("__getstate__" in vars(each) for each in own)
    slots = [] if has_state else _slots(own)
    if not has_state and not slots and not cls.__dictoffset__:
        return _stateless(start, handler, exact)

    def subclass(value: Any, depth: int) -> bytes:
        depth = deeper(depth)
        content = handler(value if exact is None else exact(value), depth)
        state = value.__getstate__() if has_state else _attributes(value, slots)
        return start + content + nested(state, depth)

    return subclass


def _stateless(start: bytes, handler: Handler, exact: Callable[[Any], object] | None) -> Handler:
    """Encode instances that hold nothing but the content of the base, as those of a namedtuple."""

    def stateless(value: Any, depth: int) -> bytes:
        return b"%b%bN" % (start, handler(value if exact is None else exact(value), deeper(depth)))

    return stateless


def _slots(classes: tuple[type, ...]) -> list[str]:
    found: list[str] = []
    for cls in classes:
        names = vars(cls).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            private = name.startswith("__") and not name.endswith("__")
            if name not in ("__dict__", "__weakref__"):
                found.append(f"_{cls.__name__.lstrip('_')}{name}" if private else name)
    return found


def _attributes(value: object, slots: list[str]) -> dict[str, object] | None:
    state: dict[str, object] = dict(getattr(value, "__dict__", ()))
    state.update((name, getattr(value, name)) for name in slots if hasattr(value, name))
    return state or None
