"""A key serializer that folds text: `f("Ada@Example.com ")` and `f("ada@example.com")` are one."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cachu.errors import UncacheableArgumentError
from cachu.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cachu.keys.serializers import KeySerializer


@hookimpl
def cachu_make_key_serializer(name: str) -> KeySerializer | None:
    """Provide `key_serializer="folded"`."""
    return folded if name == "folded" else None


def folded(arguments: Mapping[str, Any]) -> str:
    """Return a digest of the arguments; different ones never have the same, but for case."""
    parts: dict[str, Any] = {}
    for name, value in arguments.items():
        try:
            parts[name] = _plain(value)
        except TypeError as error:
            raise UncacheableArgumentError(str(error), name) from error
    return sha256(json.dumps(parts).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if type(value) is str:
        return value.strip().casefold()
    if value is None or type(value) in (bool, int, float):
        return value  # JSON writes 1, 1.0 and true, and so tells them apart
    if type(value) is list:
        return [_plain(each) for each in value]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _plain(each) for key, each in sorted(value.items())}
    raise TypeError(f"{type(value).__name__} is not folded")
