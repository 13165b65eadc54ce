"""Locks of a provider that are waited for no longer than `lock_timeout`; after that there is none.

A lock that fails is a fault of the backend that it serves.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from typing import Final

    from cachu.backends.lanes import Lane
    from cachu.locks import LockProvider

# How long a lock that was taken is left alone, in seconds: less at first, then more.
_SHORTEST: Final = 0.001
_LONGEST: Final = 0.05


class Patient:
    """The lock of one key for plain code, as dogpile expects it.

    Args:
        locks: Who has the lock.
        name: What to lock, the key or more than that.
        timeout: How long it is waited for, in seconds.
        lane: Counts its faults.
    """

    def __init__(self, locks: LockProvider, name: str, timeout: float, lane: Lane) -> None:
        self._lane = lane
        self._mutex = lane.begin(locks.mutex, name)
        self._timeout = timeout
        self._held = False

    def acquire(self, wait: bool = True) -> bool:
        """Take the lock; return False if that was in vain."""
        give_up, pause = time.monotonic() + self._timeout, _SHORTEST
        self._held = self._take()
        while wait and not self._held and (left := give_up - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST)
            self._held = self._take()
        return self._held

    def release(self) -> None:
        """Give the lock back, if it was taken."""
        if self._held:
            self._held = False
            self._lane.abandon(self._mutex.release)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def _take(self) -> bool:
        return self._lane.begin(self._mutex.acquire, False)


class AsyncPatient:
    """The lock of one key for asynchronous code; otherwise as `Patient`."""

    def __init__(self, locks: LockProvider, name: str, timeout: float, lane: Lane) -> None:
        self._lane = lane
        self._lock = lane.begin(locks.async_lock, name)
        self._timeout = timeout
        self._held = False

    async def __aenter__(self) -> None:
        self._held = await self._lane.begin_async(_entered, self._lock, self._timeout)

    async def __aexit__(self, *error: object) -> None:
        if self._held:
            await self._lane.abandon_async(self._lock.__aexit__, None, None, None)


async def _entered(lock: AbstractAsyncContextManager[object], timeout: float) -> bool:
    """Take *lock*, and say whether that was done within *timeout* seconds."""
    import asyncio

    try:
        if sys.version_info >= (3, 11):
            async with asyncio.timeout(timeout):  # in our own task, which some locks remember
                await lock.__aenter__()
        else:
            await asyncio.wait_for(lock.__aenter__(), timeout)
    except asyncio.TimeoutError:
        return False
    return True
