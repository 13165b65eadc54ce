"""Event loops that come and go, forks, threads, and the end of the process (C4)."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers import finding
from servers.processes import wait_for

import cachu
from cachu.testing.suite.colours import Asynchronous, Plain


@pytest.fixture
def options(server):
    return {"backend": "redis", "redis_url": server.url}


def descriptors():
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def plain(options):
    made = Plain(options)
    yield made
    made.close()


@pytest.fixture
def many_loops(options):
    """Every call has an event loop of its own."""
    made = Asynchronous(options)
    yield made
    made.close()


AS_REDIS_PY_DOES = """
import sys
if sys.argv[2] == "hiredis":
    sys.modules["hiredis"] = None
else:  # as if another redis-py had other names for what is taken from it
    from cachu_redis import async_channels, channels, readers
    async_channels.HiredisChannel = channels.HiredisChannel = None
    readers.socket_of = readers.transport_of = lambda connection: None
import asyncio, cachu
cachu.configure(package="bare", backend="redis", redis_url=sys.argv[1])
f = cachu.cache(package="bare", name="f")(lambda x: x * 50_000)
@cachu.async_cache(package="bare", name="g")
async def g(x):
    return x * 50_000
async def main():
    texts = [await g(x) for x in "aba"]
    return texts, (await cachu.async_cache_info(g)).hits
texts = [x * 50_000 for x in "aba"]
assert [f(x) for x in "aba"] == texts
assert cachu.cache_info(f).hits == 1
assert asyncio.run(main()) == (texts, 1)
assert cachu.cache_clear(package="bare") == 4
"""


@pytest.mark.parametrize("engine", [*finding.engines(), None][:1], ids=["one"], indirect=True)
@pytest.mark.parametrize("missing", ["hiredis", "names"])
def test_what_redis_py_does_will_do(server, missing):
    """Some platforms have no hiredis, and a later redis-py may keep its sockets elsewhere."""
    arguments = [sys.executable, "-c", AS_REDIS_PY_DOES, server.url, missing]
    subprocess.run(arguments, check=True, timeout=30)


def test_loops_that_come_and_go_leave_nothing_open(many_loops, server):
    f = many_loops.cached()
    for _ in range(5):
        f(1)
    before = descriptors()
    for _ in range(200):
        assert f(1) == [1, 1]
    assert descriptors() <= before + 3
    wait_for(lambda: server.clients() <= 3, "connections to be closed")
    assert f.info().faults == 0


def test_loops_that_are_closed_with_no_farewell_leave_nothing_open(many_loops, server):
    """What asyncio.run does, a loop that is merely closed does not."""
    f = many_loops.cached()
    f(1)

    def in_a_bare_loop():
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(f.raw(1))
        finally:
            loop.close()

    for _ in range(3):
        in_a_bare_loop()
    before = descriptors()
    for _ in range(50):
        assert in_a_bare_loop() == [1, 1]
    assert descriptors() <= before + 3


def test_several_loops_in_several_threads(many_loops):
    f = many_loops.cached()

    def twenty(number):
        async def main():
            return [await f.raw((number, x % 5)) for x in range(20)]

        return asyncio.run(main())

    with ThreadPoolExecutor(6) as pool:
        for number, values in enumerate(pool.map(twenty, range(6))):
            assert [value[0] for value in values] == [(number, x % 5) for x in range(20)]
            assert values[:5] * 4 == values
    assert f.runs == 30
    assert f.info().faults == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_children_forked_after_use_have_connections_of_their_own(plain, many_loops):
    f, g = plain.cached(), many_loops.cached()
    for x in range(20):
        f(x), g(x)
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            right = all(f(x) == g(x) == [x, x + 1] for x in range(20))
            os._exit(0 if right and f.info().faults == g.info().faults == 0 else 1)
        children.append(child)
    for x in range(20):
        assert f(x) == g(x) == [x, x + 1]
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert ends == [0] * 4
    assert (f.runs, g.runs, f.info().faults, g.info().faults) == (20, 20, 0, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_inside_of_a_loop_leaves_the_loop_its_connections(options, server):
    """What the child closes, the loop of its parent goes on listening to."""
    colour = Asynchronous(options)
    f = colour.cached()

    async def main():
        await f.raw(1)
        child = os.fork()
        if child == 0:
            gc.collect()
            os._exit(0)
        status = os.waitpid(child, 0)[1]  # noqa: ASYNC222  the loop must not go on meanwhile
        assert os.waitstatus_to_exitcode(status) == 0
        before = server.commands()
        assert await f.raw(1) == [1, 1]
        return server.commands() - before

    assert colour.lift(main()) == {"mget": 1}  # on the connection that there was
    assert f.info().faults == 0
    colour.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_inside_of_a_computation(options):
    """The child has not the lease of its parent, and the parent keeps it."""
    colour = Plain({**options, "redis_distributed": True})
    children = []

    def body(x):
        if not children:
            children.append(os.fork())
            if children[0] == 0:
                os._exit(0 if f(2) == 20 else 1)
        return x * 10

    f = colour.cached(body)
    assert f(1) == 10
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    assert (f(1), f(2), f.runs) == (10, 20, 1)
    colour.close()


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "distributed"])
def test_closing_closes_every_connection_and_ends_every_thread(options, server, distributed):
    threads = set(threading.enumerate())
    options = {**options, "redis_distributed": distributed}
    plain, asynchronous = Plain(options), Asynchronous(options)
    f, g = plain.cached(), asynchronous.cached()
    f(1), g(1), f.info(), asynchronous.together(g, 20)
    assert server.clients() >= 1
    asyncio.run(cachu.clear_async_backends())
    cachu.clear_backends()
    wait_for(lambda: server.clients() == 0, "connections to be closed")
    wait_for(lambda: set(threading.enumerate()) <= threads, "threads to end")
    assert (f(1), g(1)) == ([1, 1], [1, 1])
    plain.close()


@pytest.mark.parametrize("colour", ["sync", "async", "held"])
def test_a_process_ends_without_being_asked_to_close(server, colour):
    """Nothing hangs, nothing is complained about."""
    body = {
        "sync": "print(cachu.cache(lambda x: x, package=package, name='f')(1))",
        "async": """
@cachu.async_cache(package=package)
async def f(x):
    return x
async def main():
    print(await f(1))
asyncio.run(main())
""",
        "held": """
@cachu.async_cache(package=package)
async def f(x):
    return x
loop = asyncio.new_event_loop()
print(loop.run_until_complete(f(1)))
loop.close()
""",
    }[colour]
    start = f"""
import asyncio
import cachu
package = "lifetimes"
cachu.configure(package=package, backend="redis", redis_url={server.url!r}, redis_distributed=True)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", start + body],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
