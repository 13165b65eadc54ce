"""What only a look at the server shows: how entries, generations and indexes live there."""

from itertools import count
from math import inf

import pytest
from servers.processes import wait_for
from servers.stations import PATIENT

import cachu

# No lease ends because the machine is busy.
LOCKS = {"lock": "redis", "redis_lease": 30, **PATIENT}


@pytest.fixture
def cached(connect, server):
    """A tagged function, and the keys that the server has by their letter."""
    colour = connect(server.url)
    function = colour.cached(tag="users")
    function(1)

    def keys(letter):
        return server.send("KEYS", f"cachu:{letter}:*")

    return colour, function, keys


def test_s8_what_is_left_expires(cached, server):
    """S8: entries, generations, series, names and the registry; a clear leaves no index."""
    colour, _, keys = cached
    for letter in "egsnr":
        assert keys(letter)
        for key in keys(letter):
            assert 0 < server.send("PTTL", key) < 2 * 400_000
    assert colour.clears(1, tag="users")
    assert (keys("s"), keys("n")) == ([], [])


def test_s8_what_was_cleared_and_never_expires_is_swept(connect, server):
    """S8: a few at a time, by later writes; what was written anew stays."""
    backend = connect(server.url).get_backend()

    def entries():
        return len(server.send("KEYS", "cachu:e:*"))

    for tag in ("users", ""):
        for x in range(100):
            backend.set(f"f:{x}", x, ttl=None, tag=tag)
        backend.clear(tag=tag or None)
    assert entries() == 100
    backend.set("f:kept", "kept", ttl=None, tag="users")

    for x in range(50):
        backend.set(f"f:{x}", -x, ttl=None)
    others = []

    def swept():
        """One write of sixteen removes some: which, their keys say."""
        for _ in range(50):
            others.append(f"g:{len(others)}")
            backend.set(others[-1], "other", ttl=60)
        return entries() == 51 + len(others)

    wait_for(swept, "old entries to be swept")
    assert [backend.get(f"f:{x}") for x in range(50)] == [-x for x in range(50)]
    assert backend.get("f:kept") == "kept"
    assert backend.count() == entries()
    wait_for(lambda: swept() and not server.send("KEYS", "cachu:t:*"), "the trash to be empty")


def test_s8_a_long_series_is_put_aside_and_removed_bit_by_bit(connect, server):
    """So that no clear waits until it is freed; it expires, too, where nobody writes any more."""
    backend = connect(server.url).get_backend()
    for x in range(300):
        backend.set(f"f:{x}", x, ttl=300, tag="users")
    assert backend.clear(tag="users") == 300
    trash = server.send("KEYS", "cachu:t:*")
    assert [server.send("TYPE", key) for key in sorted(trash)] == ["set", "zset"]
    for key in trash:
        assert 0 < server.send("PTTL", key) < 2 * 400_000 * 2
    assert (server.send("KEYS", "cachu:s:*"), backend.count(), backend.get("f:1", 0)) == ([], 0, 0)

    others = count()

    def swept():
        for _ in range(50):
            backend.set(f"g:{next(others)}", "other", ttl=300, tag="others")
        return not server.send("KEYS", "cachu:t:*")

    wait_for(swept, "the trash to be empty")
    for x in range(50):
        backend.set(f"f:{x}", x, ttl=300, tag="users")
    assert backend.clear(tag="users") == 50
    assert not server.send("KEYS", "cachu:t:*")  # what is short is freed at once


def test_s3_a_server_without_memory_is_cleared(connect, server):
    """There is no room to put a series aside."""
    backend = connect(server.url).get_backend()
    for x in range(300):
        backend.set(f"f:{x}", x, ttl=300, tag="users")
    server.send("CONFIG", "SET", "maxmemory", 1)
    try:
        assert backend.clear(tag="users") == 300
    finally:
        server.send("CONFIG", "SET", "maxmemory", 0)
    assert (backend.get("f:1", 0), server.send("KEYS", "cachu:[st]:*")) == (0, [])


def test_what_never_expires_outlives_what_does(cached, server):
    colour, function, keys = cached
    backend = colour.get_backend()
    backend.set("ever", 1, ttl=None, tag="users")
    backend.set("soon", 1, ttl=0.3, tag="users")
    function(2)
    for key in keys("g"):
        assert server.send("PTTL", key) == -1
    wait_for(lambda: backend.get("soon", None) is None, "the end of an entry")
    assert backend.get("ever") == 1


def test_an_evicted_generation_clears(cached, server):
    """Losing one never brings back what was cleared."""
    _, function, keys = cached
    for number, key in enumerate(sorted(keys("g")), 2):
        assert server.send("DEL", key) == 1
        assert function(1) == [1, number]
        assert function.info().currsize == 1


def test_d5_an_index_without_end_is_trimmed(connect, server):
    """What expired is taken out of the index by later writes, a few at a time."""
    colour = connect(server.url)
    backend = colour.get_backend()
    backend.set("f:0", 0)
    (series,) = server.send("KEYS", "cachu:s:*")
    for x in range(200):  # as of entries that expired long ago
        server.send("ZADD", series, "1", f"stale {x}")
    assert backend.count() == 1
    for x in range(200):
        backend.set(f"f:{x}", x)
    assert server.send("ZCARD", series) == backend.count() == 200


def test_d5_counts_are_exact_beyond_a_thousand(connect, server):
    colour = connect(server.url)
    f, backend = colour.cached(tag="users"), colour.get_backend()
    for x in range(1500):
        backend.set(f.key(x), x, tag="users")
    assert f.info().currsize == 1500
    for x in range(0, 1500, 3):
        backend.delete(f.key(x))
    assert f.info().currsize == 1000
    assert colour.clears(1000, tag="users")
    assert f.info().currsize == 0


def test_a_lock_of_the_server_is_for_one_at_a_time(server):
    """The lock provider: `lock="redis"` for any backend."""
    cachu.configure(package="redis_locks", redis_url=server.url, **LOCKS)
    from cachu.regions import live
    from cachu_redis.locks import RedisLocks

    locks = RedisLocks(live("redis", "redis_locks", inf).region)
    first, second = locks.mutex("key"), locks.mutex("key")
    assert first.acquire(wait=False)
    assert not second.acquire(wait=False)
    other = locks.mutex("other")
    assert other.acquire(wait=False)
    other.release()
    first.release()
    assert second.acquire()
    second.release()
    with pytest.raises(RuntimeError, match="not held"):
        second.release()
    locks.servers.close()


async def test_a_lock_of_the_server_keeps_tasks_apart(server):
    import asyncio

    from cachu.regions import live
    from cachu_redis.locks import RedisLocks

    cachu.configure(package="redis_locks", redis_url=server.url, **LOCKS)
    locks = RedisLocks(live("redis", "redis_locks", inf).region)
    inside = []

    async def enter(number):
        async with locks.async_lock("key"):
            inside.append(number)
            assert len(inside) == 1
            await asyncio.sleep(0)
            inside.remove(number)

    await asyncio.gather(*(enter(number) for number in range(20)))
    await locks.servers.close_async()
