"""What a caller sees of a server that fails: nothing but functions that run (C3).

The clock stands still, so that what cachu leaves alone for a moment it leaves alone until the test
lets time pass; and a store that is tried no more cannot cost anything.
"""

import logging
from contextlib import ExitStack, contextmanager

import pytest
from servers import stations
from servers.processes import free_port
from servers.resp import HOST, ServerError, Wire

from cachu.errors import BackendError, ConfigurationError

CALLS = 50
QUICK = {"redis_timeout": 0.1, "redis_connect_timeout": 0.1}


def warnings(caplog):
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.partition(".")[0] == "cachu"
    ]


@contextmanager
def killed(server, proxy):
    server.kill()
    yield
    server.start()


@contextmanager
def hung(server, proxy):
    server.pause()
    yield
    server.resume()


@contextmanager
def slow(server, proxy):
    proxy.delay = 1.0
    yield
    proxy.delay = 0.0


@contextmanager
def silent(server, proxy):
    proxy.silent = True
    yield
    proxy.silent = False
    proxy.cut()


@contextmanager
def password_wanted(server, proxy):
    server.send("CONFIG", "SET", "requirepass", "secret")
    proxy.cut()
    yield
    with Wire(server.address, password="secret") as wire:
        wire.send("CONFIG", "SET", "requirepass", "")


@contextmanager
def crowded(server, proxy):
    """Nobody else is let in, and those who were are thrown out."""
    with ExitStack() as stack:
        crowd = [stack.enter_context(Wire(server.address)) for _ in range(3)]
        crowd[0].send("CONFIG", "SET", "maxclients", 3)
        proxy.cut()
        yield
        crowd[0].send("CONFIG", "SET", "maxclients", 10_000)


@contextmanager
def read_only(server, proxy):
    server.send("REPLICAOF", HOST, free_port())
    yield
    server.send("REPLICAOF", "NO", "ONE")


@contextmanager
def full(server, proxy):
    server.send("CONFIG", "SET", "maxmemory", 1)
    yield
    server.send("CONFIG", "SET", "maxmemory", 0)


@contextmanager
def busy(server, proxy):
    """A script that does not end keeps everybody out."""
    with Wire(server.address) as wire:
        server.send("CONFIG", "SET", "busy-reply-threshold", 1)
        wire.socket.sendall(b'EVAL "while true do end" 0\r\n')
        while True:
            try:
                server.send("PING")
            except ServerError:
                break
        yield
        server.send("SCRIPT", "KILL")
        with pytest.raises(ServerError, match="killed"):
            wire.receive()


AWAY = [killed, hung, slow, silent, password_wanted, crowded, busy]
WRITES_ONLY = [read_only, full]


@pytest.fixture
def proxy(server, start_proxy):
    return start_proxy(server.address)


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
@pytest.mark.parametrize("fault", AWAY)
def test_a_server_that_is_not_there_costs_a_few_attempts(
    connect, server, proxy, clock, caplog, fault, distributed
):
    colour = connect(proxy.url, redis_distributed=distributed, **QUICK)
    f = colour.cached()
    assert [f(1), f(1)] == [[1, 1], [1, 1]]
    with fault(server, proxy):
        taken, requests = proxy.taken, proxy.requests
        assert [f(1) for _ in range(CALLS)] == [[1, run] for run in range(2, CALLS + 2)]
        assert [f(x)[0] for x in range(10, 20)] == list(range(10, 20))
        assert proxy.taken - taken <= 6
        assert proxy.requests - requests <= 12
        assert len(warnings(caplog)) == 1
        for _ in range(5):  # it is tried again now and then, by one caller at a time
            clock.advance(1.1)
            f(1), f(1), f(1)
        assert proxy.taken - taken <= 6 + 5 * 3
        assert len(warnings(caplog)) == 1
    assert f.info().faults >= CALLS
    clock.advance(1.1)
    f(2)
    runs = f.runs
    assert [f(2), f(2), f.runs] == [[2, runs], [2, runs], runs]
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("fault", WRITES_ONLY)
def test_a_server_that_takes_no_writes_is_still_read(connect, server, proxy, clock, caplog, fault):
    colour = connect(proxy.url, **QUICK)
    f = colour.cached()
    assert [f(1), f(1)] == [[1, 1], [1, 1]]
    with fault(server, proxy):
        for run in range(2, CALLS + 2):
            assert f(1) == [1, 1]
            assert f(2) == [2, run]
        assert len(warnings(caplog)) == 1
        before = server.commands()
        assert f(2)[0] == 2
        assert server.commands() - before == {"mget": 1}
    clock.advance(1.1)
    f(2)
    runs = f.runs
    assert [f(1), f(2), f.runs] == [[1, 1], [2, runs], runs]


@pytest.mark.parametrize("fault", [*AWAY, *WRITES_ONLY])
def test_those_who_ask_for_errors_get_them(connect, server, proxy, clock, fault):
    """C3: `fail_open=False`; and what cannot be done without the server always raises."""
    colour = connect(proxy.url, fail_open=False, **QUICK)
    f, ready = colour.cached(), colour.cached()
    f(1), ready(1)
    with fault(server, proxy):
        for _ in range(3):
            with pytest.raises(BackendError):
                f(2)
            if fault is not full:  # which still takes what frees memory
                with pytest.raises(BackendError):
                    f.invalidate(1)
        assert f.runs <= 4
    clock.advance(1.1)
    f(2)
    runs = f.runs
    assert f(2) == [2, runs]


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
def test_a_server_that_is_down_at_the_start_is_found_when_it_comes(
    connect, server, clock, caplog, distributed
):
    server.kill()
    colour = connect(server.url, redis_distributed=distributed, **QUICK)
    f = colour.cached()
    assert [f(1) for _ in range(CALLS)] == [[1, run] for run in range(1, CALLS + 1)]
    assert len(warnings(caplog)) == 1
    server.start()
    clock.advance(1.1)
    f(1)
    runs = f.runs
    assert [f(1), f.runs] == [[1, runs], runs]


def test_a_black_hole_is_left_alone(connect, black_hole, clock, caplog):
    f = connect(black_hole.url, **QUICK).cached()
    assert [f(1) for _ in range(CALLS)] == [[1, run] for run in range(1, CALLS + 1)]
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("given", ["", ":wrong@", "nobody:wrong@"])
def test_a_wrong_password_is_one_line_and_is_not_shown(
    connect, start_server, start_proxy, clock, caplog, given
):
    server = start_server(password="right")
    proxy = start_proxy(server.address)
    f = connect(proxy.url.replace("://", f"://{given}"), **QUICK).cached()
    assert [f(1) for _ in range(CALLS)] == [[1, run] for run in range(1, CALLS + 1)]
    assert proxy.taken <= 6
    (line,) = warnings(caplog)
    assert "wrong@" not in line
    with Wire(server.address, password="right") as wire:
        wire.send("CONFIG", "SET", "requirepass", "wrong" if given == ":wrong@" else "")
        if given.startswith("nobody"):
            wire.send("ACL", "SETUSER", "nobody", "on", ">wrong", "~*", "&*", "+@all")
    clock.advance(1.1)
    f(1)
    runs = f.runs
    assert [f(1), f.runs] == [[1, runs], runs]


@pytest.mark.parametrize(
    "rules",
    [
        "~app:* +@all",
        "~cachu:* +@all -evalsha -eval",
        "~cachu:* +@all -mget",
        "~cachu:* +@read",
        "",
    ],
    ids=["other keys", "no scripts", "no mget", "no writes", "nothing"],
)
def test_a_user_who_may_not_is_one_line(connect, server, clock, caplog, rules):
    server.send("ACL", "SETUSER", "app", "on", ">pw", *rules.split())
    f = connect(server.url.replace("://", "://app:pw@"), **QUICK).cached()
    assert [f(1) for _ in range(CALLS)] == [[1, run] for run in range(1, CALLS + 1)]
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
def test_connections_that_are_cut_are_made_again_and_nobody_notices(
    connect, server, caplog, distributed
):
    colour = connect(server.url, redis_distributed=distributed)
    f = colour.cached()
    f(0)
    for x in range(1, 20):
        server.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert f(x) == [x, x + 1]
        server.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert f(x) == [x, x + 1]
    assert f.info().faults == 0
    assert warnings(caplog) == []


def test_a_server_that_forgets_everything_is_asked_again(connect, server, caplog):
    """FLUSHALL and SCRIPT FLUSH from outside: misses, and the scripts are sent once more."""
    colour = connect(server.url, redis_distributed=True)
    f = colour.cached(tag="users")
    assert [f(1), f(1)] == [[1, 1], [1, 1]]
    server.send("FLUSHALL")
    server.send("SCRIPT", "FLUSH")
    assert [f(1), f(1)] == [[1, 2], [1, 2]]
    colour.clear(tag="users")
    assert [f(1), f(1), f.info().currsize] == [[1, 3], [1, 3], 1]
    assert warnings(caplog) == []


LIST, TEXT = ("RPUSH", "x", "y"), ("SET", b"\x80\x04garbage")


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
@pytest.mark.parametrize("planted", [LIST, TEXT], ids=["wrong type", "garbage"])
def test_whatever_is_found_under_cachus_keys_is_overwritten(
    connect, server, caplog, planted, distributed
):
    """V3: a counted miss each, healed by the next call, whichever of the keys it is."""
    colour = connect(server.url, redis_distributed=distributed)
    f = colour.cached(tag="users")
    backend = colour.get_backend()
    f(1), backend.set("own", 1, tag="users")
    command, *values = planted
    keys = [key.encode("latin-1") for key in server.send("KEYS", "cachu:*")]
    digest = next(key for key in keys if key.startswith(b"cachu:e:"))
    keys += [digest.replace(b"cachu:e:", b"cachu:l:"), digest.replace(b"cachu:e:", b"cachu:w:")]
    for key in keys:
        server.send("DEL", key)
        server.send(command, key, *values)
        if key.startswith(b"cachu:l:"):
            server.send("PEXPIRE", key, 1000)
        f(1), f.invalidate(2), backend.get("own", None), backend.set("own", 2, tag="users")
        runs = f.runs
        assert [f(1), f(1)] == [[1, runs], [1, runs]]
        assert backend.get("own") == 2
        f.refresh(1)  # what indexes entries is mended by writing
        assert [f(1), f.info().currsize] == [[1, runs + 1], 1]
        assert list(backend.regions())
        assert colour.clear(tag="users") in {2, -1}
        assert f(1) == [1, runs + 2]
    assert f.info().faults == 0
    assert len(warnings(caplog)) <= 1


def test_entries_are_not_unpickled_unless_they_are_whole(connect, server):
    """V3: a bit that was flipped anywhere in an entry is noticed before anything is decoded."""
    colour = connect(server.url)
    f = colour.cached()
    f(1)
    (key,) = (k.encode("latin-1") for k in server.send("KEYS", "cachu:e:*"))
    whole = server.send("GET", key).encode("latin-1")
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        server.send("SET", key, bytes(damaged))
        runs = f.runs
        assert f(1) == [1, runs + 1]
    server.send("SET", key, whole[: len(whole) // 2])
    runs = f.runs
    assert f(1) == [1, runs + 1]


def test_another_kind_of_server_than_was_configured_is_told_of(connect, engine, server):
    """The error names the option to change."""
    cluster = stations.station(f"{engine.name}-cluster")
    trio = stations.station(f"{engine.name}-sentinel")
    for options, message in (
        ({"redis_url": cluster.url}, "redis_cluster=True"),
        ({"redis_url": trio.sentinels[0].url}, "redis_sentinel"),
        ({"redis_url": server.url, "redis_cluster": True}, "redis_cluster"),
    ):
        colour = connect(options.pop("redis_url"), **options)
        with pytest.raises(ConfigurationError, match=message):
            colour.cached()(1)
