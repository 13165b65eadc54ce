"""Lines for asynchronous code: the way to one server, shared by all tasks of a loop.

Whatever the tasks of one tick ask travels as one batch. Nobody runs beside them: the task that
finds the line free takes the lead, sends its own command and reads the reply; whoever comes
meanwhile queues up, and the first of those leads the next batch, of them all.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError

from cachu_redis.async_connections import Connector
from cachu_redis.async_waits import AsyncWaits
from cachu_redis.async_wires import AsyncWire
from cachu_redis.script import spelled_out

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cachu_redis.sentinels import Sentinels

    Command: TypeAlias = Sequence[Any]
    _Outcome: TypeAlias = tuple[list[Any], Exception | None]

# What a waiting request is answered if it is to lead the next batch.
_LEAD: Final[list[Any]] = []


class _Request:
    """Some commands of one task, and what will be answered."""

    __slots__ = ("answer", "commands")

    def __init__(self, commands: Sequence[Command], answer: asyncio.Future[list[Any]]) -> None:
        self.commands = commands
        self.answer = answer


class AsyncLine:
    """The way to one server.

    Args:
        make: Makes a connection, to wherever the server is now.
        size: How many connections there may be besides, for those who wait.
        patience: Seconds that the server has for an answer.
        mode: What the server must say that it is, "standalone" or "cluster".
        sentinels: Who knows which server it is now, if there are such.
        health: Seconds after which a connection that nobody used is tried before it is used.
    """

    raw: Final = True
    """Whether replies come as the server sent them, whatever the command."""

    def __init__(
        self,
        make: Callable[[], Awaitable[Any]],
        size: int,
        patience: float,
        mode: str = "standalone",
        sentinels: Sentinels | None = None,
        health: float = inf,
    ) -> None:
        connector = Connector(make, mode)
        self._waits = AsyncWaits(connector, size, patience)
        self._wire = AsyncWire(connector, patience, sentinels, health, self._waits)
        self._queue: list[_Request] = []
        self._reads: dict[Command, asyncio.Future[_Outcome]] = {}
        self._busy = False
        self._rest: asyncio.Task[None] | None = None

    def at(self, bucket: int) -> AsyncLine:
        """Return the line to the server of a bucket: there is but one."""
        return self

    async def ask(self, *command: Any) -> Any:
        """Send a command and return the reply.

        Raises:
            RedisError: If the server says no, or nothing, or cannot be reached.
        """
        if self._busy:
            reply = (await self._queued([command]))[0]
        else:
            reply = (await self._lead([command]))[0]
        if isinstance(reply, Exception):
            if isinstance(reply, NoScriptError):
                return await self.ask(*spelled_out(command))
            raise reply
        return reply

    async def read(self, *command: Any) -> Any:
        """Send a command that only reads; otherwise as `ask`.

        Callers of the same one share it. Nobody joins once it was sent: its answer may be older
        than what a later caller must see.
        """
        while self._busy:
            joined = self._reads.get(command)
            if joined is None:
                return await self._read_for_all(command)
            replies, error = await asyncio.shield(joined)
            if error is not None:
                raise _like(error)
            if replies:
                return _checked(replies[0])
            # Whoever was to send it was cancelled.
        return _checked((await self._lead([command]))[0])

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send several commands in one round trip.

        Returns:
            Their replies; where the server said no, that error.
        """
        replies = await (self._queued(commands) if self._busy else self._lead(commands))
        unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            told = await self.ask_all([spelled_out(commands[number]) for number in unknown])
            for number, reply in zip(unknown, told):
                replies[number] = reply
        return replies

    async def ask_each(self, commands: Sequence[tuple[int, Command]]) -> list[Any]:
        """Send commands, each with the number of its bucket; otherwise as `ask_all`."""
        return await self.ask_all([command for _, command in commands])

    async def wait(self, key: str, since: bytes, seconds: float) -> None:
        """Wait for a wake-up call after *since*, at most *seconds*, or not so long."""
        await self._waits.wait(key, since, seconds)

    async def close(self) -> None:
        """Close all connections; the next command opens one again."""
        rest = self._rest
        if rest is not None and not rest.done():
            rest.cancel()
        await self._waits.close()
        await self._wire.close()

    def abandon(self, *, forked: bool = False) -> None:
        """Close all connections of a loop that was closed itself, or is our parent process's."""
        self._waits.abandon(forked=forked)
        self._wire.abandon(forked=forked)

    async def _read_for_all(self, command: Command) -> Any:
        outcome: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
        self._reads[command] = outcome
        error: Exception | None = None
        replies: list[Any] = []
        try:
            replies = await self._queued([command])
        except Exception as failure:
            error = failure
            raise
        finally:
            if self._reads.get(command) is outcome:
                del self._reads[command]
            outcome.set_result((replies, error))
        return _checked(replies[0])

    async def _queued(self, commands: Sequence[Command]) -> list[Any]:
        request = _Request(commands, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        try:
            answer = await request.answer
        except BaseException:
            if request in self._queue:
                self._queue.remove(request)
            elif _leads(request.answer):
                self._pass_on()
            raise
        return await self._lead(commands) if answer is _LEAD else answer

    async def _lead(self, commands: Sequence[Command]) -> list[Any]:
        """Send our own commands and those of all who wait, and answer them."""
        self._busy = True
        others, self._queue = self._queue, []
        self._reads.clear()
        batch = [*commands]
        for request in others:
            batch += request.commands
        replies: list[Any] = []
        try:
            await self._wire.exchange(batch, replies)
        except asyncio.CancelledError:
            # The others must not suffer, nor find our replies in place of theirs.
            rest = self._finish(batch, replies, len(commands), others)
            self._rest = asyncio.get_running_loop().create_task(rest)
            raise
        except BaseException as error:
            self._fail(others, error)
            self._pass_on(error)
            raise
        _deal(others, replies, len(commands))
        self._pass_on()
        return replies[: len(commands)]

    async def _finish(
        self, batch: Sequence[Command], replies: list[Any], own: int, others: list[_Request]
    ) -> None:
        """Read what a cancelled leader left."""
        try:
            if not await self._wire.finish():
                self._queue[:0] = others
                self._pass_on()
                return
        except BaseException as error:
            told = error if isinstance(error, Exception) else RedisConnectionError("Cancelled")
            self._fail(others, told)
            self._pass_on(told)
            if told is not error:
                raise
            return
        _deal(others, replies, own)
        self._pass_on()

    def _fail(self, requests: list[_Request], error: BaseException) -> None:
        if not isinstance(error, Exception):
            error = RedisConnectionError("The connection was closed")
        for request in requests:
            if not request.answer.done():
                # One each: tracebacks grow where they are raised.
                request.answer.set_exception(_like(error))

    def _pass_on(self, error: BaseException | None = None) -> None:
        """Let the first of those who wait lead; if there was an error, it is theirs, too."""
        if error is not None:
            queue, self._queue = self._queue, []
            self._fail(queue, error)
        while self._queue:
            request = self._queue.pop(0)
            if not request.answer.done():
                request.answer.set_result(_LEAD)
                return
        self._busy = False


def _checked(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise _like(reply)
    return reply


def _leads(answer: asyncio.Future[list[Any]]) -> bool:
    return (
        answer.done()
        and not answer.cancelled()
        and answer.exception() is None
        and answer.result() is _LEAD
    )


def _deal(requests: list[_Request], replies: list[Any], start: int) -> None:
    for request in requests:
        end = start + len(request.commands)
        if not request.answer.done():
            request.answer.set_result(replies[start:end])
        start = end


def _like(error: Exception) -> Exception:
    try:
        return type(error)(*error.args)
    except TypeError:
        return RedisTimeoutError(str(error))
