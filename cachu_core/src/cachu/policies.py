"""What a decorator was told, and every decision that follows from it; no I/O, no clock."""

from __future__ import annotations

from types import AsyncGeneratorType, CoroutineType, GeneratorType

from cachu.entries import NO_VALUE
from cachu.errors import UncacheableResultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cachu.entries import CacheEntry

_ITERABLES: tuple[Iterable[Any], ...] = (
    *((), [], "", b"", bytearray(), range(0), {}, {}.values(), {}.items(), set()),
    *(reversed([]), reversed({})),
)
_USED_UP: dict[type, str] = {
    GeneratorType: "a generator",
    AsyncGeneratorType: "an async generator",
    CoroutineType: "a coroutine",
    # Classes of others may have a reason to be iterators, but those of the language never last.
    **dict.fromkeys((map, filter, zip, enumerate, reversed), "an iterator"),
    **{type(iter(each)): "an iterator" for each in _ITERABLES},
}
# What is never changed need not be copied.
_ATOMS = frozenset((int, str, bool, float, bytes, complex, type(None)))


class Policy:
    """The options of one cached function.

    Attributes:
        ttl: Time to live, in seconds; `math.inf` for ever, zero or less for "do not store".
        tag: The tag of its entries, empty for none.
        cache_if: Says whether a result is kept; None keeps all.
        validate: Says whether an entry is still good; None trusts all.
        copy: Whether each caller gets a copy of its own.
        failures: How often `cache_if`, `validate` or a copy raised, by name.
    """

    __slots__ = ("_label", "cache_if", "copy", "failures", "tag", "ttl", "validate")

    def __init__(
        self,
        label: str,
        ttl: float,
        tag: str,
        cache_if: Callable[[Any], object] | None,
        validate: Callable[[CacheEntry], object] | None,
        *,
        copy: bool,
    ) -> None:
        self._label = label
        self.ttl: float = ttl
        self.tag: str = tag
        self.cache_if: Callable[[Any], object] | None = cache_if
        self.validate: Callable[[CacheEntry], object] | None = validate
        self.copy: bool = copy
        self.failures: dict[str, int] = {}

    def keep(self, value: Any) -> Any:
        """Return what is stored of a result, `NO_VALUE` if it is not to be stored.

        Raises:
            UncacheableResultError: If only its first user could consume it.
        """
        if type(value) in _USED_UP:
            self.refuse_used_up(value)
        if self.cache_if is not None:
            try:
                wanted = bool(self.cache_if(value))
            except Exception as error:
                self._failed("cache_if", "the result is returned, but not stored", error)
                return NO_VALUE
            if not wanted:
                return NO_VALUE
        if not self.copy:
            return value
        try:
            return self.lend(value)
        except Exception as error:
            self._failed("copy", "the result is returned, but not stored", error)
            return NO_VALUE

    def refuse_used_up(self, value: object) -> None:
        """Raise `UncacheableResultError` for what only its first user could consume."""
        if type(value) in _USED_UP:
            advice = "return a list, or cache the function that consumes it"
            if type(value) is CoroutineType:
                value.close()  # nobody is going to await it
                advice = "use @async_cache, or cache the coroutine function itself"
            raise UncacheableResultError(
                f"{self._label} returned {_USED_UP[type(value)]}, which only its first user could "
                f"consume; {advice}"
            )

    def accepts(self, entry: CacheEntry) -> bool:
        """Decide whether a fresh entry may be used."""
        if self.validate is None:
            return True
        try:
            return bool(self.validate(entry))
        except Exception as error:
            self._failed("validate", "the entry is not used", error)
            return False

    def lend(self, value: Any) -> Any:
        """Return what one caller gets of a value that several share."""
        if not self.copy or type(value) in _ATOMS:
            return value
        from copy import deepcopy

        return deepcopy(value)

    def _failed(self, callback: str, outcome: str, error: Exception) -> None:
        self.failures[callback] = self.failures.get(callback, 0) + 1
        if self.failures[callback] == 1:
            import logging

            logging.getLogger("cachu").warning(
                "%s of %s raised; %s. Further ones are only counted.",
                callback,
                self._label,
                outcome,
                exc_info=error,
            )
