"""A set takes no turn while nobody else writes, and nothing older comes after it all the same."""

import os

import pytest

from cachu_file import connections, turns
from cachu_file.engine import Engine
from cachu_file.keylocks import WRITING, KeyLocks

_COMPUTES = """
store = made(root, package)
lease = store.begin("f:1")
say("computes")
sys.stdin.readline()
say(store.commit(lease, b"older", 60))
sys.stdin.readline()
"""
_HOLDS_THE_TURN = """
store = made(root, package)
store.load("f:1")
say(store.engine.ranges().take(int(sys.argv[3])))
sys.stdin.readline()
"""


@pytest.fixture
def never_waits(monkeypatch):
    """Nobody may wait for a turn."""

    def sleep(self):
        raise AssertionError("waits for a turn")

    monkeypatch.setattr(turns.Patience, "sleep", sleep)


def ask(process, line=""):
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


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
def in_between(monkeypatch):
    """What happens between the write of a set and its look for those who compute, once."""
    computed = KeyLocks.computed

    def happens(work):
        def look(keys, key):
            monkeypatch.setattr(KeyLocks, "computed", computed)
            work()
            return computed(keys, key)

        monkeypatch.setattr(KeyLocks, "computed", look)

    return happens


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


@pytest.mark.parametrize("end", [True, False], ids=["its end", "its commit"])
def test_c1_a_set_beats_what_is_stored_before_it_looks_who_computes(shelf, in_between, end):
    """C1: its own commit was not the only one, so it writes again; or somebody computes still."""
    store = shelf.plain()
    store.store("f:2", b"x", 60)
    computing = shelf.process(_COMPUTES)
    assert computing.stdout.readline() == "computes\n"
    store.store("f:2", b"x", 60)  # the last commit is ours again

    def commit():
        assert ask(computing) == "True"
        if end:
            computing.communicate("\n")

    in_between(commit)
    store.store("f:1", b"newer", 60)
    assert store.load("f:1") == b"newer"
    if not end:
        computing.communicate("\n")
    assert shelf.run("print(made(root, package).load('f:1'))") == "b'newer'"


@pytest.mark.parametrize("data", [b"mine", os.urandom(300_000)], ids=["small", "large"])
@pytest.mark.parametrize("change", ["delete", "clear", "store"])
def test_c1_a_set_undoes_nothing_that_came_after_it(store, other, in_between, change, data):
    """C1: what others saw, and deleted or replaced, is not written again."""

    def undo():
        assert other.load("f:1") == data
        {
            "delete": lambda: other.delete("f:1"),
            "clear": other.clear,
            "store": lambda: other.store("f:1", b"theirs", 60),
        }[change]()

    in_between(undo)
    store.store("f:1", data, 60)
    expected = b"theirs" if change == "store" else None
    assert store.load("f:1") == other.load("f:1") == expected


@pytest.mark.parametrize("data", [b"mine", os.urandom(300_000)], ids=["small", "large"])
def test_c1_what_was_computed_meanwhile_is_replaced_or_deleted(store, other, in_between, data):
    """C1: deleted if the file of a large value may be gone by then."""
    lease = other.begin("f:1")

    def commit():
        store.engine.ranges().free(WRITING)  # as if it had waited for its turn in vain
        assert other.commit(lease, b"older", 60)

    in_between(commit)
    store.store("f:1", data, 60)
    assert store.load("f:1") == other.load("f:1") == (data if len(data) < 1000 else None)


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
