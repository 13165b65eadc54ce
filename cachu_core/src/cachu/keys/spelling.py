"""The key of a call: which arguments count, and what they are called by."""

from __future__ import annotations

import os
from _thread import RLock
from weakref import ref

from cachu.errors import ConfigurationError, UncacheableArgumentError
from cachu.keys.canonical import HANDLERS, TEXTS
from cachu.keys.classes import title_of
from cachu.keys.connections import PLAIN, is_connection
from cachu.keys.names import join
from cachu.keys.places import find_places
from cachu.keys.serializers import digest, digest_of, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

    from cachu.keys.places import Place
    from cachu.keys.serializers import KeySerializer

_UNKNOWN: Final[tuple[tuple[str, Place], ...]] = (("", ""),)
_lock = RLock()
# By id, for a metaclass may redefine what is equal. The second: how many classes had a name that
# does not lead back to them; a number is never given twice, for entries outlive their classes.
_labels: Final[dict[int, tuple[ref[type], str]]] = {}
_nameless: Final[dict[str, int]] = {}


class Spelling:
    """Spells the keys of one function under one configuration.

    Args:
        function: What its keys begin with; see `cachu.keys.names`.
        keyed: The names of the parameters that count, in order.
        receiver: "self" or "cls" if the first of them is that, else empty.
        variadic: The names of `*args` and `**kwargs`.
        arguments: Gives the arguments of a bound call by name.
        serializer: Turns those that count into text.
    """

    __slots__ = (
        "_arguments",
        "_keyed",
        "_places",
        "_receiver",
        "_serializer",
        "_start",
        "_variadic",
        "function",
    )

    def __init__(
        self,
        function: str,
        keyed: tuple[str, ...],
        receiver: str,
        variadic: tuple[str, ...],
        arguments: Callable[[tuple[Any, ...], Mapping[str, Any] | None], Mapping[str, Any]],
        serializer: KeySerializer,
    ) -> None:
        self.function: str = function
        self._keyed = keyed
        self._receiver = receiver
        self._variadic = variadic
        self._arguments = arguments
        self._serializer = serializer
        self._start = join(function, "")
        # Found out at the first call; None where the long way must be gone.
        self._places: tuple[tuple[str, Place], ...] | None = _UNKNOWN

    @property
    def repeatable(self) -> bool:
        """Whether equal arguments have one key, whenever they are spelled."""
        return self._serializer in (digest, text)

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> str:
        """Return the key of a bound call.

        Raises:
            UncacheableArgumentError: If an argument that counts has no stable form.
        """
        places = self._places
        if places is _UNKNOWN:
            places = self._find_places(args, kwargs)
        if places is None:
            arguments = self._arguments(args, kwargs)
            return self.spell({name: arguments[name] for name in self._keyed})
        # What `spell` and the default serializer would do, without a dict in between.
        parts: list[bytes] = []
        name = None
        try:
            for name, place in places:
                value = args[place] if type(place) is int else _collect(place, args, kwargs)
                if name == self._receiver:
                    value = _runtime_class(value)
                kind = type(value)
                if kind in PLAIN or not is_connection(value):
                    parts.append(TEXTS[name])
                    parts.append(HANDLERS[kind](value, 0))
        except UncacheableArgumentError as error:
            error.parameter = name
            raise
        return self._start + digest_of(b"".join(parts))

    def _find_places(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
    ) -> tuple[tuple[str, Place], ...] | None:
        places = None
        if self._serializer is digest:
            places = find_places(self._keyed, self._variadic, self._arguments, args, kwargs)
        self._places = places
        return places

    def spell(self, arguments: Mapping[str, Any]) -> str:
        """Return the key of a call with these *arguments*, by name and in order."""
        counting = {}
        for name, value in arguments.items():
            if name == self._receiver:
                counting[name] = _runtime_class(value)
            elif name in self._variadic:
                counting[name] = _without_connections(value)
            elif not is_connection(value):
                counting[name] = value
        spelled: object = self._serializer(counting)
        if not isinstance(spelled, str):
            raise ConfigurationError(
                f"the key serializer {self._serializer!r} must return a str, not {spelled!r}"
            )
        return join(self.function, spelled)


def class_label(cls: type) -> str:
    """Return the name of a class; one that its name does not lead back to gets a number too."""
    known = _labels.get(id(cls))
    if known is not None and known[0]() is cls:
        return known[1]
    label = f"{cls.__module__}.{cls.__qualname__}"
    with _lock:
        if title_of(cls, cls.__module__, cls.__qualname__) is None:
            number = _nameless[label] = _nameless.get(label, 0) + 1
            if number > 1 or "<locals>" not in label:
                label = f"{label}#{number}"
        place = id(cls)
        _labels[place] = ref(cls, lambda _: _labels.pop(place, None)), label
    return label


def unlike(label: str, taken: set[str] | set[str | None]) -> str:
    """Return *label*, or if it is taken the first of label#2, label#3, ... that is not."""
    number, candidate = 1, label
    while candidate in taken:
        number += 1
        candidate = f"{label}#{number}"
    return candidate


def _collect(place: Place, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> Any:
    """Return what a call has at one of the places that are no position."""
    if isinstance(place, slice):
        return _without_connections(args[place])
    keywords = kwargs or {}
    if isinstance(place, frozenset):
        rest = {name: keywords[name] for name in keywords if name not in place}
        return _without_connections(rest)
    return keywords[place]  # type: ignore[index]


def _without_connections(values: Any) -> object:
    if isinstance(values, dict):
        return {
            name: value
            for name, value in values.items()
            if type(value) in PLAIN or not is_connection(value)
        }
    return tuple([value for value in values if type(value) in PLAIN or not is_connection(value)])


def _runtime_class(receiver: object) -> object:
    if isinstance(receiver, type):
        return class_label(receiver)
    return receiver if hasattr(type(receiver), "__cache_key__") else class_label(type(receiver))


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
