"""The tests that every lock provider has to pass.

    import pytest
    from cachu.testing.lock_suite import *

    @pytest.fixture
    def cachu_lock():
        return "mine"  # what configure(lock=...) takes: a name, or an object

A mapping, such as `{"lock": "mine", "mine_url": ...}`, configures the plugin too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from threading import Event
from typing import Any

import pytest

import cachu
from cachu import plugins
from cachu.region import Region
from cachu.testing.suite import colours
from cachu.testing.suite.colours import Running, wait_until
from cachu.testing.suite.gates import tell

__all__ = [
    "locks",
    "test_a_cancelled_holder_frees_the_lock",
    "test_a_cancelled_waiter_disturbs_nobody",
    "test_a_free_lock_is_taken_at_once",
    "test_a_taken_lock_is_refused_to_who_does_not_wait",
    "test_an_error_inside_frees_the_lock",
    "test_both_colours_exclude_each_other",
    "test_different_keys_are_different_locks",
    "test_hostile_keys_have_locks",
    "test_one_task_at_a_time_is_inside",
    "test_one_thread_at_a_time_is_inside",
    "test_who_waits_gets_the_lock_when_it_is_free",
]

_SIMILAR = ["a", "A", "a ", "a:b", "a/b", "*", "a\x00", "é", "x" * 1000, "x" * 1000 + "y", ""]


@pytest.fixture
def locks(request: pytest.FixtureRequest, cachu_lock: Any) -> Any:
    """The lock provider, made by its plugin if it was named."""
    options = dict(cachu_lock) if isinstance(cachu_lock, Mapping) else {"lock": cachu_lock}
    lock = options["lock"]
    shown = lock if isinstance(lock, str) else type(lock).__qualname__
    tell(request, f"lock provider {shown!r}")
    package = f"cachu_lock_suite_{id(request)}"
    settings = cachu.configure(package=package, **options)
    if isinstance(lock, str):
        return plugins.make("cachu_make_lock_provider", lock, Region(package, 300.0, settings))
    return lock


def _plain(locks: Any) -> Any:
    if not callable(getattr(locks, "mutex", None)):
        pytest.skip("it has no mutex(), which plain functions need")
    return locks.mutex


def _asynchronous(locks: Any) -> Any:
    if not callable(getattr(locks, "async_lock", None)):
        pytest.skip("it has no async_lock(), which coroutine functions need")
    return locks.async_lock


def _is_free(locks: Any, key: str) -> bool:
    """Tell whether the lock of *key* can be taken by somebody else, in the colour there is."""
    if callable(getattr(locks, "mutex", None)):
        lock = locks.mutex(key)
        taken = bool(Running(lambda: lock.acquire(False)).result())
        if taken:
            lock.release()
        return taken

    async def enter() -> bool:
        async with locks.async_lock(key):
            return True

    return bool(asyncio.run(asyncio.wait_for(enter(), colours.PATIENCE)))


def test_a_free_lock_is_taken_at_once(locks: Any) -> None:
    mutex = _plain(locks)
    for _ in range(3):
        lock = mutex("key")
        assert lock.acquire(False)
        lock.release()
        assert lock.acquire()
        lock.release()


def test_a_taken_lock_is_refused_to_who_does_not_wait(locks: Any) -> None:
    mutex = _plain(locks)
    held = mutex("key")
    assert held.acquire()
    assert not Running(lambda: mutex("key").acquire(False)).result()
    held.release()
    assert _is_free(locks, "key")


def test_who_waits_gets_the_lock_when_it_is_free(locks: Any) -> None:
    mutex = _plain(locks)
    held, inside = mutex("key"), Event()
    assert held.acquire()

    def wait() -> bool:
        lock = mutex("key")
        taken = bool(lock.acquire())
        inside.set()
        lock.release()
        return taken

    waiter = Running(wait)
    assert not inside.wait(0.05)
    held.release()
    assert waiter.result()
    assert _is_free(locks, "key")


def test_one_thread_at_a_time_is_inside(locks: Any) -> None:
    mutex = _plain(locks)
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            lock = mutex("key")
            assert lock.acquire()
            try:
                inside.append(number)
                most.append(len(inside))
                inside.pop()
            finally:
                lock.release()

    for running in [Running(partial(work, number)) for number in range(4)]:
        running.result()
    assert most == [1] * 80


def test_one_task_at_a_time_is_inside(locks: Any) -> None:
    lock = _asynchronous(locks)
    inside: list[int] = []
    most: list[int] = []

    async def work(number: int) -> None:
        for _ in range(5):
            async with lock("key"):
                inside.append(number)
                await asyncio.sleep(0)
                most.append(len(inside))
                inside.remove(number)

    async def scenario() -> None:
        await asyncio.wait_for(asyncio.gather(*map(work, range(8))), colours.PATIENCE)

    asyncio.run(scenario())
    assert most == [1] * 40


def test_both_colours_exclude_each_other(locks: Any) -> None:
    held, lock, inside = _plain(locks)("key"), _asynchronous(locks), Event()
    assert held.acquire()

    async def enter() -> None:
        async with lock("key"):
            inside.set()

    waiter = Running(lambda: asyncio.run(enter()))
    assert not inside.wait(0.05)
    held.release()
    waiter.result()
    assert inside.is_set()
    assert _is_free(locks, "key")


def test_different_keys_are_different_locks(locks: Any) -> None:
    mutex = _plain(locks)
    held = [mutex(key) for key in _SIMILAR]
    for lock in held:
        assert Running(partial(lock.acquire, False)).result()
    for lock in held:
        lock.release()


def test_hostile_keys_have_locks(locks: Any) -> None:
    from cachu.testing.suite.keys import HOSTILE

    mutex = _plain(locks)
    for key in HOSTILE:
        lock = mutex(key)
        assert lock.acquire(False), key[:100]
        lock.release()


def test_an_error_inside_frees_the_lock(locks: Any) -> None:
    lock = _asynchronous(locks)

    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            async with lock("key"):
                raise ZeroDivisionError
        async with lock("key"):
            pass

    asyncio.run(asyncio.wait_for(scenario(), colours.PATIENCE))
    assert _is_free(locks, "key")


def test_a_cancelled_holder_frees_the_lock(locks: Any) -> None:
    lock = _asynchronous(locks)

    async def scenario() -> None:
        entered = asyncio.Event()

        async def hold() -> None:
            async with lock("key"):
                entered.set()
                await asyncio.sleep(colours.PATIENCE * 2)

        holder = asyncio.create_task(hold())
        await entered.wait()
        holder.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holder
        async with lock("key"):
            pass

    asyncio.run(asyncio.wait_for(scenario(), colours.PATIENCE))
    assert _is_free(locks, "key")


def test_a_cancelled_waiter_disturbs_nobody(locks: Any) -> None:
    lock = _asynchronous(locks)

    async def enter() -> None:
        async with lock("key"):
            pass

    async def scenario() -> None:
        async with lock("key"):
            waiters = [asyncio.create_task(enter()) for _ in range(3)]
            await asyncio.sleep(0.05)
            waiters[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiters[0]
        await asyncio.gather(*waiters[1:])

    asyncio.run(asyncio.wait_for(scenario(), colours.PATIENCE))
    wait_until(lambda: _is_free(locks, "key"))
