"""One caller runs the function, the others wait, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import Event
from typing import Any

import pytest

from cachu.backends import Capability
from cachu.testing.clock import FakeClock
from cachu.testing.suite.colours import Both, Colour, Running, wait_until, waiting
from cachu.testing.suite.gates import needs


def test_many_callers_of_a_cold_key_run_it_once(colour: Colour) -> None:
    f = colour.cached(lambda x: colour.hold(lambda: waiting() >= colour.crowd - 1, x))
    assert colour.together(f, colour.crowd) == [1] * colour.crowd
    assert f.runs == 1


@needs(Capability.COUNT)
def test_many_callers_are_counted_exactly(colour: Colour) -> None:
    f = colour.cached()
    f(1)
    assert colour.together(f, colour.crowd) == [[1, 1]] * colour.crowd
    assert list(f.info()) == [colour.crowd, 1, 1]


def test_both_colours_of_a_cold_key_run_it_once(both: Both) -> None:
    plain, asynchronous = both
    threads, tasks = 20, 100

    def all_wait() -> bool:
        return waiting() >= threads + tasks - 1

    f = plain.cached(lambda x: plain.hold(all_wait, x), name="shared")
    g = asynchronous.cached(lambda x: asynchronous.hold(all_wait, x), name="shared")
    callers = [
        Running(lambda: plain.together(f, threads)),
        Running(lambda: asynchronous.together(g, tasks // 2)),
        Running(lambda: asynchronous.together(g, tasks // 2)),
    ]
    assert [value for caller in callers for value in caller.result()] == [1] * (threads + tasks)
    assert f.runs + g.runs == 1


def test_different_keys_do_not_wait_for_each_other(colour: Colour) -> None:
    inside, gate = Event(), Event()

    def body(x: int) -> Any:
        if x == 1:
            inside.set()
            return colour.hold(gate.is_set, x)
        return x

    f = colour.cached(body)
    running = colour.start(f, 1)
    wait_until(inside.is_set)
    assert f(2) == 2
    assert not running.done
    gate.set()
    assert running.result() == 1


def test_after_an_error_the_others_try_one_at_a_time(colour: Colour) -> None:
    active, most = [0], [0]

    def body(x: int) -> Any:
        run = f.runs
        active[0] += 1
        most[0] = max(most[0], active[0])
        ready = (lambda: waiting() >= 7) if run == 1 else (lambda: True)
        held = colour.hold(ready)
        return _then(held, lambda: finish(run, x))

    def finish(run: int, x: int) -> int:
        active[0] -= 1
        if run <= 3:
            raise LookupError(run)
        return x

    f = colour.cached(body)
    outcomes = colour.together(f, 8)
    errors = sorted(error.args[0] for error in outcomes if isinstance(error, LookupError))
    assert errors == [1, 2, 3]
    assert [outcome for outcome in outcomes if not isinstance(outcome, LookupError)] == [1] * 5
    assert f.runs == 4
    assert most == [1]
    assert f(1) == 1
    assert f.runs == 4


def test_an_interrupted_leader_frees_its_waiters(colour: Colour) -> None:
    class Interruption(BaseException):
        pass

    def body(x: int) -> Any:
        if f.runs > 1:
            return x
        held = colour.hold(lambda: waiting() >= 1)
        return _then(held, interrupt)

    def interrupt() -> None:
        raise Interruption

    f = colour.cached(body)
    leader = colour.start(f, 1)
    wait_until(lambda: f.runs == 1)
    waiter = colour.start(f, 1)
    assert isinstance(leader.outcome(), Interruption)
    assert waiter.result() == 1
    assert f.runs == 2
    assert f(1) == 1
    assert f.runs == 2


def test_a_cancelled_leader_frees_its_waiters(both: Both) -> None:
    colour = both.asynchronous
    never = Event()
    f = colour.cached(lambda x: x if f.runs > 1 else colour.hold(never.is_set))

    async def scenario() -> Any:
        leader = asyncio.create_task(f.raw(1))
        await colour.hold(lambda: f.runs == 1)
        waiters = [asyncio.create_task(f.raw(1)) for _ in range(5)]
        await colour.hold(lambda: waiting() >= 5)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        return await asyncio.gather(*waiters)

    assert colour.lift(scenario()) == [1] * 5
    assert f.runs == 2
    assert f(1) == 1


def test_a_cancelled_waiter_disturbs_nobody(both: Both) -> None:
    colour = both.asynchronous
    gate = Event()
    f = colour.cached(lambda x: colour.hold(gate.is_set, x))

    async def scenario() -> Any:
        leader = asyncio.create_task(f.raw(1))
        await colour.hold(lambda: f.runs == 1)
        waiters = [asyncio.create_task(f.raw(1)) for _ in range(3)]
        await colour.hold(lambda: waiting() >= 3)
        waiters[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiters[0]
        gate.set()
        return await asyncio.gather(leader, *waiters[1:])

    assert colour.lift(scenario()) == [1] * 3
    assert f.runs == 1
    assert waiting() == 0


def test_recursion_on_the_same_key_computes(colour: Colour) -> None:
    f = colour.cached(lambda x: x if f.runs == 3 else f.raw(x))
    assert colour.start(f, 1).result() == 1
    assert f.runs == 3
    assert f(1) == 1
    assert f.runs == 3


def test_recursion_that_overwrites_computes(colour: Colour) -> None:
    f = colour.cached(lambda x: x if f.runs == 2 else f.raw(x, _overwrite_cache=True))
    assert colour.start(f, 1).result() == 1
    assert f.runs == 2
    assert f(1) == 1
    assert f.runs == 2


def test_recursion_on_other_keys(colour: Colour) -> None:
    def body(x: int) -> Any:
        return 0 if x == 0 else _then(f.raw(x - 1), lambda: x)

    f = colour.cached(body)
    assert colour.start(f, 20).result() == 20
    assert f.runs == 21
    assert f(20) == 20
    assert f.runs == 21


def test_recursion_in_a_child_task_computes(both: Both) -> None:
    colour = both.asynchronous

    async def in_a_child(x: int) -> Any:
        return await asyncio.create_task(f.raw(x))

    f = colour.cached(lambda x: x if f.runs == 2 else in_a_child(x))
    assert colour.start(f, 1).result() == 1
    assert f.runs == 2
    assert f(1) == 1


def test_nobody_waits_longer_than_the_lock_timeout(colour: Colour, clock: FakeClock) -> None:
    gate = Event()

    def body(x: int) -> Any:
        value = [x, f.runs]
        return colour.hold(gate.is_set, value) if f.runs == 1 else value

    f = colour.cached(body, lock_timeout=10)
    leader = colour.start(f, 1)
    wait_until(lambda: f.runs == 1)
    waiter = colour.start(f, 1)
    wait_until(lambda: waiting() == 1)
    clock.advance(9.5)
    wait_until(lambda: waiting() == 1)
    assert f.runs == 1
    clock.advance(0.5)
    try:
        assert waiter.result() == [1, 2]
        assert not leader.done
        assert f(1) == [1, 2]
    finally:
        gate.set()
    assert leader.result() == [1, 1]
    assert f(1) == [1, 2]


def test_a_waiter_out_of_patience_gets_its_own_result(colour: Colour) -> None:
    gate = Event()
    f = colour.cached(
        lambda x: colour.hold(gate.is_set, x) if f.runs == 1 else x, lock_timeout=1e-6
    )
    leader = colour.start(f, 1)
    wait_until(lambda: f.runs == 1)
    try:
        assert colour.start(f, 1).result() == 1
    finally:
        gate.set()
    assert leader.result() == 1


def _then(first: Any, finish: Callable[[], Any]) -> Any:
    """Do *finish* after *first*, in the colour of *first*."""
    if not isinstance(first, Awaitable):
        return finish()

    async def both() -> Any:
        await first
        return finish()

    return both()
