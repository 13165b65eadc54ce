"""What a store watches over, cached functions return without asking it, until the watch ends."""

import copy
import logging
import pickle
import sys
import threading
import weakref
from datetime import date
from math import inf
from time import monotonic
from types import ModuleType

import pytest
import shelves

import cachu
from cachu.backends.stores import Held, Watch
from cachu.serializers import fresh
from cachu.wrappers import near_rows


@pytest.fixture
def cachu_backend():
    return "watching"


@pytest.fixture
def shelf(colour):
    """The shelf of the package, once it has one; and how often the store was asked."""

    class Found:
        @property
        def one(self):
            return shelves.WATCHING.of(colour.package)

        @property
        def asked(self):
            return self.one.calls["load"]

        def asks(self, f, *args):
            """Tell whether a call asks the store."""
            before = self.asked
            f(*args)
            return self.asked > before

    return Found()


def warm(f, *args):
    """Call until the function answers by itself: a miss, and a hit that asks the store."""
    for _ in range(3):
        f(*args)


def test_a_hit_does_not_ask_the_store_and_is_counted(colour, shelf):
    f = colour.cached()
    warm(f, 1)
    before = shelf.asked
    assert [f(1) for _ in range(100)] == [[1, 1]] * 100
    assert shelf.asked == before
    assert (f.info().hits, f.info().misses) == (102, 1)


def test_lookalikes_are_told_apart(colour, shelf):
    """K3: also where raw arguments are looked up."""
    f = colour.cached(repr)
    values = [1, True, 1.0, "1", b"1", (1,), (True,), None]
    for _ in range(4):
        assert [f(x) for x in values] == [repr(x) for x in values]
    assert f.runs == len(values)


@pytest.mark.parametrize("end", ["entry", "watch", "late"])
def test_an_end_counts_for_those_who_still_have_the_entry(colour, shelf, end):
    """Nothing is taken out of the function's own table: it finds out by looking."""
    f = colour.cached()
    warm(f, 1)
    assert not shelf.asks(f, 1)
    (held,) = shelf.one.held.values()
    if end == "entry":
        held.end()
    elif end == "watch":
        shelf.one.watch.until = -inf
    else:  # the store did not come round to moving it on
        shelf.one.watch.until = monotonic()
    assert shelf.asks(f, 1)
    assert f.runs == 1
    shelf.one.held.clear()
    shelf.one.watch = Watch(inf)
    f(1)
    assert not shelf.asks(f, 1)


def test_what_was_changed_is_never_returned(colour, shelf):
    f = colour.cached(tag="users")
    warm(f, 1)
    f.set("set", 1)
    assert [f(1), f(1), f(1)] == ["set"] * 3
    f.invalidate(1)
    assert [f(1), f(1), f(1)] == [[1, 2]] * 3
    colour.clear(tag="users")
    assert [f(1), f(1), f(1)] == [[1, 3]] * 3
    f.refresh(1)
    assert [f(1), f(1), f(1)] == [[1, 4]] * 3
    colour.clear()
    assert [f(1), f(1), f(1)] == [[1, 5]] * 3


def test_it_expires(colour, shelf, clock):
    f = colour.cached()
    warm(f, 1)
    clock.advance(299.9)
    assert not shelf.asks(f, 1)
    clock.advance(0.1)
    assert f(1) == [1, 2]


def test_one_from_the_future_is_stale(colour, shelf, clock):
    """T2: more than five seconds, once the clock was set back."""
    f = colour.cached()
    warm(f, 1)
    clock.set(clock.now - 5)
    assert not shelf.asks(f, 1)
    clock.set(clock.now - 0.1)
    assert f(1) == [1, 2]


def test_caching_that_is_switched_off(colour, shelf):
    f = colour.cached()
    warm(f, 1)
    cachu.disable()
    try:
        assert f(1) == [1, 2]
    finally:
        cachu.enable()
    with cachu.disabled():
        assert f(1) == [1, 3]
    assert f(1) == [1, 1]
    assert not shelf.asks(f, 1)
    assert f(1, _skip_cache=True) == [1, 4]
    assert f(1, _overwrite_cache=True) == [1, 5]
    assert [f(1), f(1)] == [[1, 5]] * 2


def test_settings_that_change(colour):
    f = colour.cached()
    warm(f, 1)
    colour.configure(key_prefix="v2:")
    assert f(1) == [1, 2]
    colour.configure(key_prefix=cachu.DEFAULT)
    assert f(1) == [1, 1]
    for options in ({"serializer": "json"}, {"secret_key": "secret"}):
        colour.configure(**options)
        run = f.runs
        assert f(1) == [1, run + 1]
        warm(f, 1)
    colour.configure(backend="null")
    assert f(1) == [1, 5]


def test_an_entry_that_is_validated_is_shown_each_time(colour):
    seen = []

    def valid(entry):
        seen.append(entry.value)
        return entry.age >= 0 and entry.value == [1, 1]

    f = colour.cached(validate=valid)
    for _ in range(6):
        assert f(1) == [1, 1]
    assert len(seen) == 5


class Opaque:
    def __init__(self):
        self.inside = ["inside"]


SHARED = ["shared"]
VALUES = {
    "list": [1, "two", 3.0],
    "dict": {"id": 1, "roles": ["reader"], "by": {"day": {date(2020, 1, 1): (1, 2)}}},
    "set": {1, 2, 3},
    "lists": [[1], [2, [3]], {}],
    "twice": [SHARED, SHARED],
    "object": Opaque(),
    "inside": (1, ["changes"]),
    "many": [[n] for n in range(200)],
}


def change(value):
    """Change all that can be changed in *value*."""
    if isinstance(value, dict):
        for each in value.values():
            change(each)
        value["changed"] = True
    elif isinstance(value, (list, tuple)):
        for each in value:
            change(each)
        if isinstance(value, list):
            value.append("changed")
    elif isinstance(value, set):
        value.add("changed")
    elif isinstance(value, Opaque):
        value.inside.append("changed")


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_that_can_change_is_each_callers_own(colour, shelf, value):
    """V2."""
    f = colour.cached(lambda _: value)
    warm(f, 1)
    asked = shelf.asked
    first, second = f(1), f(1)
    assert type(first) is type(value)
    assert pickle.dumps(first) == pickle.dumps(second) == pickle.dumps(f(1))
    if isinstance(value, list) and value[0] is value[-1]:
        assert first[0] is first[1]
    change(first)
    assert pickle.dumps(f(1)) == pickle.dumps(second) != pickle.dumps(first)
    assert shelf.asked == asked


class Nowhere:
    """Of no module, as some that are made by C code or by `exec`."""

    def __init__(self):
        self.inside = ["inside"]


Nowhere.__module__ = None


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x]], ids=["alone", "in a list"])
def test_a_class_without_a_module_is_not_taken_for_one_that_cannot_change(wrap):
    """V2."""
    with pytest.raises(ValueError, match="has to be decoded"):
        fresh.maker(wrap(Nowhere()))


@pytest.mark.parametrize("kind", [tuple, frozenset])
def test_parts_that_occur_often_are_looked_at_once(colour, kind):
    """Each level has the one below twice: a hundred bytes, and a million million paths."""
    value = ("x",)
    for level in range(40):
        value = (value, kind((value, level)))
    f = colour.cached(lambda _: [value])
    warm(f, 1)
    assert f(1)[0] is f(1)[0]


def test_a_watched_entry_is_an_entry_to_pickle_and_copy(colour):
    """Whoever is shown it may send it elsewhere."""

    def valid(entry):
        again = [pickle.loads(pickle.dumps(entry)), copy.copy(entry), copy.deepcopy(entry)]
        return again == [entry] * 3 and {type(each) for each in again} == {cachu.CacheEntry}

    f = colour.cached(lambda _: {"a": [1]}, validate=valid)
    warm(f, 1)
    assert (f.info().hits, f.info().misses) == (2, 1)


@pytest.mark.parametrize(
    "value",
    [None, True, 7, 1.5, 1j, "text", b"bytes", (1, ("a", frozenset((2,)))), date(2020, 1, 1)],
    ids=repr,
)
def test_a_value_that_cannot_change_is_decoded_once(colour, value):
    f = colour.cached(lambda _: value)
    warm(f, 1)
    assert f(1) == value
    assert f(1) is f(1)


def test_a_class_that_is_gone_is_a_miss(colour, caplog, monkeypatch):
    """V3: also once the function has the entry."""
    module = ModuleType("soon_gone")
    module.Gone = type("Gone", (), {"__module__": "soon_gone"})
    monkeypatch.setitem(sys.modules, "soon_gone", module)
    f = colour.cached(lambda _: module.Gone())
    warm(f, 1)
    del module.Gone
    with pytest.raises(AttributeError):
        f(1)
    (line,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "cannot be read back" in line.getMessage()


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_entry_that_ended_keeps_no_value_alive(colour, shelf, when):
    """The function still has a row, but there is nothing in it."""
    f = colour.cached(lambda _: frozenset((1, 2)))
    warm(f, 1)
    (held,) = shelf.one.held.values()
    if when == "before":  # somebody still has the bytes, and they are decoded only then
        held = Held.watched(bytes(held), shelf.one.watch)
        shelf.one.held = dict.fromkeys(shelf.one.held, held)
        f.raw.__globals__["entries"].clear()
    value = weakref.ref(f(1))
    held.end()
    assert value() is None
    assert f(1) == f(1) == {1, 2}
    value = weakref.ref(f(1))
    assert value() is None
    assert f.runs == 1


def test_an_end_between_two_looks_of_a_hit(colour, shelf):
    """Whoever has found that it counts returns the value, or asks the store."""
    f = colour.cached(lambda _: "value")
    warm(f, 1)
    (held,) = shelf.one.held.values()
    ends = iter(["now"])

    class Ending:
        """A watch that lets its entry end after it was looked at."""

        @property
        def until(self):
            for _ in ends:
                held.end()
            return inf

    held.near.watch = Ending()
    assert shelf.asks(f, 1)
    assert next(ends, None) is None
    assert f(1) == "value"


def test_few_rows_are_kept(colour, shelf, monkeypatch):
    monkeypatch.setattr(near_rows, "_MOST", 10)
    f = colour.cached()

    def rows():
        return len(f.raw.__globals__["entries"])

    for x in range(10):
        warm(f, x)
    assert rows() == 10
    for held in list(shelf.one.held.values())[:4]:
        held.end()
    warm(f, 10)
    assert rows() == 7
    assert not shelf.asks(f, 9)
    for x in range(11, 30):
        warm(f, x)
        assert rows() <= 10


def test_a_full_table_is_not_looked_through_for_every_row(colour, shelf, monkeypatch):
    monkeypatch.setattr(near_rows, "_MOST", 16)
    f = colour.cached()
    for x in range(16):
        warm(f, x)
    next(iter(shelf.one.held.values())).end()
    warm(f, 16)
    assert len(f.raw.__globals__["entries"]) == 1


def test_rows_that_no_call_would_match_are_not_made(colour, shelf):
    """A tuple among the arguments is told apart by the call path, element for element."""
    g = colour.cached(lambda _: 1)
    warm(g, (1, 2))
    assert shelf.asks(g, (1, 2))
    assert g.raw.__globals__["entries"] == {}


def test_large_arguments_and_large_values_are_not_kept(colour, shelf):
    f = colour.cached(lambda x: "large" * 20_000 if x == 1 else 0)
    warm(f, 1), warm(f, "x" * 2000)
    assert shelf.asks(f, 1)
    assert shelf.asks(f, "x" * 2000)
    assert f.raw.__globals__["entries"] == {}


def test_both_colours_of_a_name_follow(both, clock):
    f = both.plain.cached(name="shared")
    g = both.asynchronous.cached(name="shared")
    warm(f, 1), warm(g, 1)
    assert f(1) == g(1) == [1, 1]
    g.set("set", 1)
    assert [f(1), g(1)] == ["set", "set"]


def test_threads_count_every_hit(colour):
    if colour.name == "async":
        colour.close()
        pytest.skip("one loop is one thread")
    f = colour.cached()
    warm(f, 1)
    before = f.info().hits

    def work():
        for _ in range(2000):
            f(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert f.info().hits - before == 8000


def test_bytes_that_nobody_watches_over_are_asked_for(colour, monkeypatch):
    """What is merely held may change without notice."""
    monkeypatch.setattr(Held, "watched", lambda data, watch: Held(data))
    f = colour.cached()
    warm(f, 1)
    shelf = shelves.WATCHING.of(colour.package)
    before = shelf.calls["load"]
    f(1), f(1)
    assert shelf.calls["load"] == before + 2
