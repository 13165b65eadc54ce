"""A set takes no turn while nobody else writes, and nothing older comes after it all the same."""

import pytest

from cachu_file import turns
from cachu_file.keylocks import WRITING

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


@pytest.mark.parametrize("after", ["its end", "its commit"])
def test_c1_a_set_beats_what_is_stored_before_it_looks_who_computes(shelf, monkeypatch, after):
    """C1: its own commit was not the only one, so it writes again; or somebody computes still."""
    store = shelf.plain()
    store.store("f:2", b"x", 60)
    computing = shelf.process(_COMPUTES)
    assert computing.stdout.readline() == "computes\n"
    store.store("f:2", b"x", 60)  # the last commit is ours again
    computed, answers = store.engine.keys.computed, []

    def in_between(key):
        if not answers:
            answers.append(ask(computing))
            if after == "its end":
                computing.communicate("\n")
        return computed(key)

    monkeypatch.setattr(store.engine.keys, "computed", in_between)
    store.store("f:1", b"newer", 60)
    assert answers == ["True"]
    assert store.load("f:1") == b"newer"
    if after != "its end":
        computing.communicate("\n")
    assert shelf.run("print(made(root, package).load('f:1'))") == "b'newer'"
