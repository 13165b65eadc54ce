"""Several processes on one server: what they share, and what nobody touches."""

import math

import pytest
from children import Child
from servers import stations

import cachu

FOREIGN = [
    *("cachu", "Cachu:e:0:x", "cachux:e", "app:cachu:e:0:x", "lock:cachu:", "g", "*", "cachu*"),
    *(f"foreign:{n}" for n in range(992)),
]


@pytest.fixture
def foreign(station):
    """A thousand keys of other applications; tells how many are still what they were."""
    hashed = {}
    for node in station.takers:
        tag = next(tag for tag in map(str, range(1000)) if station.home(f"{{{tag}}}") is node)
        hashed[node] = node.connect(), [f"{key}{{{tag}}}" for key in FOREIGN]
    for wire, keys in hashed.values():
        wire.send("MSET", *(part for key in keys for part in (key, f"value of {key}")))

    def left():
        return [
            sum(got == f"value of {key}" for key, got in zip(keys, wire.send("MGET", *keys)))
            for wire, keys in hashed.values()
        ]

    yield left
    for wire, keys in hashed.values():
        wire.send("DEL", *keys)
        wire.close()


def test_s3_a_cold_process_clears_by_package_ttl_and_tag(colour, station):
    f = colour.cached(tag="users")
    g, lasting, h = colour.cached(ttl=60), colour.cached(ttl=None), colour.cached(ttl=90)
    neighbour = colour.beside()
    n = neighbour.cached(tag="users")
    for each in (f, g, lasting, h, n):
        each(1)
    source = """
        while (order := hear()) is not None:
            say(cachu.cache_clear(**order))
    """

    def alive():
        return [each.holds(1) for each in (f, g, lasting, h, n)]

    with Child(colour.package, stations.patiently(station), source) as child:

        def clear(**order):
            child.say({"package": colour.package, "backend": "redis", **order})
            (removed,) = child.hear()
            return removed

        assert clear(tag="users") in {1, -1}
        assert alive() == [False, True, True, True, True]
        assert clear(ttl=60) in {1, -1}
        assert alive() == [False, False, True, True, True]
        assert clear(ttl=math.inf) in {1, -1}
        assert alive() == [False, False, False, True, True]
        assert clear() in {1, -1}
        assert alive() == [False, False, False, False, True]
        assert clear() == 0
        assert clear(package="*") != 0  # whatever others left on the server, too
        assert not any(alive())
        child.say()
        child.end()
    neighbour.leave() if neighbour.name == "sync" else neighbour.loop.close()


def test_two_processes_share_entries_in_both_colours(both, station):
    """S4: what one made the other has, whatever their colours; a change is seen at once."""
    plain, asynchronous = both
    options = stations.patiently(station)
    f, g = plain.cached(name="shared"), asynchronous.cached(name="shared")
    source = """
        @cachu.cache(name="shared", package=package)
        def f(x):
            return ["child", x]

        @cachu.async_cache(name="shared", package=package)
        async def g(x):
            return ["async child", x]

        async def main():
            say(f(1), await g(2), f(3), await g(4))
            hear()
            say(f(1), await g(2), f(3), await g(4))
            f.invalidate(3)
            await g.invalidate(4)
            say()
            hear()
        asyncio.run(main())
    """
    assert f(1) == [1, 1]
    assert g(2) == [2, 1]
    with Child(plain.package, options, source) as child:
        assert child.hear() == [[1, 1], [2, 1], ["child", 3], ["async child", 4]]
        assert [g(1), f(2), g(3), f(4)] == [[1, 1], [2, 1], ["child", 3], ["async child", 4]]
        f.invalidate(1)
        g.set("set", 2)
        child.say()
        assert child.hear() == [["child", 1], "set", ["child", 3], ["async child", 4]]
        child.hear()
        assert [g(1), f(2), f(3), g(4)] == [["child", 1], "set", [3, 2], [4, 2]]
        child.say()
        child.end()


def test_s1_no_clear_touches_a_foreign_key(colour, foreign, station):
    tagged, plain, brief = colour.cached(tag="users"), colour.cached(), colour.cached(ttl=60)
    backend = colour.get_backend()
    for x in range(10):
        tagged(x), plain(x), brief(x)
    backend.set("own", 1)
    tagged.invalidate(1)
    for tag in ("users", "*", "foreign", ":"):
        colour.clear(tag=tag)
    for ttl in (60, 300, math.inf):
        colour.clear(ttl=ttl)
    colour.clear()
    backend.clear()
    colour.call("cache_delete", plain, x=1)
    cachu.clear_backends()
    assert foreign() == [1000] * len(station.takers)


def test_s8_every_key_is_under_one_prefix_and_expires(colour, start_server, engine):
    """S1, S8: whatever cachu leaves behind: entries, generations, locks, sketches, registries."""
    server = start_server()
    mine = type(colour)({"backend": "redis", "redis_url": server.url, "redis_distributed": True})
    f, g = mine.cached(tag="users"), mine.cached(ttl=60)
    backend = mine.get_backend()
    for x in range(30):
        f(x), g([x])
    backend.set("own", 1, ttl=10, tag="users")
    f.invalidate(3), f.refresh(4), mine.clear(ttl=60), f.info()
    keys = server.send("KEYS", "*")
    mine.leave()
    assert len(keys) >= 31
    assert [key for key in keys if not key.startswith("cachu:")] == []
    assert [key for key in keys if server.send("PTTL", key.encode("latin-1")) == -1] == []


def test_k8_neither_arguments_nor_tags_can_be_read_in_the_keys(colour, start_server):
    server = start_server()
    mine = type(colour)({"backend": "redis", "redis_url": server.url})
    f = mine.cached()
    f("secret-api-key")
    keys = server.send("KEYS", "*")
    mine.leave()
    assert keys
    assert not [key for key in keys if "secret" in key]
