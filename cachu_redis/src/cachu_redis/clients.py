"""Clients of the configured servers, for people who need the server beside the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cachu_redis.servers import Servers
from cachu_redis.settings import RedisSettings

if TYPE_CHECKING:
    from redis import Redis

    from cachu_redis.addresses import Addresses

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


def make_client(settings: RedisSettings, addresses: Addresses) -> Any:
    """Make a client for plain code, with the timeouts that are configured."""
    import redis
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.retry import Retry

    if settings.redis_client is not None:
        return settings.redis_client
    once = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    options = addresses.explicit()
    if addresses.cluster:
        return redis.RedisCluster.from_url(addresses.url, **options)
    pool = redis.BlockingConnectionPool.from_url(
        addresses.url,
        max_connections=settings.redis_pool_size,
        timeout=settings.redis_timeout,
        retry=once,
        **options,
    )
    if addresses.sentinel is None:
        return redis.Redis(connection_pool=pool)
    from redis import sentinel as sentinels

    own = {
        "username": settings.redis_sentinel_username,
        "password": settings.redis_sentinel_password,
    }
    kept = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name not in ("host", "port")
    }
    tls = {"ssl": True} if addresses.url.startswith("rediss:") else {}
    make: Any = sentinels.Sentinel
    sentinel = make(addresses.hosts, sentinel_kwargs={**options, **own, **tls}, **kept)
    return sentinel.master_for(addresses.sentinel, **tls)
