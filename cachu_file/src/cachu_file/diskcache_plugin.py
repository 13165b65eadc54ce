"""The plugin `diskcache`: imports nothing heavy, so that asking for its options costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cachu.hookspecs import hookimpl

if TYPE_CHECKING:
    from cachu.backends.stores import Store
    from cachu.regions import Region
    from cachu.settings import Settings

__all__ = ["cachu_make_backend", "cachu_settings"]

NAME: Final = "diskcache"


@hookimpl
def cachu_settings(name: str) -> type[Settings] | None:
    """Name the options of the backend `diskcache`."""
    if name != NAME:
        return None
    from cachu_file.diskcache_settings import DiskcacheSettings

    return DiskcacheSettings


@hookimpl
def cachu_make_backend(name: str, region: Region) -> Store | None:
    """Make the store of a region; asynchronous callers use it through worker threads."""
    if name != NAME:
        return None
    from cachu_file.diskcache_store import DiskcacheStore

    return DiskcacheStore(region)
