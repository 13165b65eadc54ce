"""Bridges between the colours: a store written in one serves callers of the other.

A plain store runs in worker threads for asynchronous callers. An asynchronous one runs, for plain
callers, on one private event loop in a thread of its own, which starts when it is first needed.
"""

from __future__ import annotations

import os
from _thread import RLock, allocate_lock
from contextlib import suppress

from cachu.backends.stores import AsyncStore, Lease, Store
from cachu.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine, Iterable
    from concurrent.futures import Future
    from threading import Thread
    from typing import Any, Final, ParamSpec, TypeVar

    from cachu.backends import Capability, RegionName

    P = ParamSpec("P")
    R = TypeVar("R")

# Seconds that what is cancelled gets to clean up.
_GRACE: Final = 5.0


class ThreadedStore(AsyncStore):
    """A plain store for asynchronous callers: every operation is one hop to a worker thread."""

    def __init__(self, store: Store) -> None:
        self.plain = store
        self.capabilities: Capability = store.capabilities
        self.fences: bool = getattr(store, "fences", False)

    async def load(self, key: str, tag: str | None = None) -> bytes | None:
        return await _hop(self.plain.load, key, tag)

    async def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        await _hop_to_the_end(self.plain.store, key, data, ttl, tag)

    async def delete(self, key: str) -> bool:
        return await _hop_to_the_end(self.plain.delete, key)

    async def clear(self, tag: str | None = None) -> int:
        return await _hop_to_the_end(self.plain.clear, tag)

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        return await _hop(self.plain.count, tag, function)

    async def regions(self) -> Iterable[RegionName]:
        return await _hop(lambda: list(self.plain.regions()))

    async def load_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return await _hop(self.plain.load_many, keys)

    async def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        guard, left, found = allocate_lock(), False, None

        def begin() -> bytes | Lease:
            nonlocal found
            begun = self.plain.begin(key, tag, wait=wait, force=force)
            with guard:
                found, unwanted = begun, left
            if unwanted and isinstance(begun, Lease):
                self.plain.abandon(begun)
            return begun

        try:
            return await _hop(begin)
        except BaseException:
            # A thread cannot be cancelled: nobody else would give up the lease that it gets.
            with guard:
                left = True
            if isinstance(found, Lease):
                self.plain.abandon(found)
            raise

    async def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        return await _hop_to_the_end(self.plain.commit, lease, data, ttl, tag)

    async def abandon(self, lease: Lease) -> None:
        await _hop_to_the_end(self.plain.abandon, lease)

    async def lock_name(self, key: str, tag: str) -> str:
        """Hop, if the store has names for locks; see `cachu.backends.clearable`."""
        name: Callable[[str, str], str] = self.plain.lock_name  # type: ignore[attr-defined]
        return await _hop(name, key, tag)

    async def close(self) -> None:
        await _hop(self.plain.close)


class LoopedStore(Store):
    """An asynchronous store for plain callers."""

    def __init__(self, store: AsyncStore) -> None:
        self.asynchronous = store
        self.capabilities: Capability = store.capabilities
        self.fences: bool = getattr(store, "fences", False)

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        return _loop.run(self.asynchronous.load(key, tag))

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        _loop.run(self.asynchronous.store(key, data, ttl, tag))

    def delete(self, key: str) -> bool:
        return _loop.run(self.asynchronous.delete(key))

    def clear(self, tag: str | None = None) -> int:
        return _loop.run(self.asynchronous.clear(tag))

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        return _loop.run(self.asynchronous.count(tag, function))

    def regions(self) -> Iterable[RegionName]:
        return _loop.run(self.asynchronous.regions())

    def load_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return _loop.run(self.asynchronous.load_many(keys))

    def begin(
        self, key: str, tag: str = "", *, wait: float = 30.0, force: bool = False
    ) -> bytes | Lease:
        return _loop.run(self.asynchronous.begin(key, tag, wait=wait, force=force))

    def commit(self, lease: Lease, data: bytes, ttl: float, tag: str = "") -> bool:
        return _loop.run(self.asynchronous.commit(lease, data, ttl, tag))

    def abandon(self, lease: Lease) -> None:
        _loop.run(self.asynchronous.abandon(lease))

    def lock_name(self, key: str, tag: str) -> str:
        """Run it on the loop, if the store has names for locks."""
        name: Coroutine[Any, Any, str] = self.asynchronous.lock_name(key, tag)  # type: ignore[attr-defined]
        return _loop.run(name)

    def close(self) -> None:
        _loop.run(self.asynchronous.close())


class _PrivateLoop:
    """One event loop in one daemon thread, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._running: tuple[AbstractEventLoop, Thread] | None = None
        self._waited_for: set[Future[Any]] = set()
        self._inherited: list[object] = []

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run *work* there and wait for what it returns or raises."""
        from asyncio import run_coroutine_threadsafe
        from concurrent.futures import CancelledError

        with self._lock:  # so that it is handed over before the loop is told to stop
            future = run_coroutine_threadsafe(work, self._started())
            waited_for = self._waited_for
            waited_for.add(future)
        try:
            return future.result()
        except CancelledError:
            message = "the backends were closed while this call waited for one of them"
            raise BackendError(message) from None
        except BaseException:
            future.cancel()  # the caller was interrupted
            raise
        finally:
            waited_for.discard(future)

    def stop(self) -> None:
        """Stop the thread and close the loop; the next `run` starts another.

        Calls that are under way are cancelled, and whoever waits for them gets a `BackendError`.
        """
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            loop, thread = running
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _started(self) -> AbstractEventLoop:
        from asyncio import new_event_loop
        from threading import Thread

        with self._lock:
            if self._running is None:
                loop = new_event_loop()
                waited_for = self._waited_for = set()
                thread = Thread(
                    target=_serve, args=(loop, waited_for), name="cachu-loop", daemon=True
                )
                thread.start()
                self._running = (loop, thread)
            return self._running[0]

    def after_fork(self) -> None:
        """Forget, in a child process, the thread: it is in the parent only."""
        self._lock = RLock()
        # Kept, because a loop that is let go of complains that it was not closed.
        self._inherited.append(self._running)
        self._running, self._waited_for = None, set()


def _serve(loop: AbstractEventLoop, waited_for: set[Future[Any]]) -> None:
    from asyncio import all_tasks, set_event_loop, wait

    set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        tasks = all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(wait(tasks, timeout=_GRACE))
        for future in list(waited_for):
            future.cancel()  # no caller waits for a task that will not be cancelled
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _hop(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    from asyncio import to_thread

    return await to_thread(work, *args, **kwargs)


async def _hop_to_the_end(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Hop, and if cancelled stay until the thread is done: it cannot be cancelled.

    Whoever changes an entry has its turn as long as this lasts, and nobody else may have it while
    the thread still writes.
    """
    from asyncio import CancelledError, ensure_future, shield, to_thread, wait

    hop = ensure_future(to_thread(work, *args, **kwargs))
    try:
        return await shield(hop)
    except CancelledError:
        while not hop.done():
            with suppress(CancelledError):
                await wait([hop])
        if not hop.cancelled():
            hop.exception()  # looked at, so that nobody complains that it never was
        raise


_loop: Final = _PrivateLoop()
stop_private_loop: Final = _loop.stop

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_loop.after_fork)
