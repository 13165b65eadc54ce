"""Where the servers are, and how one connects to them.

Every setting is given, because the defaults of redis-py differ from release to release.
"""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from cachu_redis.settings import RedisSettings

PORT: Final = 6379
SENTINEL_PORT: Final = 26379


class Addresses:
    """The servers of one configuration.

    Args:
        settings: The options.

    Attributes:
        hosts: Host and port of each; one entry without meaning for a Unix socket.
        sentinel: The name of the service to ask the hosts for, if they are Sentinels.
        cluster: Whether they are nodes of a Cluster.
        url: That of the first one.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self.sentinel: str | None = settings.redis_sentinel
        self.cluster: bool = settings.redis_cluster
        port = PORT if self.sentinel is None else SENTINEL_PORT
        scheme, _, rest = settings.redis_url.partition("://")
        place, slash, path = rest.partition("/")
        if scheme.lower() == "unix":
            self.hosts: list[tuple[str, int]] = [("", 0)]
            self.url: str = f"unix://{rest}"
        else:
            place, mark, query = place.partition("?")
            user, at, hosts = place.rpartition("@")
            self.hosts = [_host(host, port) for host in hosts.split(",")]
            host, port = self.hosts[0]
            host = f"[{host}]" if ":" in host else host
            self.url = f"{scheme.lower()}://{user}{at}{host}:{port}{mark}{query}{slash}{path}"

    def explicit(self) -> dict[str, Any]:
        """Return all settings of a connection that the url may overrule."""
        settings = self._settings
        options: dict[str, Any] = {
            "socket_timeout": settings.redis_timeout,
            "socket_connect_timeout": settings.redis_connect_timeout,
            "health_check_interval": settings.redis_health_check_interval,
            "protocol": 2,
        }
        if not self.url.startswith("unix:"):
            options["socket_keepalive"] = True
        return options

    def connection(self, host: str, port: int) -> Any:
        """Return a connection for plain code; it connects when it is used."""
        from redis import ConnectionPool
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return self._made(ConnectionPool, Retry(NoBackoff(), 0), self._place(host, port))

    def async_connection(self, host: str, port: int) -> Any:
        """Return a connection for asynchronous code."""
        from redis.asyncio import ConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        # Our lines do the health checks: within its own, redis-py would not watch the time.
        place = {**self._place(host, port), "health_check_interval": 0}
        return self._made(ConnectionPool, Retry(NoBackoff(), 0), place)

    def to_sentinel(self, connection: Any) -> Any:
        """Give a connection to a Sentinel the credentials of Sentinels."""
        connection.username = self._settings.redis_sentinel_username
        connection.password = self._settings.redis_sentinel_password
        connection.db = 0
        return connection

    def _place(self, host: str, port: int) -> dict[str, Any]:
        return {"host": host, "port": port} if host else {}

    def _made(self, pools: Any, retry: object, place: dict[str, Any]) -> Any:
        # The pool only reads the url; it never has a connection of its own.
        pool = pools.from_url(self.url, retry=retry, **self.explicit())
        # What we read is what this protocol says, whatever the url would like.
        options = {**pool.connection_kwargs, **place, "protocol": 2}
        return pool.connection_class(**options, **_nameless(pool.connection_class))


def _host(text: str, port: int) -> tuple[str, int]:
    """Return the host and the port in *text*, which may be an IPv6 address in brackets."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest[1:] or port)
    host, _, rest = text.partition(":")
    return unquote(host) or "localhost", int(rest or port)


def _nameless(kind: type) -> dict[str, None]:
    """Return what keeps a connection from telling the server which library it is of."""
    for base in kind.__mro__:
        parameters = (
            signature(vars(base)["__init__"]).parameters if "__init__" in vars(base) else {}
        )
        if "driver_info" in parameters:
            return {"driver_info": None}
        if "lib_name" in parameters:
            return {"lib_name": None, "lib_version": None}
    return {}
