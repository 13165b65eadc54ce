"""The key of a call: which arguments count, and what they are called by."""

from __future__ import annotations

import os
from _thread import RLock
from weakref import ref

from cachu.errors import ConfigurationError
from cachu.keys.connections import is_connection
from cachu.keys.names import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

    from cachu.keys.serializers import KeySerializer

_lock = RLock()
_local_classes: Final[dict[str, list[tuple[ref[type], str]]]] = {}


class Spelling:
    """Spells the keys of one function under one configuration.

    Args:
        function: What its keys begin with; see `cachu.keys.names`.
        keyed: The names of the parameters that count, in order.
        receiver: "self" or "cls" if the first of them is that, else empty.
        arguments: Gives the arguments of a bound call by name.
        serializer: Turns those that count into text.
    """

    __slots__ = ("_arguments", "_keyed", "_receiver", "_serializer", "function")

    def __init__(
        self,
        function: str,
        keyed: tuple[str, ...],
        receiver: str,
        arguments: Callable[[tuple[Any, ...], Mapping[str, Any] | None], Mapping[str, Any]],
        serializer: KeySerializer,
    ) -> None:
        self.function: str = function
        self._keyed = keyed
        self._receiver = receiver
        self._arguments = arguments
        self._serializer = serializer

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> str:
        """Return the key of a bound call.

        Raises:
            UncacheableArgumentError: If an argument that counts has no stable form.
        """
        arguments = self._arguments(args, kwargs)
        return self.spell({name: arguments[name] for name in self._keyed})

    def spell(self, arguments: Mapping[str, Any]) -> str:
        """Return the key of a call with these *arguments*, by name and in order."""
        counting = {}
        for name, value in arguments.items():
            if name == self._receiver:
                counting[name] = _runtime_class(value)
            elif not is_connection(value):
                counting[name] = value
        text: object = self._serializer(counting)
        if not isinstance(text, str):
            raise ConfigurationError(
                f"the key serializer {self._serializer!r} must return a str, not {text!r}"
            )
        return join(self.function, text)


def class_label(cls: type) -> str:
    """Return the name of a class, told apart from other living classes of that name."""
    label = f"{cls.__module__}.{cls.__qualname__}"
    if "<locals>" not in label:
        return label
    with _lock:
        namesakes = [(known, name) for known, name in _local_classes.get(label, ()) if known()]
        _local_classes[label] = namesakes
        # Compared one by one, for a metaclass may redefine what is equal.
        for known, name in namesakes:
            if known() is cls:
                return name
        name = unlike(label, {name for _, name in namesakes})
        namesakes.append((ref(cls), name))
        return name


def unlike(label: str, taken: set[str] | set[str | None]) -> str:
    """Return *label*, or if it is taken the first of label#2, label#3, ... that is not."""
    number, candidate = 1, label
    while candidate in taken:
        number += 1
        candidate = f"{label}#{number}"
    return candidate


def _runtime_class(receiver: object) -> object:
    if isinstance(receiver, type):
        return class_label(receiver)
    return receiver if hasattr(type(receiver), "__cache_key__") else class_label(type(receiver))


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
