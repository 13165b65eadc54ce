"""Sentinels know which server of a service is the one to write to.

A server that was replaced goes on answering for a while. So they are asked again every second, and
at once when it failed; but not for each of the connections that a crowd makes.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from cachu.errors import ConfigurationError

if TYPE_CHECKING:
    from cachu_redis.addresses import Addresses

# Seconds between two looks; more if no Sentinel answers.
_OFTEN: Final = 1.0
_SELDOM: Final = 30.0


class Sentinels:
    """The Sentinels of a service.

    Args:
        addresses: Where they are, and how one connects to them and to the servers.
        patience: Seconds after which no further one is asked.

    Attributes:
        due: When to ask them again, on the monotonic clock.
    """

    def __init__(self, addresses: Addresses, patience: float) -> None:
        self._addresses = addresses
        self._patience = patience
        self._hosts = list(addresses.hosts)
        self._question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", addresses.sentinel)
        self._server: tuple[str, int] | None = None
        # Where those who follow us think that it is.
        self._followed: tuple[str, int] | None = None
        self._doubted = True
        self._gate = threading.Lock()
        self._pause = _OFTEN
        self.due: float = monotonic() + _OFTEN

    def connection(self) -> Any:
        """Return a connection to the server, wherever it is now."""
        # One asks, and the others have the answer; nobody waits for longer than he would ask.
        waited = self._gate.acquire(timeout=self._patience)
        try:
            server = self._known() or self._found()
        finally:
            if waited:
                self._gate.release()
        return self._addresses.connection(*server)

    async def async_connection(self) -> Any:
        """Return a connection for asynchronous code."""
        return self._addresses.async_connection(*(self._known() or await self._found_async()))

    def moved(self) -> bool:
        """Ask the Sentinels; say whether another server has taken the place of ours."""
        before = self._followed
        self.due = monotonic() + self._pause  # only one caller asks
        try:
            self._followed = self._found()
        except (RedisError, OSError):
            return self._unanswered()
        return self._followed != before

    async def moved_async(self) -> bool:
        """Ask the Sentinels, in asynchronous code; otherwise as `moved`."""
        before = self._followed
        self.due = monotonic() + self._pause
        try:
            self._followed = await self._found_async()
        except (RedisError, OSError):
            return self._unanswered()
        return self._followed != before

    def after_fork(self) -> None:
        """Forget, in a child process, the threads of its parent."""
        self._gate = threading.Lock()

    def doubt(self) -> None:
        """Ask before the next connection is made: the server failed, or takes no writes."""
        self._doubted = True

    def server(self) -> tuple[str, int]:
        """Return where the server is now."""
        return self._found()

    def _known(self) -> tuple[str, int] | None:
        """Return where the server was a moment ago, if nothing went wrong since."""
        return None if self._doubted or monotonic() >= self.due else self._server

    def _unanswered(self) -> bool:
        # The server itself may be all right; if it is not, whoever uses it will say so.
        self._pause = min(2 * self._pause, _SELDOM)
        self.due = monotonic() + self._pause
        return False

    def _found(self) -> tuple[str, int]:
        until, failure = monotonic() + self._patience, None
        for host, port in list(self._hosts):
            sentinel = self._addresses.to_sentinel(self._addresses.connection(host, port))
            try:
                sentinel.send_command(*self._question)
                return self._named(sentinel.read_response())
            except (RedisError, OSError) as error:
                failure = self._silent((host, port), error)
                if monotonic() >= until:
                    break
            finally:
                sentinel.disconnect()
        raise failure or RedisConnectionError("There are no Sentinels")

    async def _found_async(self) -> tuple[str, int]:
        until, failure = monotonic() + self._patience, None
        for host, port in list(self._hosts):
            sentinel = self._addresses.to_sentinel(self._addresses.async_connection(host, port))
            try:
                await sentinel.send_command(*self._question)
                return self._named(await sentinel.read_response())
            except (RedisError, OSError) as error:
                failure = self._silent((host, port), error)
                if monotonic() >= until:
                    break
            finally:
                await sentinel.disconnect(nowait=True)
        raise failure or RedisConnectionError("There are no Sentinels")

    def _named(self, reply: Any) -> tuple[str, int]:
        if reply is None:
            raise RedisConnectionError(
                f"The Sentinel does not know the service {self._addresses.sentinel!r}"
            )
        host, port = (part.decode() if isinstance(part, bytes) else part for part in reply)
        self._server, self._doubted = (host, int(port)), False
        self._followed = self._followed or self._server
        self._pause = _OFTEN
        self.due = monotonic() + _OFTEN
        return self._server

    def _silent(self, host: tuple[str, int], error: Exception) -> Exception:
        """Ask *host* last the next time."""
        if isinstance(error, ResponseError) and "unknown command" in str(error).lower():
            raise ConfigurationError(
                "redis_sentinel is set, but redis_url leads to a server that is no Sentinel"
            ) from error
        if host in self._hosts:
            self._hosts.remove(host)
            self._hosts.append(host)
        return error
