"""Bridges between the colours: a store written in one serves callers of the other.

A plain store runs in worker threads for asynchronous callers. An asynchronous one runs, for plain
callers, on one private event loop in a thread of its own, which starts when it is first needed.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock

from cachu.backends.stores import AsyncStore, Lease, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine, Iterable
    from threading import Thread
    from typing import Any, Final, ParamSpec, TypeVar

    from cachu.backends import Capability, RegionName

    P = ParamSpec("P")
    R = TypeVar("R")


class ThreadedStore(AsyncStore):
    """A plain store for asynchronous callers: every operation is one hop to a worker thread."""

    def __init__(self, store: Store) -> None:
        self.plain = store
        self.capabilities: Capability = store.capabilities

    async def load(self, key: str, tag: str | None = None) -> bytes | None:
        return await _hop(self.plain.load, key, tag)

    async def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        await _hop(self.plain.store, key, data, ttl, tag)

    async def delete(self, key: str) -> bool:
        return await _hop(self.plain.delete, key)

    async def clear(self, tag: str | None = None) -> int:
        return await _hop(self.plain.clear, tag)

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
        return await _hop(self.plain.commit, lease, data, ttl, tag)

    async def abandon(self, lease: Lease) -> None:
        await _hop(self.plain.abandon, lease)

    async def close(self) -> None:
        await _hop(self.plain.close)


class LoopedStore(Store):
    """An asynchronous store for plain callers."""

    def __init__(self, store: AsyncStore) -> None:
        self.asynchronous = store
        self.capabilities: Capability = store.capabilities

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

    def close(self) -> None:
        _loop.run(self.asynchronous.close())


class _PrivateLoop:
    """One event loop in one daemon thread, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._running: tuple[AbstractEventLoop, Thread, int] | None = None

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run *work* there and wait for what it returns or raises."""
        from asyncio import run_coroutine_threadsafe

        return run_coroutine_threadsafe(work, self._started()).result()

    def stop(self) -> None:
        """Stop the thread and close the loop; the next `run` starts another."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            loop, thread, _ = running
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _started(self) -> AbstractEventLoop:
        import os
        from asyncio import new_event_loop
        from threading import Thread

        with self._lock:
            # After a fork the thread is in the parent only.
            if self._running is None or self._running[2] != os.getpid():
                loop = new_event_loop()
                thread = Thread(target=_serve, args=(loop,), name="cachu-loop", daemon=True)
                thread.start()
                self._running = (loop, thread, os.getpid())
            return self._running[0]


def _serve(loop: AbstractEventLoop) -> None:
    from asyncio import set_event_loop

    set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _hop(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    from asyncio import to_thread

    return await to_thread(work, *args, **kwargs)


_loop: Final = _PrivateLoop()
stop_private_loop: Final = _loop.stop
