"""Bytes that a store keeps at hand, and what a cached function may return without asking it.

A store that is told of changes gives what it holds a `Watch`. Cached functions then keep the entry
themselves, and a hit only looks whether the watch still counts. So the store must end it before it
lets anybody believe in a change: before a delete returns, and as soon as it may have missed one.
"""

from __future__ import annotations

from math import inf

from cachu.entries import CacheEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    # When an entry was made, and until when it is fresh.
    Verified = tuple[float, float]
    # A value, or what makes it.
    Made = tuple[Any, Callable[[], Any] | None]


class Watch:
    """Vouches for all that it was given to, for as long as its store would hear of a change.

    Attributes:
        until: Until when, on the clock `time.monotonic`. The store moves it on while all is well,
            and to `-math.inf` when something that depends on it has changed.
    """

    __slots__ = ("until",)

    def __init__(self, until: float = -inf) -> None:
        self.until: float = until


def _gone() -> Any:
    raise KeyError("it has ended")


_NEVER: Final = Watch()
_GONE: Final[Made] = (None, _gone)


class Near:
    """What was made of held bytes, so that a cached function can return it by itself.

    Attributes:
        watch: What vouches for it.
        start: The earliest time of day at which it is fresh.
        end: When it expires.
        made: The value, if all callers may have the same object, and None; or else None and what
            makes an equal value for each caller, or raises `KeyError`. Both in one, so that who
            reads them while they are let go of has them both, or neither.
    """

    __slots__ = ("end", "made", "start", "watch")

    def __init__(self, watch: Watch) -> None:
        self.watch: Watch = watch
        self.start: float = inf
        self.end: float = -inf
        self.made: Made = _GONE

    def let_go(self) -> None:
        """Be of no use from now on, and keep nothing alive: whoever has this may have it long."""
        self.watch = _NEVER
        self.made = _GONE

    def learn(self, made: Made, start: float, end: float) -> None:
        """Be of use from now on, unless it is over already."""
        self.made = made
        self.start = start
        self.end = end  # the last: from now on it may be used
        if self.watch is _NEVER:
            self.made = _GONE


class Held(bytes):
    """Bytes that a store keeps at hand, to return them again for as long as they are current.

    Attributes:
        reader: Who verified and decodes them; others, who have another key or serializer, treat
            them like any bytes.
        verified: The times of the entry in them, once they were verified, which is done once.
        near: What cached functions may keep of them, if they are watched.
    """

    reader: object = None
    verified: Verified | None = None
    near: Near | None = None

    @classmethod
    def watched(cls, data: bytes, watch: Watch) -> Held:
        """Hold *data* so that cached functions may use it without asking, as *watch* says."""
        held = cls(data)
        held.near = Near(watch)
        return held

    def is_for(self, reader: object) -> bool:
        """Tell whether *reader* is the first who asks, or was the first."""
        return self.reader is reader or vars(self).setdefault("reader", reader) is reader

    def end(self) -> None:
        """Have nobody use these bytes any more, whoever still has them: they have changed."""
        if self.near is not None:
            self.near.let_go()


class WatchedEntry(CacheEntry):
    """An entry that cached functions may keep.

    Attributes:
        near: What they keep.
    """

    __slots__ = ("near",)

    def __init__(self, value: Any, created_at: float, near: Near) -> None:
        super().__init__(value, created_at)
        self.near: Near = near

    def __reduce__(self) -> tuple[type[CacheEntry], tuple[Any, float]]:
        """Be an entry like any other elsewhere: only here is anything watched."""
        return CacheEntry, (self.value, self.created_at)
