"""Lines: the way to one server, for plain code.

redis-py makes the connections; it does TLS, Unix sockets and authentication. What its clients and
pools do around each command costs more than the command, so that is done here.
"""

from __future__ import annotations

from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError

from cachu_redis.channels import opened
from cachu_redis.exchanges import Sent, exchange, receive, send
from cachu_redis.faults import check_mode
from cachu_redis.packing import pack
from cachu_redis.pools import Pool
from cachu_redis.script import spelled_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cachu_redis.channels import Channel
    from cachu_redis.exchanges import Command
    from cachu_redis.sentinels import Sentinels


class Line:
    """The way to one server.

    Args:
        make: Makes a connection, to wherever the server is now.
        size: How many connections there may be, and as many again to wait for wake-up calls.
        patience: Seconds that a caller waits for a connection, or for an answer to come.
        mode: What the server must say that it is, "standalone" or "cluster".
        sentinels: Who knows which server it is now, if there are such.
    """

    raw: Final = True
    """Whether replies come as the server sent them, whatever the command."""

    def __init__(
        self,
        make: Callable[[], Any],
        size: int,
        patience: float,
        mode: str = "standalone",
        sentinels: Sentinels | None = None,
    ) -> None:
        self._make = make
        self._patience = patience
        self._mode = mode
        self._sentinels = sentinels
        self._checked = False
        self._size = size
        self._pool = Pool(self._connected, size)
        self._slow = Pool(self._connected, size)

    def at(self, bucket: int) -> Line:
        """Return the line to the server of a bucket: there is but one."""
        return self

    def ask(self, *command: Any) -> Any:
        """Send a command and return the reply.

        Raises:
            RedisError: If the server says no, or nothing, or cannot be reached.
        """
        if self._sentinels is not None:
            self._follow(self._sentinels)
        pool = self._pool
        try:
            channel = pool.idle.pop()
        except IndexError:
            channel = pool.needed(self._patience)
        try:
            channel.send(b"".join(pack(command)))
            reply = channel.receive()
        except RedisConnectionError:
            # It may have been closed while it was idle; a new one will tell.
            self._give_up(pool, channel)
        except BaseException:
            self._give_up(pool, channel)
            raise
        else:
            if not isinstance(reply, ReadOnlyError):
                pool.idle.append(channel)
                if pool.awaited:
                    pool.call_next()
                return self._told(reply, command) if isinstance(reply, Exception) else reply
            self._give_up(pool, channel)
            if self._sentinels is None:
                raise reply
        return self._told(self._ask_anew([command])[0], command)

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send several commands in one round trip.

        Returns:
            Their replies; where the server said no, that error.
        """
        return self.settle(self.hear(self.start(commands), commands), commands)

    def start(self, commands: Sequence[Command]) -> Sent:
        """Send several commands; whoever does so reads the answers, or calls them off."""
        if self._sentinels is not None:
            self._follow(self._sentinels)
        pool = self._pool
        channel = pool.needed(self._patience)
        try:
            send(channel, commands)
        except RedisConnectionError:
            self._give_up(pool, channel)
            return Sent(pool, None)
        except BaseException:
            self._give_up(pool, channel)
            raise
        return Sent(pool, channel)

    def hear(self, sent: Sent, commands: Sequence[Command]) -> list[Any] | None:
        """Read the replies to what was sent; None if it has to be sent over a new connection.

        The old one may have been closed while it was idle, or lead to a former master.
        """
        pool, channel = sent
        if channel is None:
            return None
        try:
            replies = receive(channel, commands)
        except RedisConnectionError:
            self._give_up(pool, channel)
            return None
        except BaseException:
            self._give_up(pool, channel)
            raise
        if self._sentinels is not None and any(isinstance(r, ReadOnlyError) for r in replies):
            self._give_up(pool, channel)
            return None
        pool.give_back(channel)
        return replies

    def settle(self, replies: list[Any] | None, commands: Sequence[Command]) -> list[Any]:
        """Send anew what has to be, and return all replies."""
        if replies is None:
            replies = self._ask_anew(commands)
        unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            told = self.ask_all([spelled_out(commands[number]) for number in unknown])
            for number, reply in zip(unknown, told):
                replies[number] = reply
        return replies

    def ask_each(self, commands: Sequence[tuple[int, Command]]) -> list[Any]:
        """Send commands, each with the number of its bucket; otherwise as `ask_all`."""
        return self.ask_all([command for _, command in commands])

    def wait(self, key: str, since: bytes, seconds: float) -> None:
        """Wait for a wake-up call after *since*, at most *seconds*; as long for a connection.

        It may return too early, so whoever waited looks again.
        """
        until = monotonic() + seconds
        pool = self._slow
        fresh = not pool.idle
        channel = pool.take(seconds)
        if channel is None:
            return
        left = max(0.001, until - monotonic())
        command = ("XREAD", "BLOCK", ceil(left * 1000), "STREAMS", key, since)
        try:
            send(channel, [command])
            reply = channel.receive(left + self._patience)
        except RedisConnectionError:
            self._give_up(pool, channel)
            if fresh:
                raise
            pool.close()  # the others were closed by the server, too
        except BaseException:
            self._give_up(pool, channel)
            raise
        else:
            pool.give_back(channel)
            if isinstance(reply, Exception):
                raise reply

    def close(self) -> None:
        """Close what is idle now."""
        self._pool.close()
        self._slow.close()

    def after_fork(self) -> None:
        """Forget, in a child process, the connections of its parent."""
        self._pool.after_fork()
        self._slow.after_fork()
        if self._sentinels is not None:
            self._sentinels.after_fork()

    def _follow(self, sentinels: Sentinels) -> None:
        """Let go of a server whose place another one has taken."""
        if monotonic() >= sentinels.due and sentinels.moved():
            # Connections that are in use go with the last who uses them.
            for pool in self._pool, self._slow:
                pool.close()
            self._pool = Pool(self._connected, self._size)
            self._slow = Pool(self._connected, self._size)

    def _told(self, reply: Any, command: Command) -> Any:
        """Return a reply, raise what it says, or tell the server a script that it does not know."""
        if isinstance(reply, NoScriptError):
            return self.ask(*spelled_out(command))
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _give_up(self, pool: Pool, channel: Channel) -> None:
        """Drop a connection on which something went wrong, and perhaps the server with it."""
        self._doubt()
        pool.drop(channel)

    def _doubt(self) -> None:
        if self._sentinels is not None:
            self._sentinels.doubt()

    def _ask_anew(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands over a new connection."""
        pool = self._pool
        channel = pool.needed(self._patience, anew=True)
        try:
            replies = exchange(channel, commands)
        except BaseException:
            self._give_up(pool, channel)
            raise
        pool.give_back(channel)
        return replies

    def _connected(self) -> Channel:
        connection = self._make()
        try:
            connection.connect()
            channel = opened(connection)
            if not self._checked:
                check_mode(exchange(channel, [("HELLO",)])[0], self._mode)
                self._checked = True
        except BaseException:
            self._doubt()
            connection.disconnect()
            raise
        return channel
