"""Lists what is held weakly, also while other threads add to it.

A `WeakSet`, and the values of a `WeakValueDictionary`, may only be iterated over as long as nobody
adds to them. Its references are copied in one step.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar
    from weakref import WeakValueDictionary

    T = TypeVar("T")


def living(held: WeakValueDictionary[Any, T]) -> list[T]:
    """Return the values that somebody else still has."""
    found = [reference() for reference in held.valuerefs()]
    return [value for value in found if value is not None]
