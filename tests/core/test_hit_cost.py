"""What a hit costs, counted instead of timed: instructions, frames, allocations."""

from __future__ import annotations

import bdb
import gc
import json
import linecache
import math
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cachu
from cachu import plugins
from cachu.backends import Capability
from cachu.backends.stores import Held, Store, Watch
from cachu.counters import FREE_THREADED
from cachu.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Instructions that one hit may run: what was counted, and two to spare. One more look at anything
# on the way of every hit takes three at least.
LIMITS = {
    "int": {(3, 10): 41, (3, 11): 38, (3, 12): 36, (3, 13): 35},
    "three": {(3, 10): 58, (3, 11): 57, (3, 12): 53, (3, 13): 50},
    "method": {(3, 10): 45, (3, 11): 43, (3, 12): 40, (3, 13): 39},
    "async": {(3, 10): 42, (3, 11): 38, (3, 12): 36, (3, 13): 35},
    "near": {(3, 10): 65, (3, 11): 61, (3, 12): 58, (3, 13): 56},
    "near async": {(3, 10): 66, (3, 11): 61, (3, 12): 58, (3, 13): 56},
}
UNCOUNTED = 6  # more on Pythons that have yet to be counted
MORE_WITHOUT_LOCK = 8  # each thread has a counter of its own there
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


@cachu.cache(backend="watchful")
def near(x: int) -> int:
    return x


@cachu.async_cache(backend="watchful")
async def near_asynchronous(x: int) -> int:
    return x


class WatchfulStore(Store):
    """Holds what it is given, for ever."""

    capabilities = Capability.CLEAR

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        return self.held.get(key)

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        self.held[key] = Held.watched(data, Watch(math.inf))

    def delete(self, key: str) -> bool:
        return self.held.pop(key, None) is not None

    def clear(self, tag: str | None = None) -> int:
        self.held.clear()
        return -1


class WatchfulPlugin:
    @hookimpl
    def cachu_make_backend(self, name: str, region: Any) -> Store | None:
        return WatchfulStore() if name == "watchful" else None


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
    "near": lambda: near(7),
    "near async": lambda: run(near_asynchronous(7)),
}


@pytest.fixture(params=CALLS)
def shape(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def hit(shape: str) -> Iterator[Callable[[], Any]]:
    """Make a call that is a hit, and warm; whoever else traces or profiles waits meanwhile.

    So does the garbage collector: hypothesis is called whenever it runs.
    """
    traced, profiled = sys.gettrace(), sys.getprofile()
    gc.disable()
    sys.settrace(None)
    sys.setprofile(None)
    call = CALLS[shape]
    plugins.register(WatchfulPlugin(), "watchful")
    if shape.endswith("async"):
        import asyncio

        for _ in range(3):  # a miss needs an event loop, and so does who asks a store
            asyncio.run(near_asynchronous(7) if shape == "near async" else asynchronous(7))
    for _ in range(400):
        call()
    yield call
    plugins.unregister("watchful")
    gc.enable()
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
    limit += MORE_WITHOUT_LOCK * FREE_THREADED
    assert 10 < count <= limit


def test_a_hit_is_one_frame_and_asks_the_clock_once(hit: Callable[[], Any], shape: str) -> None:
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
    counting = ["get_ident"] if FREE_THREADED else []  # each thread counts for itself there
    clocks = ["time", "monotonic"] if shape.startswith("near") else ["time"]
    assert [name for name in called if name != "type"] == [*clocks, *counting]


@pytest.mark.skipif(FREE_THREADED, reason="blocks are counted per thread there")
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
        "int": one, "three": three, "method": Owner.method, "async": asynchronous, "near": near,
        "near async": near_asynchronous,
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


def test_a_debugger_steps_through_a_hit_and_a_miss() -> None:
    @cachu.cache
    def slow(x: int) -> int:
        return x

    class Stepper(bdb.Bdb):
        lines: list[tuple[str, str]]

        def user_line(self, frame: Any) -> None:
            code = frame.f_code
            source = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals)
            self.lines.append((code.co_filename, source.strip()))
            self.set_step()

    stepper = Stepper()
    seen = []
    tracing = sys.gettrace()
    for _ in range(2):
        stepper.lines = []
        assert stepper.runcall(slow, 7) == 7
        seen.append(stepper.lines)
    sys.settrace(tracing)
    miss, hit = ([line for line in lines if line[0] != bdb.__file__] for lines in seen)
    assert all(line for _, line in hit)
    assert {name.partition(" ")[0] for name, _ in hit} == {"<cachu"}
    assert hit[-1][1] == "return value"
    assert (__file__, "return x") in miss
    assert len(hit) < len(miss)


def test_coverage_sees_the_function_and_not_the_wrapper(tmp_path: Path) -> None:
    script = tmp_path / "measured.py"
    script.write_text(
        "import cachu\n"
        "@cachu.cache\n"
        "def f(x):\n"
        "    if x:\n"
        "        return 'covered'\n"
        "    return 'not covered'\n"
        "print(f(1), f(1), f.info().hits)\n"
    )
    run = [sys.executable, "-m", "coverage"]
    data = f"--data-file={tmp_path / 'data'}"
    done = subprocess.run(
        [*run, "run", data, "--rcfile=", f"--source={tmp_path}", str(script)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "covered covered 1\n"
    report = [*run, "json", data, "--rcfile=", "-q", "-o", "-"]
    measured = subprocess.run(report, capture_output=True, text=True, check=True)
    (name, found), *others = json.loads(measured.stdout)["files"].items()
    assert not others
    assert Path(name).name == "measured.py"
    assert found["missing_lines"] == [6]
    assert not done.stderr
