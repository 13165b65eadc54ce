"""Other processes see the same entries, and a fork hangs nobody."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event, Timer
from typing import Any

import pytest

from cachu.backends import Capability
from cachu.testing.suite import colours
from cachu.testing.suite.children import Child
from cachu.testing.suite.colours import Colour, Running, wait_until
from cachu.testing.suite.gates import needs

forks: pytest.MarkDecorator = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system does not fork"
)


@needs(Capability.SHARED)
def test_another_process_finds_what_this_one_stored(colour: Colour, child: Child) -> None:
    f = colour.cached(name="shared", tag="shared")
    assert f(1) == [1, 1]
    assert child.call(1) == [1, 1]
    assert child.call(2) == [2, "child"]
    assert f(2) == [2, "child"]
    colour.get_backend().set("own", b"\x00\xff", tag="other")
    assert child.backend("get", "own") == b"\x00\xff"
    child.backend("set", "own", "theirs")
    assert colour.get_backend().get("own") == "theirs"
    assert f.runs == 1


@needs(Capability.SHARED)
def test_another_process_may_delete_and_set(colour: Colour, child: Child) -> None:
    f = colour.cached(name="shared", tag="shared")
    f(1)
    assert child.function("invalidate", 1) is True
    assert f(1) == [1, 2]
    child.function("set", "set", 1)
    assert f(1) == "set"
    assert f.invalidate(1) is True
    assert child.call(1) == [1, "child"]
    assert f(1) == [1, "child"]


@needs(Capability.SHARED | Capability.CLEAR)
def test_another_process_may_clear(colour: Colour, child: Child) -> None:
    f = colour.cached(name="shared", tag="shared")
    backend = colour.get_backend()
    f(1)
    backend.set("own", 1)
    assert child.clear() in (2, -1)
    assert backend.get("own", None) is None
    assert f(1) == [1, 2]
    assert child.call(1) == [1, 2]
    assert colour.clears(1)
    assert child.call(1) == [1, "child"]


@needs(Capability.SHARED | Capability.TAGS)
def test_another_process_may_clear_a_tag(colour: Colour, child: Child) -> None:
    f, g = colour.cached(tag="a"), colour.cached(tag="b")
    f(1)
    g(1)
    assert child.clear("a") in (1, -1)
    assert (f(1), g(1)) == ([1, 2], [1, 1])


@needs(Capability.SHARED | Capability.COUNT)
def test_another_process_counts_the_same(colour: Colour, child: Child) -> None:
    f = colour.cached(name="shared", tag="shared")
    f(1)
    child.call(2)
    child.backend("set", "own", 1)
    assert colour.get_backend().count() == child.backend("count") == 3
    assert f.info().currsize == child.function("info").currsize == 2


@needs(Capability.SHARED | Capability.CLEAR | Capability.LEASES)
@pytest.mark.parametrize("change", ["invalidate", "set", "clear"])
def test_another_process_keeps_older_computations_out(
    colour: Colour, child: Child, change: str
) -> None:
    inside, gate = Event(), Event()

    def body(x: int) -> Any:
        if x == 0 or f.runs > 2:
            return "new"
        inside.set()
        return colour.hold(gate.is_set, "old")

    f = colour.cached(body, name="shared", tag="shared")
    f(0)  # so that the store knows the region
    running = colour.start(f, 1)
    wait_until(inside.is_set)
    try:
        if change == "clear":
            child.clear()
        else:
            child.function(change, *(["set"] if change == "set" else []), 1)
    finally:
        gate.set()
    assert running.result() == "old"
    assert f(1) == ("set" if change == "set" else "new")


@forks
def test_a_forked_child_goes_on(colour: Colour) -> None:
    f = colour.cached()
    backend = colour.get_backend()
    f(1)
    backend.set("own", 1)

    def work() -> Any:
        backend = colour.get_backend()
        before = f(1), backend.get("own"), f([2]), f([2])
        backend.set("own", 2)
        return before, backend.get("own"), f.invalidate(1), f(1)

    assert _forked(work) == (([1, 1], 1, [[2], 2], [[2], 2]), 2, True, [1, 3])
    shared = Capability.SHARED in colour.capabilities
    assert f([2]) == [[2], 2]
    assert f(1) == ([1, 3] if shared else [1, 1])
    assert backend.get("own") == (2 if shared else 1)


@forks
def test_a_fork_in_the_middle_of_calls_hangs_nobody(colour: Colour) -> None:
    f = colour.cached()
    stop = Event()

    def busy(number: int) -> None:
        while not stop.is_set():
            f(number)
            f.refresh([number])

    callers = [Running(partial(busy, number)) for number in range(3)]
    try:
        wait_until(lambda: f.runs > 10)
        for _ in range(3):
            assert _forked(lambda: [f("child")[0], f(0)[0]]) == ["child", 0]
    finally:
        stop.set()
    for caller in callers:
        caller.result()
    assert f("after")[0] == "after"


def _stacks() -> str:
    """Return where each thread is, for whoever asks why something hangs."""
    frames = sys._current_frames().values()  # noqa: SLF001  there is no other way
    return "\n".join("".join(traceback.format_stack(frame)[-8:]) for frame in frames)


def _forked(work: Callable[[], Any]) -> Any:
    """Return what *work* comes to in a forked child, which must end."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks among threads
        child = os.fork()
    if not child:
        answer: Any = None
        try:
            # In a thread, because what hung once hangs for ever.
            answer = (True, Running(work).result())
        except BaseException as error:
            answer = (False, f"{type(error).__name__}: {error}\n{_stacks()}")
        with suppress(BaseException):
            os.write(writer, pickle.dumps(answer))
        os._exit(0)
    os.close(writer)
    # Later than the child itself gives up, for it can say where it hangs.
    killer = Timer(1.5 * colours.PATIENCE, os.kill, (child, signal.SIGKILL))
    killer.start()
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    killer.cancel()
    assert said, "the forked child hung before it did anything, or has died"
    succeeded, answer = pickle.loads(said)
    assert succeeded, f"the forked child failed: {answer}"
    return answer
