"""What may fail: it counts faults, tells of them, and is left alone for a moment.

A store that fails is told of once per outage, and of each kind of fault once a minute at most; what
went untold is, with the next line or a minute after the last fault.
After two faults in a row it is left alone, for a tenth of a second at first and at most for a
second, so that a dead server costs a bounded total and not a timeout per call. Then one caller
tries.
"""

from __future__ import annotations

import time
from _thread import RLock

from cachu.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger
    from typing import Final

# So many faults in a row, and the store is left alone for so many seconds: less at first, then
# more. Whoever tries then is given the longest time to find out.
ENOUGH: Final = 2
SHORTEST: Final = 0.1
LONGEST: Final = 1.0
# A kind of fault is told of so many seconds after the last time, so that a store that comes and
# goes does not fill the log.
_SELDOM: Final = 60.0


class Monitored:
    """A way of using a store: what went wrong there, and whether it is to be left alone.

    The clock is `time.time`, which tests may stop and move; if it is set back, the store is tried.

    Attributes:
        failing: Whether the last operation failed.
        troubled: Whether it did, or there are faults left to tell of; all that one that goes well
            has to look at.
        faults: How many operations failed since the process began; those that were not tried are
            not among them.
        used: Whether anybody is to be told of an outage.
    """

    __slots__ = (
        *(
            "_cause",
            "_counted",
            "_label",
            "_lines",
            "_lock",
            "_outcome",
            "_pause",
            "_row",
            "_since",
        ),
        *("_told", "_trying", "_until", "_untold", "_what", "_why", "_worse"),
        *("failing", "faults", "troubled", "used"),
    )

    def __init__(self, label: str, what: str, outcome: str, worse: Monitored | None = None) -> None:
        self._label = label
        self._what = what
        self._outcome = outcome
        # What goes without saying while that one is in trouble.
        self._worse = worse
        self._lock = RLock()
        self._cause: Exception | None = None
        self._why = ""
        self._row = 0
        self._pause = 0.0
        self._since = self._until = 0.0
        self._trying = False
        self._told = False
        # When each kind of fault was told of last, and how many faults there had been by then.
        self._lines: dict[str, float] = {}
        self._counted = 0
        # When the last fault was that went untold; they are told of when there are no more.
        self._untold: float | None = None
        self.failing: bool = False
        self.troubled: bool = False
        self.faults: int = 0
        self.used: bool = True

    def enter(self) -> None:
        """Let a caller of a troubled store pass, unless the store is to be left alone.

        Raises:
            BackendError: If it is, from what it failed with last.
        """
        with self._lock:
            if self._row < ENOUGH:
                return
            now = time.time()
            if not self._since <= now < self._until:
                self._since, self._until, self._trying = now, now + LONGEST, True
                return
            cause, why = self._cause, self._why
        message = f"{self._label} is left alone for a moment after {why}"
        raise BackendError(message) from cause

    def failed(self, error: Exception, *, tell: bool = True) -> BackendError:
        """Count a fault, and return what to raise from *error*.

        An error with a true attribute `partial` concerns a part of the store, such as one node of
        a cluster. It does not add to the row, so that the other parts go on being used.
        """
        partial = getattr(error, "partial", False)
        cause, why = _bare(error), _spell(error)
        with self._lock:
            now = time.time()
            self.faults += 1
            self._cause, self._why = cause, why
            if not partial:
                self._row += 1
            if self._row == ENOUGH and not partial:
                self._pause = SHORTEST
                self._since, self._until = now, now + SHORTEST
            elif self._trying:
                self._trying = False
                self._pause = min(2 * self._pause, LONGEST)
                self._since, self._until = now, now + self._pause
            self.failing = self.troubled = True
        if tell:
            self.tell(error)
        return BackendError(f"{self._label} {self._what}: {why}")

    def tell(self, error: Exception) -> None:
        """Tell of an outage, once, unless one of its kind was told of within the last minute."""
        kind = type(error).__name__
        with self._lock:
            now, last = time.time(), self._lines.get(kind)
            implied = self._worse is not None and self._worse.failing
            if self._told or implied or not self.used:
                return
            if last is not None and last <= now < last + _SELDOM:
                self._untold = now
                return
            self._told, self._lines[kind], self._untold = True, now, None
            untold, self._counted = self.faults - self._counted - 1, self.faults
        _log().warning(
            "%s %s: %s; %s. Further faults are only counted%s.",
            self._label,
            self._what,
            _spell(error),
            self._outcome,
            f", as {untold} were since the last such line" if untold > 0 else "",
        )

    def recovered(self) -> None:
        """Use the store as ever again."""
        with self._lock:
            told, self._told = self._told, False
            self._row, self._trying, self._cause = 0, False, None
            now, last, rest = time.time(), self._untold, 0
            if last is not None and not last <= now < last + _SELDOM:
                rest, self._counted = self.faults - self._counted, self.faults
                self._untold = None
            self.failing, self.troubled = False, self._untold is not None
        if told:
            _log().info("%s again.", f"{self._label} {self._what}".replace("cannot", "can"))
        if rest:
            _log().warning(
                "%s %s: %d more faults were since the last such line, and none for %d seconds.",
                self._label,
                self._what,
                rest,
                now - last if last is not None and now > last else 0,
            )

    def untried(self) -> None:
        """Let the next one try, too."""
        with self._lock:
            self._until = self._since

    def after_fork(self) -> None:
        """Forget, in a child process, the threads of its parent."""
        self._lock = RLock()


def _bare(error: Exception) -> Exception | None:
    """Return a copy of *error*, whose traceback would keep all frames of its call alive."""
    from copy import copy

    try:
        return copy(error)
    except Exception:
        return None  # some errors take other arguments than they keep; its text says enough


def _spell(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _log() -> Logger:
    import logging

    return logging.getLogger("cachu")
