"""A master dies, or gives slots away: no error, no wrong value, and it is used again afterwards."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers import stations
from servers.clusters import Cluster, slot
from servers.processes import wait_for
from servers.sentinels import NAME, Sentinels

import cachu
from cachu.regions import live
from cachu.testing.suite.colours import wait_until
from cachu_redis.async_store import AsyncRedisStore

KEYS = 100


@pytest.fixture
def cluster(engine):
    made = Cluster(engine, masters=3, replicas=1)
    yield made.start()
    made.stop()


@pytest.fixture
def trio(engine):
    made = Sentinels(engine)
    yield made.start()
    made.stop()


def options_of(trio):
    options = stations.options(trio)
    return {"url": options.pop("redis_url"), **options}


def is_hit_again(f, x):
    """Tell whether the second of two calls is answered from the cache."""
    f(x)
    runs = f.runs
    f(x)
    return f.runs == runs


def test_sentinel_names_another_master(both_kinds, trio):
    colours = both_kinds(**options_of(trio))
    for _, f in colours:
        assert [f(x) for x in range(KEYS)] == [[x, x + 1] for x in range(KEYS)]
    before = trio.master.port
    trio.fail_over()
    new = trio.master
    assert new.port != before
    for _, f in colours:
        reads = new.commands()["mget"]
        wait_until(lambda f=f, reads=reads: f(1)[0] == 1 and new.commands()["mget"] > reads)
        wait_until(lambda f=f: is_hit_again(f, KEYS))
        assert f.info().currsize >= 1


def test_a_crowd_asks_the_sentinels_once(connect, kind, engine, start_proxy):
    """And not once for each connection: that would be what a crowd waits for."""
    if kind.name == "async":
        pytest.skip("one connection serves all tasks")
    trio = stations.station(f"{engine.name}-sentinel")
    proxy = start_proxy(trio.sentinels[0].address)
    colour = connect(proxy.url, redis_sentinel=NAME)
    f = colour.cached()
    connections, start = trio.master.clients(), time.monotonic()
    assert all(answer[0] == 1 for answer in colour.together(f, 40))
    with ThreadPoolExecutor(16) as pool:
        assert len(list(pool.map(f, range(400)))) == 400
    assert trio.master.clients() > connections + 2
    assert proxy.taken <= 2 + time.monotonic() - start


async def test_so_does_a_crowd_of_tasks_that_wait(engine, start_proxy):
    """Each waits on a connection of its own."""
    trio = stations.station(f"{engine.name}-sentinel")
    proxy, package = start_proxy(trio.sentinels[0].address), f"waiting_{time.time_ns()}"
    options = {**stations.PATIENT, "redis_url": proxy.url, "redis_sentinel": NAME}
    cachu.configure(package=package, redis_distributed=True, redis_lease=60, **options)
    store, start = AsyncRedisStore(live("redis", package, 60).region), time.monotonic()
    leases = [await store.begin(f"f:{number}") for number in range(10)]
    waiting = [asyncio.create_task(store.begin(lease.key)) for lease in leases]
    while "blocked_clients:10" not in trio.master.send("INFO", "clients"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert proxy.taken <= 2 + time.monotonic() - start
    for lease in leases:
        assert await store.commit(lease, b"data", 60)
    assert await asyncio.gather(*waiting) == [b"data"] * 10
    await store.clear()
    await store.close()


def test_a_master_under_sentinels_is_killed(both_kinds, trio):
    colours = both_kinds(**options_of(trio))
    for _, f in colours:
        f(1)
    before = trio.master
    before.kill()
    for _, f in colours:
        assert [f(x)[0] for x in range(KEYS)] == list(range(KEYS))
    wait_for(lambda: trio.master is not before, "another master")
    for _, f in colours:
        wait_until(lambda f=f: is_hit_again(f, 1))
        assert [f(x)[0] for x in range(KEYS)] == list(range(KEYS))


def test_a_master_of_a_cluster_is_killed(both_kinds, cluster, caplog):
    colours = both_kinds(cluster.url, redis_cluster=True)
    for _, f in colours:
        for x in range(KEYS):
            f(x)
    dead = cluster.nodes[1]
    dead.kill()
    for _, f in colours:
        assert [f(x)[0] for x in range(KEYS)] == list(range(KEYS))
    replica = cluster.nodes[4]
    wait_for(lambda: "role:master" in replica.send("INFO", "replication"), "its replica")
    for colour, f in colours:
        wait_until(lambda f=f: all(is_hit_again(f, x) for x in range(KEYS)))
        lines = [each for each in caplog.records if colour.package in each.getMessage()]
        assert len([each for each in lines if each.levelname == "WARNING"]) <= 2


def test_one_dead_master_does_not_keep_the_others_from_being_used(both_kinds, engine, clock):
    """The breaker is each node's own: what lives on the others is hit all the while."""
    cluster = Cluster(engine).start()
    try:
        colours = both_kinds(cluster.url, redis_cluster=True)
        dead, there = cluster.nodes[2], []
        for _, f in colours:
            before = len(dead.send("KEYS", "cachu:e:*"))
            for x in range(KEYS):
                f(x)
            there.append(len(dead.send("KEYS", "cachu:e:*")) - before)
        for node in cluster.nodes[:2]:  # or the rest of the cluster stops too
            node.send("CONFIG", "SET", "cluster-require-full-coverage", "no")
        dead.kill()
        for (_, f), lost in zip(colours, there):
            for _ in range(3):
                for x in range(KEYS):
                    assert f(x)[0] == x
            runs = f.runs
            for x in range(KEYS):
                f(x)
            assert f.runs - runs == lost
    finally:
        cluster.stop()


def test_slots_move_while_they_are_used(connect, engine):
    """ASK and MOVED: no error, nothing wrong, every entry is there afterwards."""
    cluster = stations.station(f"{engine.name}-cluster")
    colour = connect(cluster.url, redis_cluster=True)
    f = colour.cached(tag="users")
    for x in range(KEYS):
        f(x)
    slots = {slot(f"{{{bucket}}}") for bucket in range(64)}
    moved = [each for each in sorted(slots) if cluster.owner(each) is cluster.nodes[0]][:6]
    target = cluster.nodes[1]
    for each in moved:
        source = cluster.begin_moving(each, target)
        assert [f(x)[0] for x in range(KEYS)] == list(range(KEYS))
        for x in range(KEYS, KEYS + 10):
            assert f(x)[0] == x
        cluster.finish_moving(each, source, target)
        assert [f(x)[0] for x in range(KEYS)] == list(range(KEYS))
    runs = f.runs
    assert [f(x)[0] for x in range(KEYS)] == list(range(KEYS))
    assert f.runs == runs
    assert f.info().currsize == KEYS + 10
    assert colour.clears(KEYS + 10, tag="users")
    for each in moved:
        source = cluster.begin_moving(each, cluster.nodes[0])
        cluster.finish_moving(each, source, cluster.nodes[0])
    assert f(1)[0] == 1
    assert f.runs == runs + 1
    colour.clear()
