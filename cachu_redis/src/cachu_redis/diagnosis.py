"""What about a Redis store works, but will bite; for `cachu doctor`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cachu_redis.clients import get_redis_client

if TYPE_CHECKING:
    from cachu.regions import Region
    from cachu_redis.settings import RedisSettings

_LOCAL = ("localhost", "127.0.0.1", "::1", "", None)


def diagnose(region: Region) -> list[str]:
    """Look at the address, and ask the server, which works, how it is set up."""
    settings: Any = region.config.settings("redis")
    found = [*_of_address(settings), *_of_server(settings)]
    if not settings.redis_distributed:
        found.append(
            "redis_distributed is off: a cold key is computed once per process, not once over all "
            "hosts."
        )
    if find_spec("hiredis") is None:
        found.append(
            'hiredis is not installed; with it, hits are faster: pip install "redis[hiredis]"'
        )
    return found


def _of_address(settings: RedisSettings) -> list[str]:
    if settings.redis_client is not None or not settings.redis_url.lower().startswith("redis:"):
        return []
    place = urlsplit(settings.redis_url.split(",")[0])
    if place.hostname in _LOCAL:
        return []
    found = [f"The connection to {place.hostname} is not encrypted; rediss:// is."]
    if place.password is None:
        found.append(
            f"{place.hostname} is used without a password; anybody there can change entries."
        )
    return found


def _of_server(settings: RedisSettings) -> list[str]:
    try:
        memory: Any = get_redis_client(None, settings).info("memory")
        limit, policy = memory["maxmemory"], memory["maxmemory_policy"]
    except Exception as error:
        return [f"The server does not tell of its memory ({type(error).__name__}: {error})."]
    if limit and policy == "noeviction":
        told = (
            "The server evicts nothing (maxmemory-policy noeviction): once its memory is full, "
            "nothing more is stored. Set allkeys-lru or volatile-ttl."
        )
        return [told]
    if not limit:
        told = (
            "The server has no memory limit (maxmemory 0): it grows until the system ends it. Set "
            "maxmemory, and maxmemory-policy allkeys-lru or volatile-ttl."
        )
        return [told]
    return []
