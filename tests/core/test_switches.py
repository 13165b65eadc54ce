"""Turning caching off: for all, or for one task or thread (D6)."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

import cachu

if TYPE_CHECKING:
    from conftest import Colour, Subject

PATIENCE = 20  # seconds


def runs(f: Subject, *args: Any) -> bool:
    """Tell whether a call runs the function."""
    before = len(f.calls)
    f(*args)
    return len(f.calls) > before


def in_thread(function: Any, *args: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result(PATIENCE)


@pytest.mark.parametrize("value", [1, (1,)], ids=["raw", "spelled"])
@pytest.mark.parametrize("options", [{}, {"ttl": None}, {"copy": True}, {"ttl": 0}], ids=repr)
def test_d6_disable_and_enable(colour: Colour, options: Any, value: Any) -> None:
    f = colour.define("x, *, y=1", **options)
    kept = options != {"ttl": 0}
    f(value)
    assert cachu.is_disabled() is False
    cachu.disable()
    assert cachu.is_disabled() is True
    assert runs(f, value)
    assert runs(f, value)
    assert runs(f, 2)
    assert f(value, y=3) == {"x": value, "y": 3}
    cachu.disable()
    cachu.enable()
    assert cachu.is_disabled() is False
    assert runs(f, value) is not kept
    assert runs(f, 2)
    cachu.enable()
    assert f.counts == ((1, 2, 2) if kept else (0, 3, 0))


def test_d6_a_scope_is_local_to_its_thread(colour: Colour) -> None:
    f = colour.define("x")
    other = type(colour)(colour.name)
    f(1)
    with cachu.disabled():
        assert cachu.is_disabled()
        assert runs(f, 1)
        before = len(f.calls)
        assert in_thread(cachu.is_disabled) is False
        for x in (1, 2, 2):
            in_thread(lambda x=x: other.run(f.cached(x)))
        other.close()
        assert len(f.calls) == before + 1  # of 2
        assert runs(f, 2)
    assert not runs(f, 2)
    assert f.counts == (3, 2, 2)


def test_d6_disable_holds_in_all_threads(colour: Colour) -> None:
    f = colour.define("x")
    f(1)
    cachu.disable()
    assert in_thread(cachu.is_disabled) is True
    in_thread(cachu.enable)
    assert not runs(f, 1)


def test_d6_a_scope_is_local_to_its_task() -> None:
    runs = [0]

    @cachu.cache
    async def f(x: int) -> int:
        runs[0] += 1
        return x

    async def inside(opened: asyncio.Event, close: asyncio.Event) -> list[bool]:
        with cachu.disabled():
            opened.set()
            await close.wait()
            child = await asyncio.create_task(is_disabled())
            thread = await asyncio.to_thread(cachu.is_disabled)
            before = runs[0]
            await f(1)
            return [cachu.is_disabled(), child, thread, runs[0] == before + 1]

    async def is_disabled() -> bool:
        return cachu.is_disabled()

    async def main() -> None:
        opened, close = asyncio.Event(), asyncio.Event()
        await f(1)
        task = asyncio.create_task(inside(opened, close))
        await opened.wait()
        assert cachu.is_disabled() is False
        await f(1)
        await f(1)
        assert runs == [1]
        close.set()
        assert await task == [True] * 4
        assert cachu.is_disabled() is False
        assert runs == [2]

    asyncio.run(main())


def test_d6_scopes_nest_and_survive_errors(colour: Colour) -> None:
    f = colour.define("x")
    f(1)
    with pytest.raises(LookupError), cachu.disabled():  # noqa: PT012
        with cachu.disabled():
            assert runs(f, 1)
        assert runs(f, 1)
        assert cachu.is_disabled()
        raise LookupError
    assert not cachu.is_disabled()
    assert not runs(f, 1)


def test_d6_scope_and_switch_are_independent(colour: Colour) -> None:
    f = colour.define("x")
    f(1)
    with cachu.disabled():
        cachu.enable()
        assert runs(f, 1)
        cachu.disable()
    assert runs(f, 1)
    cachu.enable()
    assert not runs(f, 1)
    scope = cachu.disabled()
    for _ in range(2):  # one object serves again
        with scope:
            assert runs(f, 1)
        assert not runs(f, 1)


def test_d6_a_scope_that_is_left_in_another_context() -> None:
    """D6: as fixtures of pytest may do; the next scope works all the same."""
    scope = cachu.disabled()
    copy_context().run(scope.__enter__)
    assert cachu.is_disabled() is False
    scope.__exit__(None, None, None)
    assert cachu.is_disabled() is False
    with cachu.disabled():
        assert cachu.is_disabled() is True
    assert cachu.is_disabled() is False


def test_d6_functions_decorated_or_first_called_while_disabled(colour: Colour) -> None:
    before = colour.define("x, y=2")
    cachu.disable()
    during = colour.define("x, y=2")
    for f in (before, during):
        assert runs(f, 1)
        assert f(1) == {"x": 1, "y": 2}
    cachu.enable()
    for f in (before, during):
        assert f.counts == (0, 0, 0)
        assert runs(f, 1)
        assert not runs(f, 1)


def test_d6_direct_access_is_not_affected(colour: Colour) -> None:
    f = colour.define("x", tag="t")
    f(1)
    cachu.disable()
    get, put = colour.operation("cache_get"), colour.operation("cache_set")
    delete = colour.operation("cache_delete")
    assert get(f.cached, 1) == {"x": 1}
    put(f.cached, "by hand", 2)
    assert get(f.cached, 2) == f.get(2) == "by hand"
    assert cachu.get_backend("memory").get(f.key(2)) == "by hand"
    assert f.counts == (0, 1, 2)
    assert delete(f.cached, 2) is True
    assert colour.operation("cache_clear")(tag="t") == 1
    assert f.counts == (0, 1, 0)


def test_d6_a_configuration_while_disabled(colour: Colour) -> None:
    f = colour.define("x")
    f(1)
    cachu.disable()
    cachu.configure(key_prefix="v2:")
    assert runs(f, 1)
    cachu.cache_clear()
    cachu.enable()
    assert runs(f, 1)
    assert not runs(f, 1)


def test_d6_errors_and_unbindable_calls_while_disabled(colour: Colour) -> None:
    f = colour.define("x, *, y=1", body="raise LookupError(x)")
    cachu.disable()
    with pytest.raises(LookupError):
        f(1)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        f()
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        f(1, z=1)


def test_d6_no_key_is_made_while_disabled(colour: Colour) -> None:
    f = colour.define("x")
    cachu.disable()
    assert callable(f(lambda: 0)["x"])


def test_d6_many_threads_switching(sync: Colour) -> None:
    f = sync.define("x", body="return x")
    barrier = threading.Barrier(8, timeout=PATIENCE)

    def work(number: int) -> None:
        barrier.wait()
        for n in range(300):
            if number % 2:
                with cachu.disabled():
                    assert cachu.is_disabled()
                    assert f.cached(n % 5) == n % 5
            assert not cachu.is_disabled()
            assert f.cached(n % 5) == n % 5

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(8)]:
            done.result(60)
    assert f.counts == (8 * 300 - 5, 5, 5)
    assert len(f.calls) == 4 * 300 + 5
