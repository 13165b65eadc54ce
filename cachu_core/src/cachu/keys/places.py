"""Where the arguments that count stand in a bound call."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any, TypeAlias

    Args: TypeAlias = tuple[Any, ...]
    Kwargs: TypeAlias = Mapping[str, Any] | None
    # A position, the name of a keyword, the part that goes into `*args`, or for `**kwargs` the
    # names of the keywords that do not go into it.
    Place: TypeAlias = int | str | slice | frozenset[str]

__all__ = ["find_places"]


def find_places(
    names: Collection[str],
    variadic: Collection[str],
    arguments: Callable[[Args, Kwargs], Mapping[str, Any]],
    args: Args,
    kwargs: Kwargs,
) -> tuple[tuple[str, Place], ...] | None:
    """Find out once what *arguments* does at every call, by having it sort marks.

    Args:
        names: The names of the parameters that count.
        variadic: The names of `*args` and `**kwargs`.
        arguments: Gives the arguments of a bound call by name.
        args: The positional arguments of any call.
        kwargs: Its other arguments.

    Returns:
        A place for each name, good for all calls; None if *arguments* does more than sort, as that
        of a `functools.partial`, which adds some of its own.
    """
    marks = tuple([object() for _ in args])
    keywords = {name: object() for name in kwargs or ()}
    found = arguments(marks, None if kwargs is None else keywords)
    places: list[tuple[str, Place]] = []
    for name in names:
        look = _find_many if name in variadic else _find_one
        place = look(found[name], marks, keywords)
        if place is None:
            return None
        if isinstance(place, frozenset) and arguments(marks, {k: keywords[k] for k in place})[name]:
            # A keyword of its own, which this call happens to replace.
            return None
        places.append((name, place))
    return tuple(places)


def _find_one(sought: object, marks: Args, keywords: dict[str, object]) -> Place | None:
    # By identity, for what is no mark may be equal to anything.
    for position, mark in enumerate(marks):
        if mark is sought:
            return position
    return next((name for name, mark in keywords.items() if mark is sought), None)


def _find_many(sought: Any, marks: Args, keywords: dict[str, object]) -> Place | None:
    if isinstance(sought, dict):
        if any(mark is not keywords.get(name, marks) for name, mark in sought.items()):
            return None
        return frozenset(keywords.keys() - sought.keys())
    start = len(marks) - len(sought)
    if start < 0 or any(mark is not other for mark, other in zip(sought, marks[start:])):
        return None
    return slice(start, None)
