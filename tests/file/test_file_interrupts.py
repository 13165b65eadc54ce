"""Signals that interrupt a process wherever it is: it goes on, and nothing stays locked (C2)."""

import gc
import os
import signal
import sys
from itertools import count

import pytest

import cachu
from cachu import regions
from cachu.backends import turns as entry_turns
from cachu.wrappers import creation
from cachu_file import ranges, reads, rows, store, turns
from cachu_file.engine import Engine
from cachu_file.keylocks import WRITING

# An interrupt can come anywhere, also where Python can only ignore it: in `__del__`.
_INTERRUPTED = """
import gc, random
from cachu import regions
from cachu_file.ranges import Ranges

sys.unraisablehook = lambda _: None
number = int(sys.argv[3])
cachu.configure(package=package, backend="file", file_dir=root)
options = {"package": package, "tag": "t", "backend": "file"}

@cachu.cache(name="small", **options)
def small(x):
    return [x]

@cachu.cache(name="large", **options)
def large(x):
    return b"%d" % x * 150_000

def clear():
    return cachu.cache_clear("t", "file", package=package)

actions = [
    lambda x: small(x) == [x],
    lambda x: small.set([x], x) is None,
    lambda x: small.invalidate(x) in (True, False),
    lambda x: large(x % 9) == b"%d" % (x % 9) * 150_000,
    lambda x: clear() >= 0 if x % 10 == 0 else True,
]
assert all([action(x) for x in range(10) for action in actions])
generator = random.Random(1)
signal.signal(signal.SIGALRM, signal.default_int_handler)
interrupts = wrong = x = 0
while interrupts < number:
    x += 1
    try:
        signal.setitimer(signal.ITIMER_REAL, generator.uniform(0.00002, 0.0015))
        wrong += not actions[x % len(actions)](x // 3)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupts += 1
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            interrupts += 1
gc.collect()
engine = cachu.get_backend("file", package=package).wrapped.engine
live = regions.all_live()
left = [key for one in live for key in (*one.flights.under_way, *one.turns.taken)]
say(wrong, len(left), len(engine.keys._held), len(os.listdir("/proc/self/fd")))
sys.stdin.readline()
say(small(10**6) == [10**6] and large(3) == b"3" * 150_000)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_c2_an_interrupt_leaves_nothing_locked(shelf):
    """C2: neither in that process nor for another one; no entry is wrong, no file stays open."""
    process = shelf.process(_INTERRUPTED, 300)
    said = process.stdout.readline().split()
    try:
        assert said, process.communicate()[1]
        wrong, left, held, descriptors = map(int, said)
        assert (wrong, left, held) == (0, 0, 0)
        assert descriptors < 40
        other = shelf.plain()
        engine = other.engine
        assert [engine.files.ranges().take(byte) for byte in range(3)] == [True] * 3
        for byte in range(3):
            engine.files.ranges().free(byte)
        other.store("f:1", b"x", 60)
        assert other.load("f:1") == b"x"
    finally:
        out, err = process.communicate("go on\n", timeout=30)
    assert (process.returncode, out.strip(), err) == (0, "True", "")


# Later versions do not tell of each instruction.
_traces = pytest.mark.skipif(sys.version_info >= (3, 12), reason="needs events of all instructions")


class Interrupt:
    """Interrupts what is done in some rooms, before the instruction with this number."""

    def __init__(self, rooms, number):
        self._files = {room.__file__ for room in rooms}
        self._left = number
        self._before = sys.gettrace()

    def __enter__(self):
        sys.settrace(self._entered)

    def __exit__(self, *error):
        sys.settrace(self._before)

    def _entered(self, frame, event, _):
        if frame.f_code.co_filename not in self._files:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._traced

    def _traced(self, frame, event, _):
        if event == "opcode":
            self._left -= 1
            if not self._left:
                sys.settrace(self._before)
                raise KeyboardInterrupt
        return self._traced


@_traces
@pytest.mark.parametrize("action", ["set", "invalidate", "refresh"])
def test_c2_an_interrupt_at_any_instruction_leaves_no_turn_taken(shelf, action, monkeypatch):
    """C2: neither that of an entry nor that of those who write to the file."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    cachu.configure(package=shelf.package, backend="file", file_dir=shelf.root)
    number = 0

    @cachu.cache(package=shelf.package)
    def f(x):
        return [x]

    f(1)
    engine = cachu.get_backend("file", package=shelf.package).wrapped.engine
    other = ranges.Ranges(os.open(shelf.files("*.lock")[0], os.O_RDWR))
    live = [one for one in regions.all_live() if one.region.package == shelf.package]
    assert live
    for number in count(1):
        try:
            with Interrupt((entry_turns, creation, ranges, rows, turns), number):
                f.set([1], 1) if action == "set" else getattr(f, action)(1)
            break
        except KeyboardInterrupt:
            pass
        if any(one.turns.taken or one.flights.under_way for one in live):
            gc.collect()
        left = [key for one in live for key in (*one.flights.under_way, *one.turns.taken)]
        assert (number, left, engine.turns.mutex._is_owned()) == (number, [], False)
        assert not engine.keys._held
        assert not other.taken_elsewhere(WRITING)
        f.set([number], 1)
        assert f(1) == [number]
    assert number > 100


@_traces
@pytest.mark.parametrize("short", [True, False], ids=["short way", "long way"])
def test_c2_an_interrupted_read_keeps_nobody_from_writing(shelf, short):
    """C2: a row that was found and not fetched would, as soon as another process has written."""
    reader = shelf.plain(file_near_cache=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "of", Engine)
        other = shelf.plain()
    for number in count(1):
        other.store("f:1", b"%d" % number, 60)
        for connection in reader.engine.pool.idle:
            connection.check_at *= short
        try:
            with Interrupt((reads, store), number):
                assert reader.load("f:1") == b"%d" % number
            break
        except KeyboardInterrupt:
            pass
        other.store("f:1", b"x", 60)
        reader.store("f:2", b"%d" % number, 60)
        assert other.load("f:2") == b"%d" % number
    assert number > 10
