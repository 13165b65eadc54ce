"""The switches that turn all caching off: for the process, or for one task or thread."""

from __future__ import annotations

from _thread import RLock
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Final

_lock = RLock()
_everywhere = False
_open_scopes = 0
_here: Final[ContextVar[int]] = ContextVar("cachu_disabled_here", default=0)
_followers: Final[list[Callable[[], None]]] = []

# True while anything is switched off anywhere: what the call paths look at first.
suspended: bool = False


def disable() -> None:
    """Turn caching off everywhere: every cached function runs, nothing is read, kept or counted.

    Entries stay where they are; `cache_get` and the other CRUD calls still reach them.
    """
    _turn(everywhere=True)


def enable() -> None:
    """Turn caching on again after `disable()`; the entries from before are back."""
    _turn(everywhere=False)


def is_disabled() -> bool:
    """Tell whether caching is off for the calling task or thread."""
    return _everywhere or (_open_scopes > 0 and _here.get() > 0)


def is_disabled_everywhere() -> bool:
    """Tell whether `disable()` counts now, whatever scopes are open."""
    return _everywhere


class disabled:  # noqa: N801  reads as a statement: with cachu.disabled():
    """Turn caching off for the calling task or thread: `with cachu.disabled(): ...`.

    Tasks started inside the scope inherit it, as they inherit every context variable; other tasks
    and threads go on caching. Scopes nest.
    """

    def __enter__(self) -> None:
        _here.set(_here.get() + 1)
        _turn(scopes=1)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A scope may be left in another context than it was entered in, as fixtures are.
        _here.set(max(0, _here.get() - 1))
        _turn(scopes=-1)


def follow(callback: Callable[[], None]) -> None:
    """Have *callback* called whenever `suspended` changes."""
    _followers.append(callback)


def _turn(*, everywhere: bool | None = None, scopes: int = 0) -> None:
    global _everywhere, _open_scopes, suspended  # noqa: PLW0603  the switch is the module's state
    with _lock:
        _everywhere = _everywhere if everywhere is None else everywhere
        _open_scopes += scopes
        before, suspended = suspended, _everywhere or _open_scopes > 0
        if suspended is not before:
            for callback in _followers:
                callback()


def after_fork() -> None:
    """Let go, in a child process, of what threads of its parent held: their scopes and the lock."""
    global _lock, _open_scopes  # noqa: PLW0603  the switch is the module's state
    _lock = RLock()
    _open_scopes = _here.get()
    _turn()
