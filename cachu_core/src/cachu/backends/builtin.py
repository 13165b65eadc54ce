"""The plugin that ships with cachu-core: what every installation can be configured to use."""

from __future__ import annotations

import os
from _thread import RLock

from cachu.backends.memory import AsyncMemoryBackend, MemoryBackend
from cachu.errors import ConfigurationError
from cachu.hookspecs import hookimpl
from cachu.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from cachu.backends import AsyncBackend, Backend
    from cachu.keys.serializers import KeySerializer
    from cachu.locks import LockProvider
    from cachu.regions import Region
    from cachu.serializers import Serializer


class MemorySettings(Settings):
    """The options of the memory backend.

    Attributes:
        memory_maxsize: The most entries that each function may have, the least recently used
            going first; None for any number.
    """

    memory_maxsize: int | None = None

    def check(self) -> None:
        if self.memory_maxsize is not None and self.memory_maxsize < 1:
            message = f"memory_maxsize must be at least 1, or None, got {self.memory_maxsize}"
            raise ValueError(message)


_lock = RLock()
_memory: Final[dict[tuple[str, str, float], MemoryBackend]] = {}


@hookimpl
def cachu_settings(name: str) -> type[Settings] | None:
    return MemorySettings if name == "memory" else None


@hookimpl
def cachu_make_backend(name: str, region: Region) -> Backend | None:
    if name == "memory":
        return _memory_of(region)
    if name == "null":
        from cachu.backends.null import NullBackend

        return NullBackend()
    return None


@hookimpl
def cachu_make_async_backend(name: str, region: Region) -> AsyncBackend | None:
    if name == "memory":
        return AsyncMemoryBackend(_memory_of(region))
    if name == "null":
        from cachu.backends.null import AsyncNullBackend

        return AsyncNullBackend()
    return None


@hookimpl
def cachu_make_key_serializer(name: str) -> KeySerializer | None:
    from cachu.keys import serializers

    return {"digest": serializers.digest, "text": serializers.text}.get(name)


@hookimpl
def cachu_make_value_serializer(name: str, region: Region) -> Serializer | None:
    from cachu import serializers

    if name == "pickle-signed" and region.config.secret_key is None:
        raise ConfigurationError(
            "serializer='pickle-signed' loads only what was signed with your secret_key, and there "
            "is none; set it with cachu.configure(secret_key=...), from an environment variable or "
            "wherever you keep secrets"
        )
    make: dict[str, Callable[[], Any]] = {
        "json": serializers.JsonSerializer,
        "msgpack": serializers.MsgpackSerializer,
        "pickle": serializers.PickleSerializer,
        "pickle-signed": serializers.PickleSerializer,
    }
    made: Serializer | None = make[name]() if name in make else None
    return made


@hookimpl
def cachu_make_lock_provider(name: str) -> LockProvider | None:
    if name == "thread":
        from cachu.locks import ThreadLocks

        return ThreadLocks()
    return None


def _memory_of(region: Region) -> MemoryBackend:
    """Return the one memory backend of a region: entries survive a change of configuration."""
    maxsize = region.config.settings("memory").memory_maxsize
    with _lock:
        backend = _memory.get(region.identity)
        if backend is None:
            backend = _memory[region.identity] = MemoryBackend(region.ttl, maxsize)
    backend.resize(maxsize)
    return backend


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
