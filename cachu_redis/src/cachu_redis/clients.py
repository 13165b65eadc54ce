"""Clients of the configured servers, for people who need the server beside the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachu.errors import ConfigurationError

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["get_redis_client"]


def get_redis_client(url: str | None = None) -> Redis:
    """Return the client of a configured server.

    Args:
        url: The server; by default the `redis_url` of the calling package.

    Raises:
        ConfigurationError: Always, in this release, which has no client yet.
    """
    del url
    raise ConfigurationError(
        "This release of cachu-redis registers the backend 'redis' and its options; "
        "its client is not in it yet. Make one of your own meanwhile: redis.Redis.from_url(...)."
    )
