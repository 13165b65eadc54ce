"""Asynchronous code: one hop per operation, many loops, and nothing left behind."""

import asyncio
import importlib.util
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

import cachu
from cachu.errors import ConfigurationError
from cachu_file.engine import Engine


def test_every_operation_is_one_hop(shelf, monkeypatch):
    """An operation is carried whole to the thread that has the connection."""
    from cachu_file.carriers import Carrier

    hops = []
    execute = Carrier.execute

    def counted(carrier, *args):
        hops.append(args)
        return execute(carrier, *args)

    async def use():
        store = shelf.asynchronous()
        await store.store("f:0", b"x", 60)
        monkeypatch.setattr(Carrier, "execute", counted)
        for operation in (
            lambda: store.load("f:0"),
            lambda: store.load("f:none"),
            lambda: store.load_many([f"f:{number}" for number in range(2000)]),
            lambda: store.store("f:1", b"x", 60, "tag"),
            lambda: store.store("f:1", b"x" * 200_000, 60),
            lambda: store.load("f:1"),
            store.count,
            lambda: store.count(tag="tag", function="f"),
            lambda: store.delete("f:0"),
            lambda: store.begin("f:2"),
            lambda: store.begin("f:2", force=True),
            lambda: store.clear("tag"),
            store.clear,
        ):
            hops.clear()
            await operation()
            # What the work itself executes on the connection is no hop.
            assert sum(type(args[0]) is not str for args in hops) == 1
        await store.close()

    asyncio.run(use())


def test_c4_many_event_loops_in_turn_use_the_same_connections(shelf):
    store = shelf.asynchronous()

    async def use(number):
        await asyncio.gather(*(store.store(f"f:{number}.{part}", b"x", 60) for part in range(10)))
        return await store.load(f"f:{number}.5")

    assert asyncio.run(use(0)) == b"x"
    threads, descriptors = threading.active_count(), count_descriptors()
    for number in range(1, 50):
        assert asyncio.run(use(number)) == b"x"
    assert threading.active_count() == threads
    assert count_descriptors() <= descriptors
    asyncio.run(store.close())
    assert threading.active_count() < threads


def test_c4_several_event_loops_at_once(shelf):
    store, found = shelf.asynchronous(), []

    async def use(number):
        for turn in range(20):
            key, data = f"f:{number}.{turn}", b"%d" % number
            await store.store(key, data, 60)
            found.append(await store.load(key) == data)

    before = threading.active_count()
    threads = [threading.Thread(target=lambda n=n: asyncio.run(use(n))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 120
    asyncio.run(store.close())
    assert threading.active_count() == before


def test_c4_a_cancelled_write_is_done_or_not_and_leaves_no_lock(shelf):
    store = shelf.asynchronous()

    async def use():
        await store.store("f:0", b"x", 60)
        for number in range(60):
            task = asyncio.create_task(store.store("f:1", b"%d" % number * 1000, 60))
            for _ in range(number % 6):
                await asyncio.sleep(0)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            assert outcome is None or isinstance(outcome, asyncio.CancelledError)
            # Whatever became of it, it is over: nobody writes behind the back of the cancelled.
            seen = await store.load("f:1")
            await asyncio.sleep(0.001)
            assert await store.load("f:1") == seen
            with closing(sqlite3.connect(shelf.database, timeout=0)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        await store.close()

    asyncio.run(use())


@pytest.mark.parametrize("end", ["plain", "cancelled", "two_loops", "error"])
def test_c4_a_program_ends_without_closing(shelf, end):
    """And prints nothing."""
    code = """
    how = sys.argv[3]
    store, plain = made_async(root, package), made(root, package)

    async def main():
        await store.store("f:1", b"x", 60)
        plain.store("f:2", b"x", 60)
        if how == "cancelled":
            for _ in range(3):
                task = asyncio.ensure_future(store.store("f:1", b"y" * 100_000, 60))
                await asyncio.sleep(0)
            task.cancel()

    asyncio.run(main())
    if how == "two_loops":
        asyncio.run(main())
    if how == "error":
        os._exit(3)
    """
    process = shelf.process(code, end)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (3 if end == "error" else 0, "", "")


def test_c4_a_cancelled_first_call_leaves_nothing(shelf):
    """While the thread is still opening the database."""
    code = """
    store = made_async(root, package)

    async def main():
        task = asyncio.ensure_future(store.store("f:1", b"y", 60))
        for _ in range(int(sys.argv[3])):
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    asyncio.run(store.store("f:2", b"x", 60))
    say(made(root, package).load("f:2"))
    """
    for steps in (0, 1, 2, 3):
        assert shelf.run(code, steps) == "b'x'"


def test_c3_reads_go_on_while_a_writer_is_stopped_and_writers_wait_at_once(shelf, monkeypatch):
    """A hit does not wait in line behind writes, and what was queued has waited already."""
    from cachu_file import courier, writes

    waits, storing = [], writes.store_soon
    attempt = Engine.attempt

    def noted(engine, connection, work, *arguments):
        if work is storing:
            waits.append(connection.patience)
        return attempt(engine, connection, work, *arguments)

    async def use():
        store = shelf.asynchronous()
        await store.store("f:0", b"x", 60)
        await store.load("f:0")
        with closing(sqlite3.connect(shelf.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            monkeypatch.setattr(Engine, "attempt", noted)
            writes = [asyncio.create_task(store.store(f"f:{n}", b"x", 60)) for n in range(1, 5)]
            while not waits:  # noqa: ASYNC110  another thread fills it
                await asyncio.sleep(0.001)
            assert await store.load("f:0") == b"x"
            assert not any(task.done() for task in writes)
            outcomes = await asyncio.gather(*writes, return_exceptions=True)
            assert all(isinstance(outcome, sqlite3.OperationalError) for outcome in outcomes)
            other.execute("ROLLBACK")
        await store.store("f:1", b"x", 60)

    asyncio.run(use())
    assert waits[0] == waits[-1] == courier.PATIENCE
    assert max(waits[1:4]) < courier.PATIENCE / 2


def test_without_aiosqlite_the_extra_is_named(shelf, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "aiosqlite" else find(name)
    )
    shelf.region()

    @cachu.cache(package=shelf.package)
    async def f(x):
        return x

    with pytest.raises(ConfigurationError, match=r'pip install "cachu\[async\]"'):
        asyncio.run(f(1))
    assert cachu.cache(package=shelf.package)(lambda x: x)(1) == 1


def test_plain_code_imports_no_asyncio(shelf):
    code = """
    store = made(root, package)
    store.store("f:1", b"x", 60)
    say("aiosqlite" in sys.modules)
    """
    assert shelf.run(code) == "False"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_c4_forks_while_others_write_hang_no_child(shelf):
    """Children use what their parent used, and both colours, in their own connections."""
    plain, asynchronous = shelf.plain(), shelf.asynchronous()
    stop = threading.Event()
    plain.store("f:0", b"x", 60)

    def write(number):
        turn = 0
        while not stop.is_set():
            turn += 1
            plain.store(f"f:{number}.{turn % 50}", b"y" * 500, 60)

    async def write_async():
        turn = 0
        while not stop.is_set():
            turn += 1
            await asynchronous.store(f"a:{turn % 50}", b"y" * 500, 60)
        await asynchronous.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    threads.append(threading.Thread(target=lambda: asyncio.run(write_async())))
    for thread in threads:
        thread.start()
    try:
        for number in range(15):
            child = os.fork()
            if child == 0:
                right = False
                try:
                    plain.store(f"child:{number}", b"x", 60)
                    right = plain.load("f:0") == plain.load(f"child:{number}") == b"x"
                    right = right and asyncio.run(asynchronous.load(f"child:{number}")) == b"x"
                finally:
                    os._exit(0 if right else 1)
            assert ended(child) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert all(plain.load(f"child:{number}") == b"x" for number in range(15))


def ended(child):
    """Wait for a child; kill one that hangs."""
    guard = threading.Timer(30, os.kill, (child, 9))
    guard.start()
    status = os.waitpid(child, 0)[1]
    guard.cancel()
    guard.join()
    return status


def count_descriptors():
    open_ones = Path("/proc/self/fd")
    return len(list(open_ones.iterdir())) if open_ones.exists() else 0
