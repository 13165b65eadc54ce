"""Equal values for callers who must not see what others do to theirs, without decoding again.

What cannot change is the same object for everybody. Dicts, lists and sets of such things are
copied, which takes a fraction of decoding them. Everything else is decoded for each caller.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    Maker = Callable[[], Any]

_ATOMS: Final = frozenset((type(None), bool, int, float, complex, str, bytes))
# By name: importing them costs more than the rest, and a frozen clock puts others there. Nothing
# is said of times, whose zones may be anything.
_FIXED: Final = {"date": "datetime", "timedelta": "datetime", "UUID": "uuid", "Decimal": "decimal"}
_COPIED: Final = frozenset((dict, list, set))
# From so many containers on, copying them one by one is not worth the memory.
_MOST: Final = 64


class _OpaqueError(Exception):
    """A value of which no copy is known to be as good as one that was decoded."""


def maker(value: Any) -> Maker | None:
    """Return what makes values equal to *value*; None if everybody may have *value* itself.

    Args:
        value: The value; nobody may change it any more.

    Raises:
        ValueError: If only decoding makes such values.
    """
    try:
        return None if _is_fixed(value) else _copier(value, set())
    except (_OpaqueError, RecursionError):
        raise ValueError(f"a {type(value).__name__} has to be decoded") from None


def _copier(value: Any, seen: set[int]) -> Maker:
    kind = type(value)
    # One that occurs twice must still be one object afterwards.
    if kind not in _COPIED or id(value) in seen or len(seen) >= _MOST:
        raise _OpaqueError
    seen.add(id(value))
    if kind is not list and not _are_fixed(value):  # the keys of a dict
        raise _OpaqueError
    copy: Maker = value.copy
    if kind is set or _are_fixed(value.values() if kind is dict else value):
        return copy
    items = value.items() if kind is dict else enumerate(value)
    inner = [(key, _copier(each, seen)) for key, each in items if not _is_fixed(each)]

    def again() -> Any:
        made = copy()
        for key, make in inner:
            made[key] = make()
        return made

    return again


def _are_fixed(values: Iterable[Any]) -> bool:
    return _ATOMS.issuperset(map(type, values)) or all(map(_is_fixed, values))


def _is_fixed(value: Any) -> bool:
    """Tell whether nothing about *value* can change."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is tuple or kind is frozenset:
        return _are_fixed(value)
    return _FIXED.get(kind.__qualname__) == kind.__module__
