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
        known: set[int] = set()
        return None if _is_fixed(value, known) else _copier(value, set(), known)
    except (_OpaqueError, RecursionError):
        raise ValueError(f"a {type(value).__name__} has to be decoded") from None


def _copier(value: Any, seen: set[int], known: set[int]) -> Maker:
    kind = type(value)
    # One that occurs twice must still be one object afterwards.
    if kind not in _COPIED or id(value) in seen or len(seen) >= _MOST:
        raise _OpaqueError
    seen.add(id(value))
    if kind is not list and not _are_fixed(value, known):  # the keys of a dict
        raise _OpaqueError
    copy: Maker = value.copy
    if kind is set or _are_fixed(value.values() if kind is dict else value, known):
        return copy
    items = value.items() if kind is dict else enumerate(value)
    inner = [(key, _copier(each, seen, known)) for key, each in items if not _is_fixed(each, known)]

    def again() -> Any:
        made = copy()
        for key, make in inner:
            made[key] = make()
        return made

    return again


def _are_fixed(values: Iterable[Any], known: set[int]) -> bool:
    if _ATOMS.issuperset(map(type, values)):
        return True
    return all(_is_fixed(value, known) for value in values)


def _is_fixed(value: Any, known: set[int]) -> bool:
    """Tell whether nothing about *value* can change.

    Args:
        value: The value.
        known: The tuples and frozensets that cannot, by `id`. There may be so many ways to each
            that it must not be looked into twice.
    """
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is tuple or kind is frozenset:
        if id(value) not in known:
            if not _are_fixed(value, known):
                return False
            known.add(id(value))
        return True
    module = _FIXED.get(kind.__qualname__)
    return module is not None and kind.__module__ == module
