"""Clients of the configured servers, for people who need the server beside the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachu_redis.servers import Servers
from cachu_redis.settings import RedisSettings

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["get_redis_client"]


def get_redis_client(url: str | None = None, settings: RedisSettings | None = None) -> Redis:
    """Return the client of a configured server, the same one as long as nothing is closed.

    Args:
        url: The server; by default the one in *settings*.
        settings: The options of the calling package.

    Returns:
        A client of redis-py: of a Cluster for a Cluster, of the server that is written to for
        Sentinels, or whatever `redis_client` is.

    Raises:
        ConfigurationError: If the url is none that a client understands.
    """
    if url is not None and (settings is None or url != settings.redis_url):
        settings = RedisSettings(redis_url=url)
    servers = Servers.of(settings or RedisSettings())
    client: Redis = servers.client
    return client
