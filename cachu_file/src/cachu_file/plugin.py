"""The plugin `file`: imports nothing heavy, so that asking for its options costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cachu.errors import ConfigurationError
from cachu.hookspecs import hookimpl

if TYPE_CHECKING:
    from cachu.regions import Region
    from cachu.settings import Settings
    from cachu_file.async_store import AsyncFileStore
    from cachu_file.locks import FileLocks
    from cachu_file.store import FileStore

__all__ = [
    "cachu_diagnose",
    "cachu_make_async_backend",
    "cachu_make_backend",
    "cachu_make_lock_provider",
    "cachu_settings",
]

NAME: Final = "file"


@hookimpl
def cachu_settings(name: str) -> type[Settings] | None:
    """Name the options of the backend `file`."""
    if name != NAME:
        return None
    from cachu_file.settings import FileSettings

    return FileSettings


@hookimpl
def cachu_make_backend(name: str, region: Region) -> FileStore | None:
    """Make the store of a region, for plain code."""
    if name != NAME:
        return None
    from cachu_file.store import FileStore

    return FileStore(region)


@hookimpl
def cachu_make_async_backend(name: str, region: Region) -> AsyncFileStore | None:
    """Make the store of a region, for asynchronous code."""
    if name != NAME:
        return None
    from importlib.util import find_spec

    if find_spec("aiosqlite") is None:
        raise ConfigurationError(
            "The file backend needs aiosqlite for asynchronous functions. Install it with: "
            'pip install "cachu[async]"'
        )
    from cachu_file.async_store import AsyncFileStore

    return AsyncFileStore(region)


@hookimpl
def cachu_make_lock_provider(name: str, region: Region) -> FileLocks | None:
    """Make the locks between the processes of one machine."""
    if name != NAME:
        return None
    from cachu_file.locks import FileLocks

    return FileLocks(region)


@hookimpl
def cachu_diagnose(name: str, region: Region) -> list[str] | None:
    """Say what will bite, for `cachu doctor`."""
    if name != NAME:
        return None
    from cachu_file.diagnosis import diagnose

    return diagnose(region)
