"""The plugin `diskcache`: imports nothing heavy, so that asking for its options costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cachu.errors import ConfigurationError
from cachu.hookspecs import hookimpl

if TYPE_CHECKING:
    from cachu.settings import Settings

__all__ = ["cachu_make_async_backend", "cachu_make_backend", "cachu_settings"]

NAME: Final = "diskcache"
STORE_TO_COME: Final = (
    "This release of cachu-file registers the backend 'diskcache' and its options; "
    "the store itself is not in it yet. Use backend='memory' meanwhile."
)


@hookimpl
def cachu_settings(name: str) -> type[Settings] | None:
    """Name the options of the backend `diskcache`."""
    if name != NAME:
        return None
    from cachu_file.settings import DiskcacheSettings

    return DiskcacheSettings


@hookimpl
def cachu_make_backend(name: str) -> None:
    """Say that the store is still to come."""
    if name == NAME:
        raise ConfigurationError(STORE_TO_COME)


@hookimpl
def cachu_make_async_backend(name: str) -> None:
    """Say that the store is still to come."""
    if name == NAME:
        raise ConfigurationError(STORE_TO_COME)
