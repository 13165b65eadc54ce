"""What cachu sends to a server, counted: nothing more than it has to, and nothing that walks it."""

import asyncio

import pytest
from servers.monitors import Monitor

WALKING = {"scan", "keys", "flushdb", "flushall", "randomkey", "dbsize"}


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
@pytest.mark.parametrize("tag", ["", "users"], ids=["untagged", "tagged"])
def test_a_hit_is_one_command(colour, station, tag, distributed):
    colour.configure(redis_distributed=distributed)
    f = colour.cached(tag=tag)
    f(1), f(1)
    before = station.commands()
    for _ in range(20):
        assert f(1) == [1, 1]
    assert station.commands() - before == {"mget": 20}


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
@pytest.mark.parametrize("tag", ["", "users"], ids=["untagged", "tagged"])
def test_a_miss_is_three_round_trips(colour, station, tag, distributed):
    """C1: one to look, one to take the lock and look again, one to store.

    By then the scripts are known, and the generations: on a Cluster those of some buckets.
    """
    colour.configure(redis_distributed=distributed)
    f = colour.cached(tag=tag)
    f.refresh(0), f(1)
    for x in range(2, 10):  # on a Cluster, until every node has the scripts
        f(x)
    with Monitor(station.takers) as monitor:
        assert f(10) == [10, 11]
    plain, script = ["mget", "set", "mget", "evalsha"], ["mget", "evalsha", "evalsha"]
    assert monitor.sent == plain or (monitor.sent == script and len(station.takers) > 1)


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
def test_a_miss_is_three_requests(connect, server, start_proxy, distributed):
    """Commands that belong together are sent together."""
    proxy = start_proxy(server.address)
    f = connect(proxy.url, redis_distributed=distributed).cached()
    f(1), f(2)
    requests = proxy.requests
    assert f(3) == [3, 3]
    assert proxy.requests - requests == 3


def test_reads_of_one_tick_travel_together(connect, kind, server, start_proxy):
    """The first at once, all others in one burst after it, on the connection that there is."""
    if kind.name == "sync":
        pytest.skip("there are no ticks in plain code")
    proxy = start_proxy(server.address)
    colour = connect(proxy.url)
    f = colour.cached()
    for x in range(20):
        f(x)

    async def all_of_them():
        return await asyncio.gather(*(f.raw(x) for x in range(20)))

    taken, requests = proxy.taken, proxy.requests
    assert colour.lift(all_of_them()) == [[x, x + 1] for x in range(20)]
    assert proxy.taken - taken == 0
    assert proxy.requests - requests <= 2


def test_nothing_walks_the_keyspace(colour, station):
    """S1: from commandstats, after one of everything."""
    before = station.commands()
    backend = colour.get_backend()
    f, g = colour.cached(tag="users"), colour.cached(ttl=60)
    for x in range(20):
        f(x), g(x)
    f.invalidate(1), f.refresh(2), f.set("v", 3), f.skip(4), f.get(5)
    backend.set("own", 1, tag="users"), backend.get("own"), backend.delete("own")
    assert (f.info().currsize, g.info().currsize) == (19, 20)
    backend.count(), backend.count(tag="users"), list(backend.regions())
    colour.clear(tag="users"), colour.clear(ttl=60), colour.clear(), backend.clear()
    sent = station.commands() - before
    assert sent["mget"] >= 40
    assert not WALKING & sent.keys()


def test_a_clear_costs_the_same_whatever_there_is_to_clear(colour, station):
    """S3: one script for each bucket, which does a handful of things, however many entries."""
    f = colour.cached(tag="users")
    backend = colour.get_backend()
    for x in range(300):
        backend.set(f.key(x), x, tag="users")
    backend.clear(tag="others")
    buckets = 1 if len(station.takers) == 1 else 64
    before = station.commands()
    with Monitor(station.takers) as monitor:
        backend.clear(tag="users")
    assert monitor.sent == ["evalsha"] * buckets
    sent = station.commands() - before
    assert {name for name, times in sent.items() if times > 3 * buckets} == set()
    assert f(1) == [1, 1]
