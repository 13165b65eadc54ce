"""What is imported late, and forks: one waits for the other.

A forked child has one thread. If another thread of its parent was in the middle of an import, the
child would wait for its end for ever, as soon as it imports the same module. So a fork waits until
nobody is at it, though not for ever. Who imports waits for nobody but a fork: an import may wait
for the import of another thread.

An interrupt may come on the way in or out, where nothing can take back what was noted. So what is
noted is the frame that imports, and it counts for as long as that runs; and there is no lock that
might never be released.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import TypeAlias

    Mark: TypeAlias = tuple[int, int]

# Seconds that a fork waits for imports to end; then it goes on without. So does an import, for a
# fork, after twice that.
_PATIENCE = 10.0
# Seconds between two looks.
_LOOK = 0.0005


class Loads:
    """The threads that import something now; a context manager for them, which may be nested.

    Plugins use it for what must not be copied into a forked child half done, such as opening a
    database: their own handlers are not yet there for a fork that waits for their import.
    """

    __slots__ = ("_first", "_forking", "_under_way")

    def __init__(self) -> None:
        self._forking: set[int] = set()  # the threads that fork
        # By thread, the frames that import something, the innermost last.
        self._under_way: dict[int, tuple[Mark, ...]] = {}
        self._first = True

    def __enter__(self) -> None:
        if self._first:
            self._before_others()
            self._first = False
        thread, frame = get_ident(), sys._getframe(1)  # noqa: SLF001
        around = self._under_way.get(thread, ())
        if around:
            running = _running(frame)
            around = tuple(each for each in around if each in running)
        while True:
            # Noted first: whoever forks says so, and looks here after that.
            self._under_way[thread] = (*around, _mark(frame))
            if around or self._forking <= {thread}:
                return
            del self._under_way[thread]
            self._wait(thread)

    def __exit__(self, *error: object) -> None:
        thread = get_ident()
        *around, innermost = self._under_way.get(thread, (None,))
        if innermost != _mark(sys._getframe(1)):  # noqa: SLF001
            return  # interrupted on the way in
        if around:
            self._under_way[thread] = tuple(around)
        else:
            del self._under_way[thread]

    def before_fork(self) -> None:
        """Wait for the others, and keep them from beginning anew."""
        self._forking.add(get_ident())
        deadline = time.monotonic() + _PATIENCE
        while self._others() and time.monotonic() < deadline:
            time.sleep(_LOOK)

    def _wait(self, thread: int) -> None:
        """Wait until nobody else forks."""
        deadline = time.monotonic() + 2 * _PATIENCE
        while not self._forking <= {thread}:
            time.sleep(_LOOK)
            if time.monotonic() > deadline:
                self._forking.clear()  # who said so was interrupted

    def _others(self) -> bool:
        """Tell whether another thread imports something."""
        threads = set(self._under_way) - {get_ident()}
        if not threads:
            return False
        frames = sys._current_frames()  # noqa: SLF001
        return any(
            not _running(frames.get(thread)).isdisjoint(self._under_way.get(thread, ()))
            for thread in threads
        )

    def _before_others(self) -> None:
        """Have a fork wait for imports before it takes locks that they may need, such as logging's.

        What is registered last is called first.
        """
        from importlib import import_module

        import_module("logging")  # it registers its own now, if it has not yet
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.before_fork)

    def after_fork_in_parent(self) -> None:
        """Let the others go on."""
        self._forking.discard(get_ident())

    def after_fork_in_child(self) -> None:
        """Forget the threads of the parent."""
        thread = get_ident()
        self._forking = set()
        mine = self._under_way.get(thread)
        self._under_way = {} if mine is None else {thread: mine}


def _mark(frame: FrameType) -> Mark:
    """Return what tells a frame from all others that run; an address alone is soon another's."""
    return id(frame), id(frame.f_code)


def _running(frame: FrameType | None) -> set[Mark]:
    """Return the marks of a frame and of its callers."""
    found: set[Mark] = set()
    while frame is not None:
        found.add(_mark(frame))
        frame = frame.f_back
    return found


loads: Loads = Loads()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=loads.before_fork,
        after_in_parent=loads.after_fork_in_parent,
        after_in_child=loads.after_fork_in_child,
    )
