"""A table in this process in front of the server, which a listener keeps coherent."""

import os
import signal
import threading
import time
import weakref
from collections import Counter
from time import monotonic

import pytest
from children import Child
from servers import finding, stations
from servers.monitors import Monitor
from servers.processes import wait_for

import cachu
from cachu_redis import near_cache

NEAR = {"redis_near_cache": 1000}


FORMS = [
    name
    for name in stations.names()
    if name.startswith(stations.names()[0].rpartition("-")[0]) or name.endswith("-standalone")
]


@pytest.fixture(params=FORMS)
def station(request):
    """Every form of one engine, for whom there is to listen to; and every engine's own tracking."""
    return stations.station(request.param)


@pytest.fixture
def near(kind, station):
    made = kind({"backend": "redis", **stations.patiently(station), **NEAR})
    yield made
    made.close()


# What a process makes of its clock, of a fork and of its own changes is the same with every engine.
one_engine = pytest.mark.parametrize(
    "engine", [*finding.engines(), None][:1], ids=["one"], indirect=True
)


@pytest.fixture
def alone(kind, server):
    """The same on one server of the test's own."""
    options = {"redis_url": server.url, **stations.PATIENT, **NEAR}
    made = kind({"backend": "redis", **options})
    yield made
    made.close()


def settle(f, station, keys=(1,)):
    """Call until calls cost nothing any more: its listener is there, and the entries are near."""

    def quiet():
        before = station.commands()
        for _ in range(5):
            for key in keys:
                f(key)
        return station.commands() == before

    wait_for(quiet, "the near cache")


def test_a_near_hit_asks_no_server(near, station):
    f = near.cached(tag="users")
    settle(f, station)
    with Monitor(station.takers) as monitor:
        for _ in range(100):
            assert f(1) == [1, 1]
    assert [name for name in monitor.sent if name != "ping"] == []
    assert f.runs == 1
    assert f.info().hits >= 100


def kept(f):
    """Return what the function itself keeps of its entry for 1, None if it must not use that."""
    row = f.raw.__globals__["entries"].get(1)
    return row[0] if row is not None and monotonic() < row[0].watch.until else None


def ended(near):
    return near.watch.until <= monotonic()


def _lose_listeners(server):
    for number in listeners(server):
        server.send("CLIENT", "KILL", "ID", number)


# What ends an entry for 1 of a function with the tag "users", by this process or by another one.
CHANGES = {
    "invalidate": lambda colour, f, _: f.invalidate(1),
    "set": lambda colour, f, _: f.set("set", 1),
    "clear_tag": lambda colour, f, _: colour.clear(tag="users"),
    "clear": lambda colour, f, _: colour.clear(),
    "backend": lambda colour, f, _: colour.lift(colour.get_backend().delete(f.key(1))),
    "flushall": lambda colour, f, server: server.send("FLUSHALL"),
    "listener": lambda colour, f, server: _lose_listeners(server),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_function_keeps_ends_with_any_change(alone, server, change):
    """It answers without asking anybody; so an end must reach what it has in its hands."""
    f = alone.cached(tag="users")
    settle(f, server)
    held = kept(f)
    assert held is not None
    assert not ended(held)
    CHANGES[change](alone, f, server)
    if change not in ("flushall", "listener"):
        assert ended(held)  # at once, because this process did it
    wait_for(lambda: ended(held), "its end")
    hits, misses, _ = f.info()
    f(1)
    now = f.info()
    assert now.hits + now.misses == hits + misses + 1
    settle(f, server)
    assert kept(f) is not held


@one_engine
@pytest.mark.parametrize("change", ["invalidate", "set", "clear_tag", "clear", "listener"])
def test_what_ended_is_not_kept_alive(alone, server, change):
    """Neither by the table, nor by the function's rows."""
    f = alone.cached(lambda _: frozenset((1, 2)), tag="users")
    settle(f, server)
    value = weakref.ref(f(1))
    assert value() is not None
    CHANGES[change](alone, f, server)
    if change in ("invalidate", "set"):
        assert value() is None
    wait_for(lambda: value() is None, "it to be let go of")


@one_engine
@pytest.mark.parametrize("tag", ["users", None])
def test_a_clear_costs_the_same_however_much_is_near(alone, server, monkeypatch, tag):
    """What it has ended is let go of later, by a thread that has the time."""
    drop, dropping = near_cache.NearTable._drop, Counter()

    def counted(table, name):
        dropping[threading.current_thread().name] += 1
        drop(table, name)

    monkeypatch.setattr(near_cache.NearTable, "_drop", counted)
    f = alone.cached(lambda x: frozenset((x,)), tag="users")
    settle(f, server, range(50))
    values = [weakref.ref(f(x)) for x in range(50)]
    dropping.clear()
    alone.clear(tag=tag) if tag else alone.clear()
    wait_for(lambda: not any(value() for value in values), "all to be let go of")
    assert dropping.pop("cachu-redis-near-watch") >= 50
    assert sum(dropping.values()) < 10


@one_engine
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_answer_by_itself(alone, server):
    """Nobody tells it of changes until it listens for itself (C4)."""
    f = alone.cached()
    settle(f, server)
    assert kept(f) is not None
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"asks" if kept(f) is None else b"answers")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        assert told.read() == b"asks"
    assert kept(f) is not None


@one_engine
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_in_the_middle_of_a_clear(alone, server, monkeypatch):
    """Another thread may fork at any moment: here, as soon as the table forgets a watch."""
    f = alone.cached()
    settle(f, server)
    row = kept(f)
    watch = row.watch
    (table,) = {
        thread._table for thread in threading.enumerate() if thread.name == "cachu-redis-near"
    }
    told = []

    class Forking(dict):
        def pop(self, *args):
            found = super().pop(*args)
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                os.write(writing, b"believes" if monotonic() < watch.until else b"asks")
                os._exit(0)
            os.waitpid(child, 0)
            os.close(writing)
            with os.fdopen(reading, "rb") as answer:
                told.append(answer.read())
            return found

    monkeypatch.setattr(table, "_watches", Forking(table._watches))
    alone.clear()
    assert told
    assert set(told) == {b"asks"}


@one_engine
def test_a_process_that_was_stopped_asks_first(alone, server):
    """It may have missed anything: 2.5 seconds at most, here less, and nothing near counts."""
    source = """
        from cachu_redis import near_cache
        near_cache._BELIEVED = 1.3
        @cachu.cache(package=package, name="f")
        def f(x):
            return "never run"
        say("ready")
        hear()
        until = lambda: f.__globals__["entries"][1][0].watch.until
        for _ in range(3000):
            f(1)
            if 1 in f.__globals__["entries"] and time.monotonic() < until():
                break
            time.sleep(0.01)
        say(f(1))
        hear()
        say(f(1))
    """
    f = alone.cached(name="f")
    f.set("old", 1)
    options = {name: value for name, value in alone.options.items() if name != "backend"}
    with Child(alone.package, options, source) as child:
        assert child.hear() == ["ready"]
        child.say()
        assert child.hear() == ["old"]
        child.signal(signal.SIGSTOP)
        f.set("new", 1)
        child.say()
        time.sleep(1.4)
        child.signal(signal.SIGCONT)
        assert child.hear() == ["new"]
        child.end()


class Halting:
    """A listener's connection that can be halted, at first while it is owed no answer.

    From then on it reads one message for each permit.
    """

    def __init__(self, connection):
        self._connection = connection
        self._owed = self.waits = 0
        self._permits = threading.Semaphore(0)
        self.halts = False

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def send_command(self, *command):
        self._owed += 1
        self._connection.send_command(*command)

    def can_read(self, timeout=0):
        if self.halts and (self.waits or not self._owed):
            self.waits += 1
            self._permits.acquire(timeout=10)
        return self._connection.can_read(timeout)

    def read_response(self, **options):
        message = self._connection.read_response(**options)
        if not isinstance(message, list) or message[0] != b"message":
            self._owed -= 1
        return message

    def halt(self):
        self.halts = True
        wait_for(lambda: self.waits == 1, "the listener to halt")

    def read_one(self):
        self._permits.release()
        wait_for(lambda: self.waits == 2, "a message to be read")

    def go_on(self):
        self.halts = False
        self._permits.release()


@one_engine
def test_what_lies_in_the_backlog_is_no_sign_of_life(alone, server, monkeypatch):
    """After a stop, the change that counts may come after others that are as old."""
    connections = []

    class Listener(near_cache.Listener):
        def __init__(self, table, place, connect):
            def halting(*place):
                connections.append(Halting(connect(*place)))
                return connections[-1]

            super().__init__(table, place, halting)

    monkeypatch.setattr(near_cache, "Listener", Listener)
    monkeypatch.setattr(near_cache, "_BELIEVED", 1.3)
    f = alone.cached()
    settle(f, server)
    (connection,) = connections
    connection.halt()
    try:
        (name,) = server.send("KEYS", "cachu:e:*")
        server.send("SET", "cachu:e:other", "1")
        server.send("DEL", name)
        wait_for(lambda: kept(f) is None, "it to be believed no more")
        connection.read_one()
        assert kept(f) is None
        assert f(1) == [1, 2]
    finally:
        connection.go_on()
    settle(f, server)


@pytest.mark.parametrize("change", ["clear", "clear_tag", "delete", "set"])
def test_a_change_in_another_process_is_seen(near, station, change):
    f = near.cached(name="f", tag="users")
    settle(f, station)
    source = """
        @cachu.cache(package=package, name="f", tag="users")
        def f(x):
            return "never run"
        change = hear()
        if change == "clear":
            cachu.cache_clear(package=package, backend="redis")
        elif change == "clear_tag":
            cachu.cache_clear(tag="users", package=package, backend="redis")
        elif change == "delete":
            f.invalidate(1)
        else:
            f.set("set", 1)
        say("done")
    """
    with Child(near.package, stations.patiently(station), source) as child:
        child.say(change)
        assert child.hear() == ["done"]
        child.end()
    wait_for(lambda: f(1) == ("set" if change == "set" else [1, 2]), "the change to be seen")
    settle(f, station)


def test_ones_own_changes_are_seen_at_once(near, station):
    f = near.cached(tag="users")
    settle(f, station)
    f.invalidate(1)
    assert f(1) == [1, 2]
    f.set("set", 1)
    assert f(1) == "set"
    near.clear(tag="users")
    assert f(1) == [1, 3]
    assert f(1, _overwrite_cache=True) == [1, 4]
    assert f(1) == [1, 4]
    near.clear()
    assert f(1) == [1, 5]


def test_both_colours_of_one_store_forget_together(both, station):
    """S4: each may have an entry near, and a change concerns both, whoever makes it."""
    package = both.plain.package
    cachu.configure(package=package, **NEAR)
    f = both.plain.cached(name="f")
    g = both.asynchronous.cached(name="f")

    def same(value):
        wait_for(lambda: f(1) == g(1) == value, f"{value} in both colours")
        settle(f, station)
        settle(g, station)

    f.set("first", 1)
    same("first")
    f.set("plain", 1)
    assert [f(1), g(1)] == ["plain", "plain"]
    same("plain")
    g.set("asynchronous", 1)
    assert [f(1), g(1)] == ["asynchronous", "asynchronous"]
    same("asynchronous")
    source = """
        @cachu.cache(package=package, name="f")
        def f(x):
            return "never run"
        f.set("foreign", 1)
        say("done")
    """
    with Child(package, stations.patiently(station), source) as child:
        assert child.hear() == ["done"]
        child.end()
    same("foreign")


def listeners(node):
    """The numbers of the connections that track keys."""
    lines = [
        dict(part.partition("=")[::2] for part in line.split())
        for line in node.send("CLIENT", "LIST").splitlines()
    ]
    return [line["id"] for line in lines if "t" in line["flags"] or line.get("sub", "0") != "0"]


def test_whatever_was_near_is_forgotten_with_its_listener(near, station):
    """Nothing is told any more of changes: everything is asked for again, at once."""
    f = near.cached()
    settle(f, station)
    before = station.commands()["mget"]
    for node in station.takers:
        for number in listeners(node):
            node.send("CLIENT", "KILL", "ID", number)

    def asked():
        f(1)
        return station.commands()["mget"] > before

    wait_for(asked, "the table to be emptied")
    settle(f, station)
    assert f.runs == 1


@one_engine
def test_a_hung_server_is_not_believed_for_long(kind, server, caplog):
    """A listener that says nothing is as good as none: 2.5 seconds later all is forgotten."""
    near = kind({"backend": "redis", "redis_url": server.url, "redis_timeout": 0.1, **NEAR})
    f = near.cached()
    settle(f, server)
    server.pause()
    try:
        wait_for(lambda: f(1) != [1, 1], "the table to be emptied")
    finally:
        server.resume()
    wait_for(lambda: near.lift(f.raw(1)) and f.info().currsize == 1, "the server")
    settle(f, server)
    near.close()


def test_a_near_entry_expires_with_the_far_one(near, station, clock):
    f = near.cached(ttl=60)
    settle(f, station)
    clock.advance(61)
    assert f(1) == [1, 2]


def test_a_mutable_value_is_each_callers_own(near, station):
    """V2: Redis round-trips, near or far."""
    f = near.cached()
    settle(f, station)
    f(1).append("mine")
    assert f(1) == [1, 1]


def test_no_more_is_near_than_was_asked_for(kind, server):
    near = kind({"backend": "redis", "redis_url": server.url, "redis_near_cache": 10})
    f = near.cached(lambda x: frozenset((x,)))
    settle(f, server)
    values = [weakref.ref(f(x)) for x in range(100) for _ in range(3)]
    assert 0 < len({id(value()) for value in values if value() is not None}) <= 10
    before = server.commands()["mget"]
    for x in range(100):
        f(x)
    assert server.commands()["mget"] - before >= 90
    near.close()


def test_closing_ends_the_listener(kind, server):
    near = kind({"backend": "redis", "redis_url": server.url, **NEAR})
    f = near.cached()
    settle(f, server)
    near.leave()
    wait_for(lambda: server.clients() == 0, "connections to be closed")
