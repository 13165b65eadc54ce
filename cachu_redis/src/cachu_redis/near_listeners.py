"""Who listens to the servers for the near cache: a thread each, and one that looks after them.

What they hear they tell the table; so they do when they hear nothing any more.
"""

from __future__ import annotations

import logging
import threading
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from cachu_redis.spelling import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from cachu_redis.near_cache import Address, NearTable

# Seconds between two signs of life.
_BEAT: Final = 1.0
# Seconds until a lost server is looked for again: less at first, then more.
_SHORTEST: Final = 0.05


class Follower(threading.Thread):
    """Sees to it that there is a listener for every server, and that nothing is kept in vain."""

    def __init__(self, table: NearTable) -> None:
        super().__init__(name="cachu-redis-near-watch", daemon=True)
        self._table = table
        self.ended: threading.Event = threading.Event()

    def run(self) -> None:
        """Look now and then; sooner if a listener was lost."""
        pause = _SHORTEST
        while not self.ended.wait(pause):
            self._table.sweep()
            try:
                quiet = self._table.follow()
            except Exception as error:
                # Whoever uses the server is told; the near cache is off meanwhile.
                logging.getLogger("cachu").debug("The near cache finds no server: %s", error)
                quiet = False
            pause = _BEAT / 2 if quiet else min(2 * pause, _BEAT)
        self._table.leave()


class Listener(threading.Thread):
    """Listens to one server."""

    def __init__(
        self, table: NearTable, place: Address, connect: Callable[[str, int], Any]
    ) -> None:
        super().__init__(name="cachu-redis-near", daemon=True)
        self._table = table
        self._place = place
        self._connect = connect
        self.ended: threading.Event = threading.Event()
        # Every change before then is known, on the monotonic clock.
        self.heard: float = -inf

    def run(self) -> None:
        """Listen until told to end, or until the server is lost."""
        connection: Any = None
        try:
            connection = self._connect(*self._place)
            self._begin(connection)
            self._listen(connection)
        except Exception as error:
            logging.getLogger("cachu").debug("The near cache lost its listener: %s", error)
        finally:
            self.heard = -inf
            self._table.flush()
            if connection is not None:
                connection.disconnect()

    def _begin(self, connection: Any) -> None:
        def ask(*command: Any) -> Any:
            connection.send_command(*command)
            return connection.read_response(disable_decoding=True)

        connection.health_check_interval = 0
        number = ask("CLIENT", "ID")
        prefixes = ("PREFIX", f"{PREFIX}e:", "PREFIX", f"{PREFIX}g:")
        ask("CLIENT", "TRACKING", "ON", "REDIRECT", number, "BCAST", *prefixes)
        ask("SUBSCRIBE", "__redis__:invalidate")
        self._table.flush()
        self.heard = monotonic()
        self._table.heard()

    def _listen(self, connection: Any) -> None:
        due, answered, asked = monotonic() + _BEAT, True, self.heard
        while not self.ended.is_set():
            if connection.can_read(timeout=min(0.1, max(0.0, due - monotonic()))):
                message = connection.read_response(disable_decoding=True)
                if message[0] == b"message":
                    self._told(message[2])
                else:
                    # Only this is a sign of life. What is told may be old, and more behind it; but
                    # by now all is heard that had changed when this was asked for.
                    answered, self.heard = True, asked
                    self._table.heard()
            if monotonic() >= due:
                if not answered:
                    raise ConnectionError("The server gives no sign of life")
                due, answered, asked = monotonic() + _BEAT, False, monotonic()
                connection.send_command("PING")

    def _told(self, names: list[bytes] | None) -> None:
        if names is None:  # the server was flushed
            self._table.flush()
        else:
            self._table.forget([name.decode("utf-8", "replace") for name in names])
