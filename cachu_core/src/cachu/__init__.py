"""Caching for sync and async Python, with pluggable backends."""

from __future__ import annotations

from cachu.backends import AsyncBackend, Backend
from cachu.config import configure, get_all_configs, get_config
from cachu.decorators import async_cache, cache
from cachu.entries import NO_VALUE, CacheEntry, CacheInfo
from cachu.errors import (
    BackendError,
    BrokenPluginError,
    CachuError,
    CachuWarning,
    CapabilityError,
    ConfigurationError,
    PluginConflictError,
    PluginError,
    SerializationError,
    UncacheableArgumentError,
    UncacheableResultError,
    UnknownPluginError,
)
from cachu.operations import (
    async_cache_clear,
    async_cache_delete,
    async_cache_get,
    async_cache_info,
    async_cache_set,
    cache_clear,
    cache_delete,
    cache_get,
    cache_info,
    cache_set,
)
from cachu.options import DEFAULT
from cachu.package_config import Config
from cachu.regions import clear_async_backends, clear_backends, get_async_backend, get_backend
from cachu.switches import disable, disabled, enable, is_disabled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "DEFAULT",
    "NO_VALUE",
    "AsyncBackend",
    "Backend",
    "BackendError",
    "BrokenPluginError",
    "CacheEntry",
    "CacheInfo",
    "CachuError",
    "CachuWarning",
    "CapabilityError",
    "Config",
    "ConfigurationError",
    "PluginConflictError",
    "PluginError",
    "SerializationError",
    "UncacheableArgumentError",
    "UncacheableResultError",
    "UnknownPluginError",
    "async_cache",
    "async_cache_clear",
    "async_cache_delete",
    "async_cache_get",
    "async_cache_info",
    "async_cache_set",
    "cache",
    "cache_clear",
    "cache_delete",
    "cache_get",
    "cache_info",
    "cache_set",
    "clear_async_backends",
    "clear_backends",
    "configure",
    "disable",
    "disabled",
    "enable",
    "get_all_configs",
    "get_async_backend",
    "get_backend",
    "get_config",
    "get_redis_client",
    "is_disabled",
]


def get_redis_client(url: str | None = None) -> Any:
    """Return the client that the redis backend uses, or one for another url.

    Args:
        url: A Redis url, by default the `redis_url` that the calling package configured.

    Raises:
        UnknownPluginError: If cachu-redis is not installed.
    """
    from cachu import packages, plugins

    plugins.ensure("redis")
    from cachu_redis.clients import get_redis_client as made  # cachu-redis, just found

    settings: Any = get_config(packages.caller_package()).settings("redis")
    return made(url, settings)


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version

        return version("cachu-core")
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
