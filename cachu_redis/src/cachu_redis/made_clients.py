"""Makes clients of redis-py for what an application does beside cachu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cachu_redis.addresses import Addresses
    from cachu_redis.settings import RedisSettings


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
