"""How long something is waited for by looking again and again."""

from __future__ import annotations

import time
from typing import Final

# Seconds between two looks: a little more each time.
_FIRST: Final = 0.0005
_LONGEST: Final = 0.01
_GROWTH: Final = 1.5


class Patience:
    """Says how long to sleep before the next look, until time is up.

    Time is up when *seconds* have passed on the clock, on the monotonic clock or in sleep,
    whichever comes first: tests may move the clock, or stop all clocks.

    Args:
        seconds: How long to wait in all.
        first: The first sleep, in seconds.
        longest: The longest sleep, in seconds.
    """

    __slots__ = ("_clock", "_left", "_longest", "_monotonic", "_next")

    def __init__(self, seconds: float, first: float = _FIRST, longest: float = _LONGEST) -> None:
        self._left = seconds
        self._clock = time.time() + seconds
        self._monotonic = time.monotonic() + seconds
        self._next = first
        self._longest = longest

    def pause(self) -> float:
        """Return how many seconds to sleep, 0 if time is up."""
        left = min(self._left, self._clock - time.time(), self._monotonic - time.monotonic())
        if left <= 0:
            return 0.0
        pause = min(self._next, left)
        self._next = min(self._next * _GROWTH, self._longest)
        self._left -= pause
        return pause

    def sleep(self) -> bool:
        """Sleep until the next look; return False at once if time is up."""
        pause = self.pause()
        if pause:
            time.sleep(pause)
        return bool(pause)
