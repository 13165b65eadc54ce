"""The options that the Redis backend adds to `configure()`."""

from __future__ import annotations

from typing import Final

from cachu.settings import Settings

__all__ = ["RedisSettings"]

SCHEMES: Final = ("redis", "rediss", "unix")


class RedisSettings(Settings):
    """Options of the backend `redis`.

    Attributes:
        redis_url: Where the server is: `redis://`, `rediss://` (TLS) or `unix://`.
        redis_distributed: Whether a cold key is computed once over all hosts, under a lock
            that the server keeps.
    """

    redis_url: str = "redis://localhost:6379/0"
    redis_distributed: bool = False

    def check(self) -> None:
        """Refuse an address that no client understands."""
        scheme, separator, _ = self.redis_url.partition("://")
        if not separator or scheme.lower() not in SCHEMES:
            # The address stays out of the message: it may hold a password.
            raise ValueError(
                "redis_url begins with redis://, rediss:// or unix://, "
                "for example redis://localhost:6379/0"
            )
