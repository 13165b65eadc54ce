"""Many processes ask for one cold key; those who make it are slow, killed or stopped (C1, C2)."""

import selectors
import signal
from contextlib import ExitStack
from itertools import pairwise

import pytest
from children import Child
from servers import stations
from servers.processes import wait_for

from cachu.testing.suite.colours import Plain

PROCESSES, CALLERS = 4, 25
MOST_COMMANDS = 110  # with 150 for eight processes; registering and scripts cost the same

CROWDS = {
    "sync": """
        from concurrent.futures import ThreadPoolExecutor
        runs = []
        @cachu.cache(name="cold", package=package)
        def f(x):
            runs.append(x)
            time.sleep(0.2)
            return ["made", x]
        with ThreadPoolExecutor(25) as pool:
            list(pool.map(time.sleep, [0.01] * 25))
            say("ready")
            hear()
            answers = list(pool.map(f, [1] * 25))
        say(len(runs), sum(answer == ["made", 1] for answer in answers))
    """,
    "async": """
        runs = []
        @cachu.async_cache(name="cold", package=package)
        async def f(x):
            runs.append(x)
            await asyncio.sleep(0.2)
            return ["made", x]
        async def main():
            say("ready")
            hear()
            answers = await asyncio.gather(*(f(1) for _ in range(25)))
            say(len(runs), sum(answer == ["made", 1] for answer in answers))
        asyncio.run(main())
    """,
}
# Makes what it is told to, when it is told to.
MAKER = {
    "sync": """
        @cachu.cache(name="cold", package=package)
        def f(x):
            say("inside")
            return hear()
        say(f(1))
    """,
    "async": """
        @cachu.async_cache(name="cold", package=package)
        async def f(x):
            say("inside")
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, hear)
        async def main():
            say(await f(1))
        asyncio.run(main())
    """,
}

WAITER = {
    "sync": """
        f = cachu.cache(name="cold", package=package)(lambda x: "warm")
        say(f(0))
        hear()
        say(f(1))
    """,
    "async": """
        @cachu.async_cache(name="cold", package=package)
        async def f(x):
            return "warm"
        async def main():
            say(await f(0))
            hear()
            say(await f(1))
        asyncio.run(main())
    """,
}


@pytest.fixture
def package(station):
    """A package that is cleared in the end, and its options."""
    made = Plain(
        {
            "backend": "redis",
            **stations.patiently(station),
            "redis_distributed": True,
            "redis_lease": 0.6,
        }
    )
    yield made
    made.close()


@pytest.fixture
def children(package):
    """Starts children that share the package."""
    with ExitStack() as stack:
        options = {key: package.options[key] for key in package.options if key != "backend"}
        yield lambda source: stack.enter_context(Child(package.package, options, source))


def waiters(station):
    """Tell how many connections wait for somebody to make something."""
    said = [node.send("INFO", "clients") for node in station.takers]
    return sum(int(each.partition("blocked_clients:")[2].split()[0]) for each in said)


def whoever_is_inside(children):
    """Wait until one of *children* makes something, and return it."""
    with selectors.DefaultSelector() as selector:
        for child in children:
            selector.register(child, selectors.EVENT_READ)
        (key, _), *_ = selector.select(20)
    assert key.fileobj.hear() == ["inside"]
    return key.fileobj


@pytest.mark.parametrize("kind", CROWDS)
def test_a_crowd_of_processes_runs_a_cold_key_once(station, children, kind):
    crowd = [children(CROWDS[kind]) for _ in range(PROCESSES)]
    assert [child.hear() for child in crowd] == [["ready"]] * PROCESSES
    before = station.commands()
    for child in crowd:
        child.say()
    told = [child.hear() for child in crowd]
    assert sum(runs for runs, _ in told) == 1
    assert [answered for _, answered in told] == [CALLERS] * PROCESSES
    if kind == "async":
        assert sum((station.commands() - before).values()) <= MOST_COMMANDS
    for child in crowd:
        child.end()


@pytest.mark.parametrize("kind", MAKER)
def test_a_killed_maker_is_replaced_by_one_of_those_who_wait(station, children, kind):
    """C2: its lease ends by itself; one more run, everyone is answered."""
    maker = children(MAKER[kind])
    assert maker.hear() == ["inside"]
    others = [children(MAKER[kind]) for _ in range(2)]
    wait_for(lambda: waiters(station) == 2, "both to wait")
    maker.signal(signal.SIGKILL)
    second = whoever_is_inside(others)
    second.say("new")
    assert second.hear() == ["new"]
    (third,) = (child for child in others if child is not second)
    assert third.hear() == ["new"]


@pytest.mark.parametrize("kind", MAKER)
def test_a_maker_that_was_stopped_overwrites_nothing(package, station, children, kind):
    """Fencing: when it goes on, its lease is somebody else's, or nobody's."""
    maker = children(MAKER[kind])
    assert maker.hear() == ["inside"]
    maker.signal(signal.SIGSTOP)
    other = children(MAKER[kind])
    assert other.hear() == ["inside"]  # once the lease has ended
    other.say("new")
    assert other.hear() == ["new"]
    maker.say("old")
    maker.signal(signal.SIGCONT)
    assert maker.hear() == ["old"]
    maker.end()
    f = package.cached(name="cold")
    assert f(1) == "new"
    assert f.runs == 0


@pytest.mark.parametrize("kind", MAKER)
def test_a_slow_maker_keeps_its_lease(package, station, children, kind):
    """It is renewed for as long as the function runs: those who wait go on waiting."""

    def locks():
        keys = [(node, key) for node in station.takers for key in node.send("KEYS", "cachu:l:*")]
        return {(node, key.encode("latin-1")) for node, key in keys}

    # Other tests may have left some, which end by themselves.
    before = locks()
    maker = children(MAKER[kind])
    assert maker.hear() == ["inside"]
    other = children(MAKER[kind])
    wait_for(lambda: waiters(station) == 1, "the other to wait")
    ((home, lock),) = locks() - before
    left = [home.send("PTTL", lock)]

    def renewed_twice():
        left.append(home.send("PTTL", lock))
        return sum(later > earlier for earlier, later in pairwise(left)) >= 2

    wait_for(renewed_twice, "the lease to be renewed")
    maker.say("made")
    assert [maker.hear(), other.hear()] == [["made"], ["made"]]


@pytest.mark.parametrize("end", ["clear", "delete", "set"])
@pytest.mark.parametrize("distributed", [True, False], ids=["distributed", "alone"])
def test_what_was_overtaken_by_another_process_is_not_stored(colour, station, distributed, end):
    """Also without locks over hosts, no older computation survives a change made elsewhere."""
    colour.configure(redis_distributed=distributed)
    options = {**stations.patiently(station), "redis_distributed": distributed}
    f = colour.cached(lambda _: "new", name="cold", tag="users")
    with Child(
        colour.package, options, MAKER["sync"].replace('"cold"', '"cold", tag="users"')
    ) as maker:
        assert maker.hear() == ["inside"]
        if end == "clear":
            colour.clear(tag="users")
        elif end == "delete":
            f.invalidate(1)
        else:
            f.set("set", 1)
        maker.say("old")
        assert maker.hear() == ["old"]
        maker.end()
    assert f(1) == ("set" if end == "set" else "new")
    assert f(1) == ("set" if end == "set" else "new")


@pytest.mark.parametrize("kind", MAKER)
def test_no_wake_up_is_lost(server, start_proxy, kind):
    """Somebody who is about to wait misses the end of one maker, but not that of the next."""
    proxy = start_proxy(server.address)
    options = {
        "redis_distributed": True,
        "redis_lease": 60,
        "redis_timeout": 10,
        "lock_timeout": 120,
    }
    direct = {**options, "redis_url": server.url}
    slow = {**options, "redis_url": proxy.url}
    package = "wake_ups"
    remote = Plain({"backend": "redis", **direct}, package)
    f = remote.cached(name="cold")
    with ExitStack() as stack:
        first = stack.enter_context(Child(package, direct, MAKER[kind]))
        assert first.hear() == ["inside"]
        waiter = stack.enter_context(Child(package, slow, WAITER[kind]))
        assert waiter.hear() == ["warm"]
        (lock,) = server.send("KEYS", "cachu:l:*")
        proxy.delay = 0.5
        waiter.say()
        before = server.send("GET", lock)
        wait_for(lambda: server.send("GET", lock) != before, "somebody to be about to wait")
        f.invalidate(1)
        second = stack.enter_context(Child(package, direct, MAKER[kind]))
        assert second.hear() == ["inside"]
        wait_for(lambda: waiters(server) == 1, "the other to wait")
        proxy.delay = 0
        second.say("new")
        assert second.hear() == ["new"]
        assert waiter.hear() == ["new"]
        first.say("old")
        assert first.hear() == ["old"]
    remote.close()
