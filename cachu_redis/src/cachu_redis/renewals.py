"""Leases are kept alive while the function runs, by one thread per process.

A host that dies says nothing any more, and loses its leases. The thread starts with the first
lease and ends when there has been none for a while.
"""

from __future__ import annotations

import logging
import os
import threading
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds without a lease after which the thread ends.
_IDLE: Final = 5.0


class Renewal:
    """A lease that is to be kept alive.

    Args:
        renew: Tells the server that somebody still computes.
        every: How often, in seconds.
    """

    __slots__ = ("due", "every", "renew")

    def __init__(self, renew: Callable[[], object], every: float) -> None:
        self.renew: Callable[[], object] = renew
        self.every: float = every
        self.due: float = monotonic() + every


class Renewals:
    """All leases of this process that plain code holds."""

    def __init__(self) -> None:
        self._gate = threading.Condition(threading.Lock())
        self._running: dict[int, Renewal] = {}
        self._thread: threading.Thread | None = None
        self._pace = inf

    def start(self, renew: Callable[[], object], every: float) -> Renewal:
        """Call *renew* every so many seconds until `stop` is called."""
        renewal = Renewal(renew, every)
        self._running[id(renewal)] = renewal
        if self._thread is None or every < self._pace:
            self._ensure_thread(every)
        return renewal

    def stop(self, renewal: Renewal) -> None:
        """Let go of a lease."""
        self._running.pop(id(renewal), None)

    def close(self) -> None:
        """End the thread if there is no lease; the next one starts another thread."""
        with self._gate:
            thread = self._thread
            if not self._is_over():
                return
            self._gate.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def after_fork(self) -> None:
        """Forget, in a child process, the thread and the leases of its parent."""
        self._gate = threading.Condition(threading.Lock())
        self._running = {}
        self._thread = None
        self._pace = inf

    def _ensure_thread(self, every: float) -> None:
        with self._gate:
            self._pace = min(every, self._pace)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="cachu-redis-renewals", daemon=True
                )
                self._thread.start()
            else:
                self._gate.notify_all()

    def _is_over(self) -> bool:
        """Let go of the thread if there is no lease, and say so. The gate must be held."""
        thread, pace = self._thread, self._pace
        self._thread, self._pace = None, inf
        if self._running:  # looked at last: whoever came before that saw a thread
            self._thread, self._pace = thread, pace
            return False
        return True

    def _run(self) -> None:
        until = monotonic() + _IDLE
        while True:
            # Nobody wakes this thread for a new lease: its first time comes no sooner than ours.
            with self._gate:
                if self._thread is not threading.current_thread():
                    return
                if monotonic() >= until and self._is_over():
                    return
                self._gate.wait(self._pace / 2)
            running = list(self._running.values())
            if running:
                until = monotonic() + _IDLE
            for renewal in running:
                if monotonic() >= renewal.due:
                    self._renew(renewal)

    def _renew(self, renewal: Renewal) -> None:
        renewal.due = monotonic() + renewal.every
        try:
            renewal.renew()
        except Exception as error:
            # The lease may be lost, and then nothing will be stored. Whoever stores is told why.
            logging.getLogger("cachu").debug("A lease could not be renewed: %s", error)


renewals: Final = Renewals()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renewals.after_fork)
