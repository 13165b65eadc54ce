"""Leases are used where a store declares them, and one that was overtaken stores nothing."""

import asyncio
from threading import Event

import pytest
import shelves

import cachu
from cachu.backends.stores import Lease
from cachu.testing.suite.colours import Running, wait_until


@pytest.fixture
def cachu_backend():
    return "lease"


def store_of(colour):
    return shelves.LeaseStore(shelves.LEASE.of(colour.package), shelves.LEASE.rack)


def calls_of(colour):
    return shelves.LEASE.of(colour.package).calls


def test_a_miss_begins_and_commits(colour):
    f = colour.cached()
    f(1), f(1)
    assert calls_of(colour) == {"begin": 1, "commit": 1}
    f(1, _overwrite_cache=True)
    assert calls_of(colour) == {"begin": 2, "commit": 2}
    assert f(1) == [1, 2]


def test_what_has_nothing_to_keep_abandons(colour):
    def body(x):
        raise ZeroDivisionError

    f, g = colour.cached(body), colour.cached(cache_if=lambda _: False)
    with pytest.raises(ZeroDivisionError):
        f(1)
    g(1)
    assert calls_of(colour) == {"begin": 2, "abandon": 2}
    assert not shelves.LEASE.of(colour.package).leases


def test_an_unpicklable_result_abandons(colour, caplog):
    made = []
    f = colour.cached(lambda x: made.append(lambda: x) or made[-1])
    assert f(1) is made[0]
    assert calls_of(colour) == {"begin": 1, "abandon": 1}
    assert len(caplog.records) == 1


@pytest.mark.parametrize("end", ["delete", "clear", "clear_tag", "store"])
def test_a_lease_that_was_overtaken_elsewhere_does_not_store(colour, end):
    gate = Event()
    f = colour.cached(
        lambda x: colour.hold(gate.is_set, "old") if f.runs == 1 else "new", tag="users"
    )
    running = colour.start(f, 1)
    wait_until(lambda: f.runs == 1)
    store, key = store_of(colour), f.key(1)  # as another process would have it
    if end == "delete":
        store.delete(key)
    elif end == "store":
        store.store(key, b"theirs", 300, "users")
        store.delete(key)
    else:
        store.clear("users" if end == "clear_tag" else None)
    gate.set()
    assert running.result() == "old"
    assert calls_of(colour)["overtaken"] == 1
    assert store.load(key) is None
    assert f(1) == "new"
    assert f(1) == "new"


def test_a_lease_held_elsewhere_is_waited_for(colour):
    f = colour.cached()
    assert f(1) == [1, 1]
    store, key = store_of(colour), f.key(1)
    data = store.load(key)
    store.delete(key)
    lease = store.begin(key)
    running = colour.start(f, 1)
    wait_until(lambda: calls_of(colour)["wait"] == 1)
    assert store.commit(lease, data, 300)
    assert running.result() == [1, 1]
    assert f.runs == 1
    assert list(f.info())[:2] == [1, 1]


def test_an_abandoned_lease_lets_the_next_caller_try(colour):
    f = colour.cached()
    f(2)
    store = store_of(colour)
    lease = store.begin(f.key(1))
    running = colour.start(f, 1)
    wait_until(lambda: calls_of(colour)["wait"] == 1)
    store.abandon(lease)
    assert running.result() == [1, 2]


def test_a_lease_that_never_ends_costs_the_timeout_and_no_more(colour):
    f = colour.cached(lock_timeout=0.05)
    f(2)
    store = store_of(colour)
    lease = store.begin(f.key(1))
    assert f(1) == [1, 2]
    assert calls_of(colour)["timeout"] == 1
    assert f(1) == [1, 3]  # what the late one made could not be committed
    assert store.commit(lease, b"", 300)


def test_an_overwriting_call_waits_for_no_lease(colour):
    f = colour.cached()
    f(2)
    store = store_of(colour)
    lease = store.begin(f.key(1))
    assert f(1, _overwrite_cache=True) == [1, 2]
    assert calls_of(colour)["wait"] == 0
    assert not store.commit(lease, b"", 300)
    assert f(1) == [1, 2]


def test_an_entry_that_is_refused_is_replaced_by_force(colour):
    f = colour.cached(validate=lambda entry: entry.value != [1, 1])
    assert [f(1), f(1), f(1)] == [[1, 1], [1, 2], [1, 2]]
    assert calls_of(colour)["commit"] == 2


def test_a_caller_that_is_cancelled_while_it_waits_leaves_no_lease(both):
    colour = both.asynchronous
    f = colour.cached()
    f(2)
    store, shelf = store_of(colour), shelves.LEASE.of(colour.package)
    first = store.begin(f.key(1))

    async def scenario():
        task = asyncio.create_task(f.raw(1))
        await colour.hold(lambda: shelf.calls["wait"] == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        store.abandon(first)
        await colour.hold(lambda: shelf.calls["abandon"] == 2)

    colour.lift(scenario())
    assert not shelf.leases
    assert Running(lambda: f(1)).result() == [1, 2]


def test_a_store_must_hand_out_a_lease_when_forced(colour, monkeypatch):
    f = colour.cached(validate=lambda _: False)
    f(1)
    data = store_of(colour).load(f.key(1))
    monkeypatch.setattr(shelves.LeaseStore, "begin", lambda *_args, **_options: data)
    with pytest.raises(cachu.PluginError, match="must return a Lease"):
        f(1)


def test_leases_name_their_key():
    lease = Lease("key", 7)
    assert (lease.key, lease.token) == ("key", 7)
