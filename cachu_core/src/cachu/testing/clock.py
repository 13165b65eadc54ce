"""A clock that moves when it is told to."""

from __future__ import annotations

import time

from cachu.flights import nudge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from types import TracebackType

__all__ = ["FakeClock"]


class FakeClock:
    """Stops `time.time` for the whole process, and moves it by hand.

        with FakeClock() as clock:
            get_user(7)
            clock.advance(301)
            get_user(7)  # its entry has expired

    Whatever cachu reads from the clock follows: times to live, the age of entries, and how long
    callers wait for each other. Clocks nest; each puts back the one that it found.

    Args:
        start: Where to begin, as a Unix timestamp; by default at the time that it is.
    """

    def __init__(self, start: float | None = None) -> None:
        self._start = start
        self._now = 0.0
        self._replaced: Callable[[], float] | None = None

    @property
    def now(self) -> float:
        """The time on this clock, as a Unix timestamp."""
        return self._now

    def advance(self, by: float | timedelta) -> None:
        """Let time pass, and have everybody who waits look at the clock again.

        Args:
            by: Seconds, or a `timedelta`.

        Raises:
            ValueError: If that is less than nothing; `set` also turns the clock back.
        """
        step = by if isinstance(by, (int, float)) else by.total_seconds()
        if not step >= 0:
            raise ValueError(f"a clock advances by zero or more seconds, got {by!r}")
        self.set(self._now + step)

    def set(self, to: float) -> None:
        """Show another time, and have everybody who waits look at the clock again.

        Args:
            to: A Unix timestamp.
        """
        self._now = float(to)
        nudge()

    def __enter__(self) -> FakeClock:  # noqa: PYI034  typing.Self is newer than Python 3.10
        if self._replaced is not None:
            raise RuntimeError("this FakeClock is running; nest another one")
        self._replaced = time.time
        self._now = float(time.time() if self._start is None else self._start)
        time.time = self._read
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._replaced is not None:
            time.time, self._replaced = self._replaced, None
        nudge()

    def _read(self) -> float:
        return self._now
