"""A key serializer that nobody can try arguments against: its digests depend on a secret."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from cachu.errors import ConfigurationError, UncacheableArgumentError
from cachu.hookspecs import hookimpl
from cachu.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cachu.regions import Region


class KeyedSettings(Settings):
    """Options of `key_serializer="keyed"`.

    Attributes:
        keyed_secret: What the digests depend on; another secret makes other keys.
    """

    keyed_secret: str | None = None


@hookimpl
def cachu_settings(name: str) -> type[Settings] | None:
    """Name the option."""
    return KeyedSettings if name == "keyed" else None


@hookimpl
def cachu_make_key_serializer(
    name: str, region: Region
) -> Callable[[Mapping[str, Any]], str] | None:
    """Make the serializer for the packages that ask for it."""
    if name != "keyed":
        return None
    secret = region.config.settings("keyed").keyed_secret
    if not secret:
        raise ConfigurationError("key_serializer='keyed' needs keyed_secret=")
    key = blake2b(secret.encode()).digest()

    def keyed(arguments: Mapping[str, Any]) -> str:
        """Return a digest of the arguments; different ones never have the same."""
        parts = []
        for parameter, value in arguments.items():
            try:
                parts.append([parameter, _plain(value)])
            except TypeError as error:
                raise UncacheableArgumentError(str(error), parameter) from error
        return blake2b(json.dumps(parts).encode(), key=key, digest_size=16).hexdigest()

    return keyed


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (str, bool, int, float):
        return value  # JSON writes 1, 1.0, true and "1", and so tells them apart
    if kind is bytes:
        return ["bytes", value.hex()]
    if kind in (list, tuple):
        return [kind.__name__, [_plain(each) for each in value]]
    if kind is dict:
        pairs = ([_plain(key), _plain(each)] for key, each in value.items())
        return ["dict", sorted(pairs, key=json.dumps)]
    raise TypeError(f"cachu-keyed does not know {kind.__name__}")
