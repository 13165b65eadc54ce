"""The keys of the calls that came last, so that a hit on a backend need not spell them anew."""

from __future__ import annotations

from sys import getsizeof

from cachu.wrappers.raw_keys import known_types, types_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any, Final

    from cachu.wrappers.callee import Callee
    from cachu.wrappers.memory import Args, Kwargs
    from cachu.wrappers.raw_keys import Types

# How many keys of one function are known at once, and how many bytes of arguments each may keep
# alive.
_MOST: Final = 1024
_LARGEST: Final = 1024


class KnownKeys:
    """Spells the keys of one function, those of recent calls only once.

    Args:
        callee: The function.
    """

    __slots__ = ("_alike", "_known", "_spell", "_types")

    def __init__(self, callee: Callee) -> None:
        self._spell = callee.spelling.key
        self._types = types_reader(callee.parameters)
        # What it would say of the commonest raw keys, without the call.
        self._alike = known_types(callee.parameters)
        if not callee.spelling.repeatable:  # a serializer of somebody's may look at more
            self._types, self._alike = _unknown, {}
        self._known: dict[Hashable, tuple[str, Types]] = {}

    def key(self, raw: Hashable, args: Args, kwargs: Kwargs) -> str:
        """Return the key of a bound call.

        Raises:
            UncacheableArgumentError: If an argument that counts has no stable form.
        """
        types = self._alike.get(type(raw)) or self._types(raw)
        if types is None:
            return self._spell(args, kwargs)
        known = self._known.get(raw)
        if known is not None and known[1] == types:
            return known[0]
        key = self._spell(args, kwargs)
        if _size(raw) <= _LARGEST:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[raw] = key, types
        return key

    def types(self, raw: Hashable) -> Types | None:
        """Return the types that tell calls with this raw key from lookalikes.

        None if it must be spelled, is large, or has a tuple in it: its type does not say enough.
        """
        types = self._alike.get(type(raw)) or self._types(raw)
        if types is None or tuple in map(type, types) or _size(raw) > _LARGEST:
            return None
        return types


def _unknown(_: Any) -> Types | None:
    """Have every key spelled."""
    return None


def _size(raw: Any) -> int:
    """Return about how many bytes the arguments of a raw key take; classes are there anyway."""
    if isinstance(raw, type):
        return 0
    return getsizeof(raw) + (sum(map(_size, raw)) if type(raw) is tuple else 0)
