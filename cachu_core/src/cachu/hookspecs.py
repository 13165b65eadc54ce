"""The hooks that a plugin implements.

Every hook takes the name that was asked for and returns None when it is not the plugin's own. The
first answer counts. Hooks run when a region is bound, never on a hit. They only gain arguments.

    from cachu.hookspecs import hookimpl

    @hookimpl
    def cachu_make_backend(name, region):
        if name == "mine":
            from mine.store import MyStore  # what is heavy is imported here

            return MyStore(region.config.settings("mine").mine_url)

A plugin is a module (or an object) that an entry point in the group `cachu` names. The entry
point's own name is what people write in `configure(backend="mine")` and how all its options begin.
It may serve a whole family, `mine.this` and `mine.that`: those for which `cachu_settings` returns
settings.
"""

from __future__ import annotations

import pluggy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachu.backends import AsyncBackend, Backend
    from cachu.backends.stores import AsyncStore, Store
    from cachu.keys.serializers import KeySerializer
    from cachu.locks import LockProvider
    from cachu.regions import Region
    from cachu.serializers import Serializer
    from cachu.settings import Settings

__all__ = ["hookimpl", "hookspec"]

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker("cachu")
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker("cachu")


@hookspec(firstresult=True)
def cachu_make_backend(name: str, region: Region) -> Store | Backend | None:
    """Make the backend of a region.

    Args:
        name: What the backend is called in `configure(backend=...)`.
        region: What it is for: its package, time to live and configuration.

    Returns:
        A `Store` of bytes, which cachu completes, or a whole `Backend`.
    """


@hookspec(firstresult=True)
def cachu_make_async_backend(name: str, region: Region) -> AsyncStore | AsyncBackend | None:
    """Make the asynchronous backend of a region; without this hook cachu bridges the other one.

    Args:
        name: What the backend is called in `configure(backend=...)`.
        region: What it is for: its package, time to live and configuration.

    Returns:
        An `AsyncStore` of bytes, which cachu completes, or a whole `AsyncBackend`.
    """


@hookspec(firstresult=True)
def cachu_make_key_serializer(name: str, region: Region) -> KeySerializer | None:
    """Make the function that turns a call's arguments into text.

    Args:
        name: What it is called in `configure(key_serializer=...)`.
        region: What it is for.

    Returns:
        A callable from the arguments, by parameter name, to a string.
    """


@hookspec(firstresult=True)
def cachu_make_value_serializer(name: str, region: Region) -> Serializer | None:
    """Make the object that turns values into bytes and back.

    Args:
        name: What it is called in `configure(serializer=...)`.
        region: What it is for.

    Returns:
        An object with `dumps` and `loads`.
    """


@hookspec(firstresult=True)
def cachu_make_lock_provider(name: str, region: Region) -> LockProvider | None:
    """Make the provider of locks that let one caller compute while others wait.

    Args:
        name: What it is called in `configure(lock=...)`.
        region: What it is for.

    Returns:
        An object with `mutex(key)` and `async_lock(key)`.
    """


@hookspec(firstresult=True)
def cachu_settings(name: str) -> type[Settings] | None:
    """Declare the options that a plugin adds to `configure()`.

    Args:
        name: The plugin's entry-point name, or that of one of its family.

    Returns:
        A subclass of `cachu.settings.Settings`, whose options all begin with that name.
    """


@hookspec(firstresult=True)
def cachu_diagnose(name: str, region: Region) -> list[str] | None:
    """Say what about a configured backend works, but will bite; for `cachu doctor`.

    Args:
        name: What the backend is called in `configure(backend=...)`.
        region: A region of it, which was written to and read.

    Returns:
        A sentence for each, with what to do about it.
    """
