"""What a hit costs, counted instead of timed: instructions, frames, allocations."""

from __future__ import annotations

import linecache
import sys
import sysconfig
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import cachu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Instructions that one hit may run: what was counted, and two to spare. One more look at anything
# on the way of every hit takes three at least.
LIMITS = {
    "int": {(3, 10): 41, (3, 11): 38, (3, 12): 36, (3, 13): 35},
    "three": {(3, 10): 58, (3, 11): 57, (3, 12): 53, (3, 13): 50},
    "method": {(3, 10): 45, (3, 11): 43, (3, 12): 40, (3, 13): 39},
    "async": {(3, 10): 42, (3, 11): 38, (3, 12): 36, (3, 13): 35},
}
UNCOUNTED = 6  # more on Pythons that have yet to be counted
HITS = 1000


@cachu.cache
def one(x: Any) -> Any:
    return x


@cachu.cache
def three(user: str, number: int, limit: int = 10) -> Any:
    return user, number, limit


class Owner:
    @cachu.cache
    def method(self, x: int) -> int:
        return x


@cachu.async_cache
async def asynchronous(x: int) -> int:
    return x


def run(coroutine: Any) -> Any:
    """Run a coroutine that waits for nothing, in this frame."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


OWNER = Owner()
CALLS: dict[str, Callable[[], Any]] = {
    "int": lambda: one(7),
    "three": lambda: three("user:42", 7, limit=20),
    "method": lambda: OWNER.method(7),
    "async": lambda: run(asynchronous(7)),
}


@pytest.fixture(params=CALLS)
def shape(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def hit(shape: str) -> Iterator[Callable[[], Any]]:
    """Make a call that is a hit, and warm; whoever else traces or profiles waits meanwhile."""
    traced, profiled = sys.gettrace(), sys.getprofile()
    sys.settrace(None)
    sys.setprofile(None)
    call = CALLS[shape]
    if shape == "async":
        import asyncio

        asyncio.run(asynchronous(7))  # a miss needs an event loop
    for _ in range(400):
        call()
    yield call
    sys.settrace(traced)
    sys.setprofile(profiled)


def is_wrapper(frame: Any) -> bool:
    return frame.f_code.co_filename.startswith("<cachu ")


def test_a_hit_runs_few_instructions(hit: Callable[[], Any], shape: str) -> None:
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        if not is_wrapper(frame):
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    for _ in range(2):  # Python 3.12 tells of instructions from the second time on
        count = 0
        sys.settrace(trace)
        hit()
        sys.settrace(None)
    limits = LIMITS[shape]
    limit = limits.get(sys.version_info[:2], limits[max(limits)] + UNCOUNTED)
    assert 10 < count <= limit


def test_a_hit_is_one_frame_and_asks_the_clock_once(hit: Callable[[], Any]) -> None:
    frames, called = [], []

    def profile(frame: Any, event: str, function: Any) -> None:
        if event == "call":
            frames.append(frame.f_code)
        elif event == "c_call" and is_wrapper(frame):
            called.append(function.__name__)

    sys.setprofile(profile)
    try:
        hit()
    finally:
        sys.setprofile(None)
    ours = [code for code in frames if code.co_filename != __file__]
    assert [code.co_filename.partition(" ")[0] for code in ours] == ["<cachu"]
    assert [name for name in called if name != "type"] == ["time"]


@pytest.mark.skipif(
    sysconfig.get_config_var("Py_GIL_DISABLED") == 1, reason="blocks are counted per thread there"
)
def test_a_hit_leaves_nothing_behind(hit: Callable[[], Any]) -> None:
    def grown(call: Callable[[], Any]) -> int:
        before = sys.getallocatedblocks()
        for _ in range(HITS):
            call()
        return sys.getallocatedblocks() - before

    def nothing() -> None:
        return None

    # Another thread may allocate something just then; not every time.
    assert min(grown(hit) for _ in range(5)) <= max(grown(nothing) for _ in range(5))


def test_a_hit_takes_no_lock(hit: Callable[[], Any], shape: str) -> None:
    wrappers: dict[str, Any] = {
        "int": one, "three": three, "method": Owner.method, "async": asynchronous
    }  # fmt: skip
    code = wrappers[shape].__code__
    assert not {"acquire", "release", "lock", "__enter__"} & set(code.co_names)
    hit()


def test_debuggers_and_tracebacks_can_show_a_wrapper() -> None:
    @cachu.cache
    def broken(x: int) -> int:
        raise LookupError(x)

    with pytest.raises(LookupError) as caught:
        broken(7)
    steps = traceback.extract_tb(caught.value.__traceback__)
    ours = [step for step in steps if step.filename.startswith("<cachu ")]
    assert [step.name for step in ours] == ["broken"]
    assert ours[0].line is not None
    assert "miss(" in ours[0].line
    linecache.checkcache()
    assert "return " in "".join(linecache.getlines(broken.__code__.co_filename))
