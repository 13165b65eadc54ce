"""What is imported late, and forks: one waits for the other.

A forked child has one thread. If another thread of its parent was in the middle of an import, the
child would wait for its end for ever, as soon as it imports the same module. So a fork waits until
nobody is at it, though not for ever. Who imports waits for nobody but a fork: an import may wait
for the import of another thread.
"""

from __future__ import annotations

import os
import time
from _thread import RLock, get_ident

# Seconds that a fork waits for imports to end; then it goes on without.
_PATIENCE = 10.0
# Seconds between two looks.
_LOOK = 0.0005


class Loads:
    """The threads that import something now; a context manager for them, which may be nested.

    Plugins use it for what must not be copied into a forked child half done, such as opening a
    database: their own handlers are not yet there for a fork that waits for their import.
    """

    __slots__ = ("_first", "_gate", "_under_way")

    def __init__(self) -> None:
        self._gate = RLock()
        self._under_way: dict[int, int] = {}
        self._first = True

    def __enter__(self) -> None:
        if self._first:
            self._first = False
            self._before_others()
        thread = get_ident()
        if thread in self._under_way:
            self._under_way[thread] += 1
        else:
            with self._gate:
                self._under_way[thread] = 1

    def __exit__(self, *error: object) -> None:
        thread = get_ident()
        self._under_way[thread] -= 1
        if not self._under_way[thread]:
            del self._under_way[thread]

    def before_fork(self) -> None:
        """Wait for the others, and keep them from beginning anew."""
        deadline = time.monotonic() + _PATIENCE
        self._gate.acquire(timeout=_PATIENCE)
        while set(self._under_way) - {get_ident()} and time.monotonic() < deadline:
            time.sleep(_LOOK)

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
        # Taken twice, or not at all if it was waited for in vain.
        while self._gate._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001
            self._gate.release()

    def after_fork_in_child(self) -> None:
        """Forget the threads of the parent."""
        thread = get_ident()
        self._gate = RLock()
        mine = self._under_way.get(thread)
        self._under_way = {} if mine is None else {thread: mine}


loads: Loads = Loads()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=loads.before_fork,
        after_in_parent=loads.after_fork_in_parent,
        after_in_child=loads.after_fork_in_child,
    )
