"""Lines over a client that the application made itself, of redis-py or valkey-py."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Final

from cachu.errors import ConfigurationError
from cachu_redis.script import spelled_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu_redis.exchanges import Command

# Replies are bytes, also from a client that decodes.
_RAW: dict[str, Any] = {"NEVER_DECODE": []}


def is_cluster(client: Any) -> bool:
    """Tell whether a client is one of a Cluster."""
    return hasattr(client, "nodes_manager")


def _blocking_for(client: Any, seconds: float) -> int:
    """Return for how many milliseconds a server may keep a client waiting at most."""
    pool = getattr(client, "connection_pool", None)
    timeout = getattr(pool, "connection_kwargs", {}).get("socket_timeout")
    limit = 0.2 if pool is None else seconds if timeout is None else 0.8 * timeout
    return max(1, ceil(1000 * min(seconds, limit)))


def _is_unknown_script(error: object) -> bool:
    return type(error).__name__ == "NoScriptError"


class HandedLine:
    """The way to the server of a client for plain code.

    Args:
        client: The client, with timeouts and retries of its own.
    """

    raw: Final = False
    """Whether replies come as the server sent them; a client makes something of some."""

    def __init__(self, client: Any) -> None:
        from inspect import iscoroutinefunction

        if iscoroutinefunction(getattr(client, "aclose", None)):
            raise ConfigurationError(
                "redis_client is a client for asynchronous code; hand it in as redis_async_client, "
                "and one for plain code as redis_client"
            )
        self._client = client

    def at(self, bucket: int) -> HandedLine:
        """Return the line to the server of a bucket; the client finds it."""
        return self

    def ask(self, *command: Any) -> Any:
        """Send a command and return the reply."""
        try:
            return self._client.execute_command(*command, **_RAW)
        except Exception as error:
            if not _is_unknown_script(error):
                raise
        return self._client.execute_command(*spelled_out(command), **_RAW)

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send several commands in one round trip."""
        return self.ask_each([(0, command) for command in commands])

    def ask_each(self, commands: Sequence[tuple[int, Command]]) -> list[Any]:
        """Send commands in as few round trips as the client can."""
        pipeline = self._client.pipeline(**({} if is_cluster(self._client) else _NO_TRANSACTION))
        for _, command in commands:
            pipeline.execute_command(*command, **_RAW)
        replies: list[Any] = pipeline.execute(raise_on_error=False)
        for number, reply in enumerate(replies):
            if _is_unknown_script(reply):
                replies[number] = self.ask(*commands[number][1])
        return replies

    def wait(self, key: str, since: bytes, seconds: float) -> None:
        """Wait for a wake-up call after *since*, at most *seconds*."""
        limit = _blocking_for(self._client, seconds)
        self._client.execute_command("XREAD", "BLOCK", limit, "STREAMS", key, since)

    def close(self) -> None:
        """Leave the client to whom it belongs."""

    def after_fork(self) -> None:
        """Leave the client to whom it belongs."""


_NO_TRANSACTION = {"transaction": False}


class AsyncHandedLine:
    """The way to the server of a client for asynchronous code, in the loop that it belongs to.

    Args:
        client: The client, with timeouts and retries of its own.
    """

    raw: Final = False
    """Whether replies come as the server sent them; a client makes something of some."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def at(self, bucket: int) -> AsyncHandedLine:
        """Return the line to the server of a bucket; the client finds it."""
        return self

    async def ask(self, *command: Any) -> Any:
        """Send a command and return the reply."""
        try:
            return await self._client.execute_command(*command, **_RAW)
        except Exception as error:
            if not _is_unknown_script(error):
                raise
        return await self._client.execute_command(*spelled_out(command), **_RAW)

    async def read(self, *command: Any) -> Any:
        """Send a command that only reads."""
        return await self._client.execute_command(*command, **_RAW)

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send several commands in one round trip."""
        return await self.ask_each([(0, command) for command in commands])

    async def ask_each(self, commands: Sequence[tuple[int, Command]]) -> list[Any]:
        """Send commands in as few round trips as the client can."""
        pipeline = self._client.pipeline(**({} if is_cluster(self._client) else _NO_TRANSACTION))
        for _, command in commands:
            pipeline.execute_command(*command, **_RAW)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        for number, reply in enumerate(replies):
            if _is_unknown_script(reply):
                replies[number] = await self.ask(*commands[number][1])
        return replies

    async def wait(self, key: str, since: bytes, seconds: float) -> None:
        """Wait for a wake-up call after *since*, at most *seconds*."""
        limit = _blocking_for(self._client, seconds)
        await self._client.execute_command("XREAD", "BLOCK", limit, "STREAMS", key, since)

    async def close(self) -> None:
        """Leave the client to whom it belongs."""

    def abandon(self, *, forked: bool = False) -> None:
        """Leave the client to whom it belongs."""
