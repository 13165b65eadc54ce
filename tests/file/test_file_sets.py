"""A set takes no turn while nobody else writes, and nothing older comes after it all the same."""

import os
import time
from datetime import timedelta

import pytest

from cachu.backends.stores import Lease
from cachu.testing import FakeClock
from cachu_file import connections, turns
from cachu_file.engine import Engine
from cachu_file.keylocks import WRITING

_HOLDS_THE_TURN = """
store = made(root, package)
store.load("f:1")
say(store.engine.files.ranges().take(int(sys.argv[3])))
sys.stdin.readline()
"""


@pytest.fixture
def never_waits(monkeypatch):
    """Nobody may wait for a turn."""

    def sleep(self):
        raise AssertionError("waits for a turn")

    monkeypatch.setattr(turns.Patience, "sleep", sleep)


def test_c4_a_set_of_the_only_writer_waits_for_no_turn(shelf, never_waits):
    store = shelf.plain()
    for number in range(3):
        store.store("f:1", b"%d" % number, 60)
    other = shelf.process(_HOLDS_THE_TURN, WRITING)
    assert other.stdout.readline() == "True\n"
    store.store("f:1", b"mine", 60)
    assert store.load("f:1") == b"mine"
    with pytest.raises(AssertionError, match="waits"):
        store.delete("f:1")
    other.communicate("\n")


def test_c4_where_others_write_a_set_waits_for_its_turn(shelf, never_waits):
    store, other = shelf.plain(), shelf.process(_HOLDS_THE_TURN, WRITING)
    assert other.stdout.readline() == "True\n"
    with pytest.raises(AssertionError, match="waits"):
        store.store("f:1", b"first", 60)  # of this process: it knows of no commit of its own
    other.communicate("\n")
    store.store("f:1", b"second", 60)
    assert shelf.run("print(made(root, package).store('f:2', b'x', 60))") == "None"
    other = shelf.process(_HOLDS_THE_TURN, WRITING)
    assert other.stdout.readline() == "True\n"
    with pytest.raises(AssertionError, match="waits"):
        store.store("f:1", b"third", 60)
    other.communicate("\n")


@pytest.fixture
def other(shelf, monkeypatch):
    """A store that shares nothing but the files, as that of another process, in a hurry."""
    monkeypatch.setattr(turns, "_PATIENCE", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "of", Engine)
        return shelf.plain()


@pytest.fixture(params=[True, False], ids=["at once", "in turn"])
def store(request, shelf, other):
    """A store whose process is the only one that writes, or is not."""
    made = shelf.plain()
    made.store("f:2", b"x", 60)
    if not request.param:
        other.store("f:3", b"x", 60)
    return made


@pytest.mark.parametrize("data", [b"newer", os.urandom(300_000)], ids=["small", "large"])
@pytest.mark.parametrize("there", [True, False], ids=["replacing", "new"])
def test_c1_a_set_overtakes_who_computes(store, other, there, data):
    """C1: whoever began before stores nothing, whoever begins after finds what was set."""
    if there:
        store.store("f:1", b"stale", -1)
    lease = other.begin("f:1")
    assert isinstance(lease, Lease)
    store.store("f:1", data, 60)
    assert other.begin("f:1") == data
    assert other.commit(lease, b"older", 60) is False
    assert store.load("f:1") == other.load("f:1") == data


def test_c1_what_was_computed_after_a_set_was_deleted_stays(store, other):
    store.store("f:1", b"set", 60)
    first = other.begin("f:1", force=True)
    store.store("f:1", b"set again", 60)
    assert other.delete("f:1")
    second = store.begin("f:1")
    assert store.commit(second, b"fresh", 60)
    assert other.commit(first, b"older", 60) is False
    assert store.load("f:1") == other.load("f:1") == b"fresh"


@pytest.mark.parametrize("end", ["expired", "evicted"])
def test_c1_a_set_that_is_gone_has_overtaken_who_computed(store, other, end):
    lease = other.begin("f:1")
    with FakeClock() as clock:
        store.store("f:1", b"set", 1)
        if end == "expired":
            clock.advance(10)
        else:
            store.engine.limit_size(20_000)
            for number in range(100):
                store.store(f"g:{number}", bytes(1_000), 60)
        store.engine.bytes_left = 0
        store.store("f:2", b"x", 60)
    assert store.load("f:1") is None
    assert other.commit(lease, b"older", 60) is False
    assert store.load("f:1") is None


def test_c1_a_stopped_clock_tells_sets_apart(store, other):
    with FakeClock():
        store.store("f:1", b"one", 60)
        lease = other.begin("f:1", force=True)
        store.store("f:1", b"one", 60)
        assert other.commit(lease, b"older", 60) is False
    assert other.load("f:1") == b"one"


@pytest.mark.parametrize("now", [0.0, -1e9], ids=["at", "before"])
def test_c1_a_set_overtakes_who_computes_where_clocks_begin(store, other, monkeypatch, now):
    """C1: a clock that is set to the epoch, or to a time before it, makes no set unseen."""
    lease = other.begin("f:1")
    monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))  # as freezegun does
    with FakeClock(now) as clock:
        store.store("f:1", b"newer", 60)
        assert other.commit(lease, b"older", 60) is False
        assert store.load("f:1") == b"newer"
        lease = other.begin("f:4")
        store.store("f:4", b"newer", 1)
        clock.advance(10)
        store.engine.bytes_left = 0
        store.store("f:2", b"x", 60)
        assert store.load("f:4") is None
        assert other.commit(lease, b"older", 60) is False


def test_t3_a_clock_may_be_set_to_the_end_of_time(store):
    with FakeClock() as clock:
        clock.advance(timedelta.max)
        store.store("f:1", b"late", 60)
        assert store.load("f:1") == b"late"


def test_c2_an_interrupted_set_leaves_no_transaction_open(shelf):
    """C2: nor does what it did besides, to keep to the size limit."""
    store = shelf.plain(file_size_limit=20_000)
    for number in range(70):
        store.store(f"f:{number}", bytes(1_000), 60)
    store.engine.bytes_left = 0
    begun = connections.Transaction.__enter__

    def interrupted(transaction):
        begun(transaction)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections.Transaction, "__enter__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.store("f:1", b"x", 60)
    assert not any(each.raw.in_transaction for each in store.engine.pool.idle)
    store.store("f:1", b"mine", 60)
    assert shelf.run("print(made(root, package).load('f:1'))") == "b'mine'"


def test_s8_a_size_limit_that_comes_later_is_kept_at_once(shelf):
    store = shelf.plain()
    for number in range(10):
        store.store(f"f:{number}", os.urandom(100_000), 60)
    limited = shelf.plain(file_size_limit=500_000)
    limited.store("f:10", b"x", 60)
    assert limited.count() < 6
