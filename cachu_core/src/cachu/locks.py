"""Locks that let one caller at a time make a value, wherever the callers are.

Inside one process cachu needs none: `cachu.flights` puts its callers in line. A lock provider is
for a store that several processes or hosts share and that has no leases of its own.
"""

from __future__ import annotations

from _thread import get_ident
from math import inf

from cachu.flights import Flight, Flights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from typing import Protocol

    class Mutex(Protocol):
        """A lock as dogpile.cache expects it."""

        def acquire(self, wait: bool = True) -> bool:
            """Take the lock; with `wait=False` return False at once if it is taken."""
            ...

        def release(self) -> None:
            """Give the lock back."""
            ...

    class LockProvider(Protocol):
        """Hands out the lock of a key."""

        def mutex(self, key: str) -> Mutex:
            """Return the lock of *key* for plain code."""
            ...

        def async_lock(self, key: str) -> AbstractAsyncContextManager[object]:
            """Return the lock of *key* for asynchronous code."""
            ...


class ThreadLocks:
    """Locks between the threads and tasks of one process; nothing is left of one that is free."""

    def __init__(self) -> None:
        self._held = Flights()

    def mutex(self, key: str) -> ThreadLock:
        """Return the lock of *key* for plain code."""
        return ThreadLock(self._held, key)

    def async_lock(self, key: str) -> ThreadLock:
        """Return the lock of *key* for asynchronous code."""
        return ThreadLock(self._held, key)


class ThreadLock:
    """The lock of one key, for threads and, with `async with`, for tasks. It is not reentrant."""

    __slots__ = ("_held", "_key", "_mine")

    def __init__(self, held: Flights, key: str) -> None:
        self._held = held
        self._key = key
        self._mine: Flight | None = None

    def acquire(self, wait: bool = True) -> bool:
        """Take the lock, waiting for it unless told not to; say whether it was taken."""
        while (holder := self._take()) is not None:
            if not wait:
                return False
            holder.wait(inf)
        return True

    def release(self) -> None:
        """Give the lock back."""
        mine, self._mine = self._mine, None
        if mine is None:
            message = f"the lock of {self._key!r} is not held here"
            raise RuntimeError(message)
        self._held.land(self._key, mine)

    async def __aenter__(self) -> object:
        while (holder := self._take(asynchronous=True)) is not None:
            await holder.wait_async(inf)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.release()

    def _take(self, *, asynchronous: bool = False) -> Flight | None:
        """Take the lock and return None, or return its holder."""
        mine = Flight()
        mine.owner, mine.asynchronous = get_ident(), asynchronous
        holder = self._held.under_way.setdefault(self._key, mine)
        if holder is mine:
            self._mine = mine
            return None
        return holder
