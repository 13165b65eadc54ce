"""The options that the Redis backend adds to `configure()`."""

from __future__ import annotations

from typing import Any, Final

from cachu.settings import Settings

__all__ = ["RedisSettings"]

SCHEMES: Final = ("redis", "rediss", "unix")


class RedisSettings(Settings):
    """Options of the backend `redis`.

    Attributes:
        redis_url: Where the server is: `redis://`, `rediss://` (TLS) or `unix://`. For a Cluster or
            Sentinels, several addresses with commas between them: `redis://a:7000,b:7000`.
        redis_distributed: Whether a cold key is computed once over all hosts, under a lock
            that the server keeps.
        redis_near_cache: How many entries are kept in this process too, in front of the server;
            0 for none.
        redis_cluster: Whether the addresses are nodes of a Cluster.
        redis_sentinel: The name of a service, if the addresses are those of its Sentinels.
        redis_sentinel_username: The user name for the Sentinels, if they want one.
        redis_sentinel_password: The password for the Sentinels, if they want one; that of the
            server is in the url.
        redis_timeout: Seconds that the server is given for an answer.
        redis_connect_timeout: Seconds that a connection may take.
        redis_pool_size: How many connections the threads of this process share.
        redis_health_check_interval: Seconds after which a connection that nobody used is tried
            before it is used; 0 for never.
        redis_lease: Seconds after which a host that computes a key under `redis_distributed` and
            does not say that it is alive loses it to another.
        redis_client: A client of your own for plain code, instead of a url.
        redis_async_client: One for asynchronous code; by default worker threads use the other.
    """

    redis_url: str = "redis://localhost:6379/0"
    redis_distributed: bool = False
    redis_near_cache: int = 0
    redis_cluster: bool = False
    redis_sentinel: str | None = None
    redis_sentinel_username: str | None = None
    redis_sentinel_password: str | None = None
    redis_timeout: float = 0.25
    redis_connect_timeout: float = 0.25
    redis_pool_size: int = 16
    redis_health_check_interval: float = 30.0
    redis_lease: float = 2.0
    redis_client: Any = None
    redis_async_client: Any = None

    def check(self) -> None:
        """Refuse what no client understands, and what contradicts itself."""
        self._check_url()
        for name, least in (
            ("redis_timeout", 0.001),
            ("redis_connect_timeout", 0.001),
            ("redis_lease", 0.1),
            ("redis_health_check_interval", 0.0),
        ):
            value = getattr(self, name)
            if not least <= value < float("inf"):
                raise ValueError(f"{name} is a number of seconds, at least {least}; got {value!r}")
        if self.redis_pool_size < 1:
            raise ValueError(f"redis_pool_size is at least 1, got {self.redis_pool_size!r}")
        if self.redis_near_cache < 0:
            raise ValueError(
                f"redis_near_cache is a number of entries, 0 for none; "
                f"got {self.redis_near_cache!r}"
            )
        self._check_topology()
        self._check_clients()

    def _check_url(self) -> None:
        scheme, separator, _ = self.redis_url.partition("://")
        if not separator or scheme.lower() not in SCHEMES:
            # The address stays out of the message: it may hold a password.
            raise ValueError(
                "redis_url begins with redis://, rediss:// or unix://, "
                "for example redis://localhost:6379/0"
            )

    def _check_topology(self) -> None:
        if self.redis_cluster and self.redis_sentinel is not None:
            raise ValueError("redis_cluster and redis_sentinel exclude each other")
        if self.redis_sentinel == "":
            raise ValueError("redis_sentinel is the name of a service, for example 'mymaster'")
        scattered = self.redis_cluster or self.redis_sentinel is not None
        scheme, _, place = self.redis_url.partition("://")
        if scattered and scheme.lower() == "unix":
            raise ValueError("A Cluster and Sentinels have no unix:// address")
        hosts = place.rpartition("@")[2].partition("/")[0].partition("?")[0]
        if "," in hosts and not scattered:
            raise ValueError(
                "redis_url has several addresses; set redis_cluster=True, or redis_sentinel to the "
                "name of a service"
            )

    def _check_clients(self) -> None:
        for name in ("redis_client", "redis_async_client"):
            client = getattr(self, name)
            if client is None:
                continue
            if not callable(getattr(client, "execute_command", None)):
                raise ValueError(  # noqa: TRY004  which configure() turns into its own
                    f"{name} is a client of redis-py or valkey-py, with an execute_command(); got "
                    f"an object of {type(client).__qualname__}"
                )
        if self.redis_async_client is not None and self.redis_client is None:
            raise ValueError("redis_async_client needs a redis_client for plain code beside it")
        if self.redis_client is not None and self.redis_near_cache:
            raise ValueError("redis_near_cache needs a redis_url, not a redis_client")
