"""The plugin `redis`: imports nothing heavy, so that asking for its options costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cachu.hookspecs import hookimpl

if TYPE_CHECKING:
    from cachu.regions import Region
    from cachu.settings import Settings
    from cachu_redis.async_store import AsyncRedisStore
    from cachu_redis.locks import RedisLocks
    from cachu_redis.store import RedisStore

__all__ = [
    "cachu_diagnose",
    "cachu_make_async_backend",
    "cachu_make_backend",
    "cachu_make_lock_provider",
    "cachu_settings",
]

NAME: Final = "redis"


@hookimpl
def cachu_settings(name: str) -> type[Settings] | None:
    """Name the options of the backend `redis`."""
    if name != NAME:
        return None
    from cachu_redis.settings import RedisSettings

    return RedisSettings


@hookimpl
def cachu_make_backend(name: str, region: Region) -> RedisStore | None:
    """Make the store of a region, for plain code."""
    if name != NAME:
        return None
    from cachu_redis.store import RedisStore

    return RedisStore(region)


@hookimpl
def cachu_make_async_backend(name: str, region: Region) -> AsyncRedisStore | None:
    """Make the store of a region, for asynchronous code."""
    if name != NAME:
        return None
    settings = region.config.settings(NAME)
    if settings.redis_client is not None and settings.redis_async_client is None:
        return None  # cachu calls the other one in worker threads
    from cachu_redis.async_store import AsyncRedisStore

    return AsyncRedisStore(region)


@hookimpl
def cachu_make_lock_provider(name: str, region: Region) -> RedisLocks | None:
    """Make the locks that all hosts share."""
    if name != NAME:
        return None
    from cachu_redis.locks import RedisLocks

    return RedisLocks(region)


@hookimpl
def cachu_diagnose(name: str, region: Region) -> list[str] | None:
    """Say what will bite, for `cachu doctor`."""
    if name != NAME:
        return None
    from cachu_redis.diagnosis import diagnose

    return diagnose(region)
