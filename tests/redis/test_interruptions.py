"""Connections that are lost at the wrong moment, and callers that give up (C2, C3, C4)."""

import asyncio
import time
from math import inf
from threading import Thread

import pytest
from servers import stations
from servers.processes import wait_for

import cachu
from cachu.backends.bridges import ThreadedStore
from cachu.backends.stores import Lease
from cachu.regions import live
from cachu_redis import scripts
from cachu_redis.async_store import AsyncRedisStore
from cachu_redis.store import RedisStore

LONG = {"redis_distributed": True, "redis_lease": 60, "lock_timeout": 60, **stations.PATIENT}


@pytest.fixture
def proxy(server, start_proxy):
    return start_proxy(server.address)


@pytest.fixture
def region():
    """Configures a package of its own, and returns its region for entries that never expire."""
    packages = []

    def configured(url, **options):
        packages.append(f"interrupted_{len(packages)}_{time.time_ns()}")
        options = {**LONG, **options}
        cachu.configure(package=packages[-1], backend="redis", redis_url=url, **options)
        return live("redis", packages[-1], inf).region

    yield configured
    for package in packages:
        cachu.cache_clear(package=package, backend="redis")
    cachu.clear_backends()


def blocked(node):
    return int(node.send("INFO", "clients").partition("blocked_clients:")[2].split()[0])


@pytest.mark.parametrize(
    ("asked", "cleared"),
    [("NX", False), (scripts.BEGIN.digest, True), (scripts.COMMIT.digest, False)],
    ids=["begin", "begin after a clear", "commit"],
)
def test_a_request_whose_answer_was_lost_may_be_sent_again(connect, server, proxy, asked, cleared):
    """Whoever asks for a lock twice does not wait for himself."""
    colour = connect(proxy.url, redis_distributed=True, redis_lease=60, lock_timeout=3)
    f = colour.cached()
    f(1)
    if cleared:
        colour.clear()
    proxy.losing = asked.encode()
    assert f(2) == [2, 2]
    assert proxy.losing == b""
    assert f(2) == [2, 2]
    assert (f.runs, f.info().faults) == (2, 0)
    assert server.send("KEYS", "cachu:l:*") == []


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_what_is_stored_between_the_look_and_the_lock_is_found(
    server, region, distributed, colour
):
    """C1: nobody makes it again, and the lock is free for the next one."""
    made = region(server.url, redis_distributed=distributed)
    other = RedisStore(made)
    store = ThreadedStore(RedisStore(made)) if colour == "sync" else AsyncRedisStore(made)
    for number, key in enumerate(("f:1", "f:2")):  # at first by a script, then by plain commands
        other.store(key, b"data", 60)
        before = server.commands()
        assert await store.begin(key) == b"data"
        assert (server.commands() - before)["set"] == number
        assert server.send("KEYS", "cachu:l:*") == []
        lease = await store.begin(f"{key} again")
        assert isinstance(lease, Lease)
        assert await store.commit(lease, b"data", 60)
    await store.close()
    other.close()


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
def test_generations_that_changed_are_seen_when_the_lock_is_taken(server, region, distributed):
    """What was remembered of them is worth nothing after a clear by somebody else."""
    made = region(server.url, redis_distributed=distributed)
    store, other = RedisStore(made), RedisStore(made)
    assert store.commit(store.begin("f:1", "users"), b"old", 60, "users")
    for data, tag in ((b"new", "users"), (b"newer", None)):
        other.clear(tag)
        lease = store.begin("f:1", "users")
        assert isinstance(lease, Lease)
        assert store.commit(lease, data, 60, "users")
        assert other.load("f:1", "users") == data
    store.close()
    other.close()


def test_a_lock_whose_answer_was_lost_may_be_asked_for_again(server, proxy, region):
    from cachu_redis.locks import RedisLocks

    locks = RedisLocks(region(proxy.url))
    first = locks.mutex("a")
    first.acquire()
    first.release()
    proxy.losing = scripts.TAKE.digest.encode()
    assert first.acquire(wait=False)
    assert proxy.losing == b""
    first.release()
    locks.servers.close()


def test_who_waits_on_a_connection_that_was_closed_meanwhile_goes_on_waiting(server, region):
    store = RedisStore(region(server.url))
    told = []
    for key in ("f:1", "f:2"):
        lease = store.begin(key)
        waiter = Thread(target=lambda key=key: told.append(store.begin(key)))
        waiter.start()
        wait_for(lambda: blocked(server) == 1, "the other to wait")
        assert store.commit(lease, b"data", 60)
        waiter.join()
        server.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert told == [b"data", b"data"]
    store.close()


async def test_the_same_in_asynchronous_code(server, region):
    store = AsyncRedisStore(region(server.url))
    for key in ("f:1", "f:2"):
        lease = await store.begin(key)
        waiter = asyncio.create_task(store.begin(key))
        while blocked(server) == 0:  # noqa: ASYNC110  nobody tells of it
            await asyncio.sleep(0.01)
        assert await store.commit(lease, b"data", 60)
        assert await waiter == b"data"
        server.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await store.close()


async def test_a_caller_that_gives_up_while_it_takes_a_lease_gives_up_the_lease(
    server, proxy, region
):
    """C2: those who come next do not wait for it to end by itself."""
    store = AsyncRedisStore(region(proxy.url))
    await store.abandon(await store.begin("f:1"))
    proxy.delay = 0.3
    caller = asyncio.create_task(store.begin("f:2"))
    while not server.send("KEYS", "cachu:l:*"):  # noqa: ASYNC110  nobody tells of it
        await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert isinstance(await asyncio.wait_for(store.begin("f:2"), 30), Lease)
    proxy.delay = 0
    await store.close()


def test_those_who_share_a_connection_do_not_suffer_if_its_leader_gives_up(
    connect, kind, server, proxy
):
    """Be it that nothing was sent yet, because the connection was tried first."""
    if kind.name == "sync":
        pytest.skip("plain code shares no connection")
    colour = connect(proxy.url, redis_health_check_interval=0.01)
    f = colour.cached()
    for x in range(4):
        f(x)

    async def main():
        await f.raw(0)
        await asyncio.sleep(0.02)
        proxy.silent, requests = True, proxy.requests
        leader, *others = (asyncio.create_task(f.raw(x)) for x in range(4))
        while proxy.requests == requests:  # noqa: ASYNC110  nobody tells of it
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)  # for the answer to be swallowed
        proxy.silent = False
        leader.cancel()
        return await asyncio.wait_for(asyncio.gather(*others), 5)

    assert colour.lift(main()) == [[x, x + 1] for x in range(1, 4)]
    assert f.info().faults == 0


def test_a_connection_that_is_tried_in_vain_costs_one_timeout(connect, proxy):
    """A server that hangs is not asked a second time, over another connection."""
    quick = {"redis_timeout": 0.1, "redis_connect_timeout": 0.1}
    colour = connect(proxy.url, redis_health_check_interval=0.01, **quick)
    f = colour.cached()
    f(1)
    time.sleep(0.02)
    proxy.silent, taken = True, proxy.taken
    assert f(1) == [1, 2]
    assert proxy.taken == taken


@pytest.fixture
def impatient(engine):
    """The address of a Cluster, with a user who may do everything but wait."""
    cluster = stations.station(f"{engine.name}-cluster")
    for node in cluster.takers:
        node.send("ACL", "SETUSER", "impatient", "on", ">pw", "~cachu:*", "+@all", "-xread")
    yield cluster.url.replace("://", "://impatient:pw@")
    for node in cluster.takers:
        node.send("ACL", "DELUSER", "impatient")


def test_a_user_who_may_not_wait_is_told_so(impatient, region):
    """On a Cluster, too, where it might be that the keys are about to move."""
    store = RedisStore(region(impatient, redis_cluster=True))
    lease = store.begin("f:1")
    with pytest.raises(Exception, match="xread"):
        store.begin("f:1")
    store.abandon(lease)
    store.close()
