"""What happens when stores are slow, fail or are closed under their callers."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest
import shelves

import cachu
from cachu import regions
from cachu.backends import bridges, registries
from cachu.errors import ConfigurationError

PATIENCE = 5


class Gates:
    """Where a store stops when it is told to."""

    def __init__(self):
        self.entered, self.go = Event(), Event()
        self.armed = False
        self.closed = []

    def arm(self):
        self.entered.clear(), self.go.clear()
        self.armed = True

    def stop(self):
        """Block the first caller; all others pass."""
        if self.armed:
            self.armed = False
            self.entered.set()
            assert self.go.wait(PATIENCE)


GATES = Gates()


class SlowStore(shelves.FullStore):
    def store(self, key, data, ttl, tag=""):
        GATES.stop()
        super().store(key, data, ttl, tag)

    def delete(self, key):
        GATES.stop()
        return super().delete(key)

    def close(self):
        GATES.closed.append(self.shelf.name[2])
        if self.shelf.name[2] == 13:
            message = "disk"
            raise OSError(message)


class SlowBackend(shelves.WholeBackend):
    def store(self, key, entry, ttl, tag=""):
        GATES.stop()
        super().store(key, entry, ttl, tag)


class SlowAsyncStore(shelves.AsyncDictStore):
    async def load(self, key, tag=None):
        if GATES.armed:
            GATES.entered.set()
            await asyncio.Event().wait()
        return await super().load(key, tag)

    async def close(self):
        if self.plain.shelf.name[0] != registries.RESERVED:
            GATES.closed.append("async")


shelves.register(shelves.StorePlugin("slow", SlowStore))
shelves.register(shelves.WholePlugin("slow-whole", SlowBackend))
shelves.register(shelves.AsyncStorePlugin("slow-async", SlowAsyncStore))


@pytest.fixture(autouse=True)
def gates():
    GATES.__init__()
    yield GATES
    GATES.go.set()
    GATES.armed = False
    asyncio.run(cachu.clear_async_backends())
    for name in ("slow", "slow-whole", "slow-async"):
        cachu.plugin_manager.present[name].rack.clear()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as made:
        yield made


def waits_for_turn(key, backend):
    """Wait until somebody waits for the turn of *key*."""
    pause = Event()
    for _ in range(2000):
        for live in regions.all_live():
            holder = live.turns.taken.get(key) if live.name == backend else None
            if holder is not None and holder.wakers:
                return
        pause.wait(0.001)
    pytest.fail("nobody waits")


@pytest.mark.parametrize("backend", ["slow", "slow-whole"])
@pytest.mark.parametrize("change", ["invalidate", "clear", "set", "backend.delete", "backend.set"])
def test_a_change_during_a_store_wins(gates, pool, backend, change):
    if backend == "slow-whole" and change.startswith("backend."):
        pytest.skip("a Backend of a plugin is reached as it is")
    source = ["old"]

    @cachu.cache(backend=backend, name=f"{backend}-{change}")
    def f(x):
        return source[0]

    f(0)
    gates.arm()
    leader = pool.submit(f, 1)
    assert gates.entered.wait(PATIENCE)
    source[0] = "new"
    direct = cachu.get_backend(backend)
    changing = pool.submit(
        {
            "invalidate": lambda: f.invalidate(1),
            "clear": lambda: cachu.cache_clear(backend=backend),
            "set": lambda: f.set("mine", 1),
            "backend.delete": lambda: direct.delete(f.key(1)),
            "backend.set": lambda: direct.set(f.key(1), "mine"),
        }[change]
    )
    waits_for_turn(f.key(1), backend)
    gates.go.set()
    changing.result(PATIENCE)
    expected = "mine" if "set" in change else "new"
    assert f(1) == expected
    assert leader.result(PATIENCE) == "old"
    assert f(1) == expected


@pytest.mark.parametrize("change", ["invalidate", "clear", "set"])
def test_a_change_during_a_store_wins_among_tasks(change):
    source, stop = ["old"], []

    class Store(shelves.AsyncDictStore):
        capabilities = shelves.Capability.CLEAR | shelves.Capability.TAGS

        async def store(self, key, data, ttl, tag=""):
            if stop:
                entered, go = stop.pop()
                entered.set()
                await go.wait()
            await super().store(key, data, ttl, tag)

        async def clear(self, tag=None):
            self.plain.rows.clear()
            return -1

    shelves.register(shelves.AsyncStorePlugin(f"tasks-{change}", Store))

    @cachu.async_cache(backend=f"tasks-{change}")
    async def f(x):
        return source[0]

    async def main():
        entered, go = asyncio.Event(), asyncio.Event()
        stop.append((entered, go))
        leader = asyncio.create_task(f(1))
        await entered.wait()
        source[0] = "new"
        changing = asyncio.create_task(
            {
                "invalidate": lambda: f.invalidate(1),
                "clear": lambda: cachu.async_cache_clear(backend=f"tasks-{change}"),
                "set": lambda: f.set("mine", 1),
            }[change]()
        )
        await asyncio.sleep(0)
        assert not changing.done()
        go.set()
        await changing
        assert await f(1) == ("mine" if change == "set" else "new")
        assert await leader == "old"

    asyncio.run(main())


@pytest.mark.parametrize("call", ["set", "compute", "invalidate"])
def test_c2_a_cancelled_write_keeps_its_turn_until_its_thread_is_done(gates, pool, call):
    """A thread cannot be cancelled: what it still writes must not come last."""

    @cachu.async_cache(backend="slow", name=f"cancelled-{call}")
    async def f(x):
        return "old"

    async def main():
        await f.set("first", 1 if call == "invalidate" else 0)
        gates.arm()
        work = {"set": lambda: f.set("old", 1), "compute": lambda: f(1)}
        writing = asyncio.create_task(work.get(call, lambda: f.invalidate(1))())
        assert await asyncio.to_thread(gates.entered.wait, PATIENCE)
        for _ in range(3):
            writing.cancel()
            await asyncio.sleep(0)
        newer = asyncio.create_task(f.set("new", 1))
        await asyncio.to_thread(waits_for_turn, f.key(1), "slow")
        assert not writing.done()
        gates.go.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await newer
        assert await f.get(1) == "new"

    asyncio.run(main())
    assert not [turn for live in regions.all_live() for turn in live.turns.taken]


def test_a_change_waits_for_a_stuck_store_no_longer_than_the_timeout(gates, pool):
    source = ["old"]

    @cachu.cache(backend="slow", lock_timeout=0.05)
    def f(x):
        return source[0]

    gates.arm()
    leader = pool.submit(f, 1)
    assert gates.entered.wait(PATIENCE)
    f.invalidate(1)
    gates.go.set()
    assert leader.result(PATIENCE) == "old"
    source[0] = "new"
    assert f(1) == "new"


def test_nobody_computes_what_is_being_set(gates, pool):
    runs = []

    @cachu.cache(backend="slow")
    def f(x):
        runs.append(x)
        return "computed"

    f(0)
    gates.arm()
    setting = pool.submit(f.set, "mine", 1)
    assert gates.entered.wait(PATIENCE)
    reading = pool.submit(f, 1)
    gates.go.set()
    setting.result(PATIENCE)
    assert reading.result(PATIENCE) == "mine"
    assert runs == [0]


def test_a_close_that_fails_keeps_no_other_from_being_closed(gates):
    for ttl in (12, 13, 14):
        cachu.cache(backend="slow", ttl=ttl)(lambda x: x)(1)
    in_memory = cachu.cache(lambda x: x)
    in_memory(1)
    with pytest.raises(OSError, match="disk"):
        cachu.clear_backends()
    assert sorted(gates.closed) == [12, 13, 14]
    assert in_memory.info().currsize == 0


def test_a_close_that_fails_keeps_no_other_from_being_closed_async(gates):
    for ttl in (12, 13, 14):
        cachu.cache(backend="slow", ttl=ttl)(lambda x: x)(1)
    with pytest.raises(OSError, match="disk"):
        asyncio.run(cachu.clear_async_backends())
    assert sorted(gates.closed) == [12, 13, 14]


def test_a_plain_store_that_coroutines_used_is_closed(gates):
    @cachu.async_cache(backend="slow", ttl=21)
    async def f(x):
        return x

    asyncio.run(f(1))
    cachu.clear_backends()
    assert gates.closed == [21]
    asyncio.run(f(1))
    asyncio.run(cachu.clear_async_backends())
    assert gates.closed == [21, 21]


def test_an_async_store_that_coroutines_used_is_closed_when_it_can_be(gates):
    @cachu.async_cache(backend="slow-async")
    async def f(x):
        return x

    asyncio.run(f(1))
    cachu.clear_backends()
    asyncio.run(cachu.clear_async_backends())
    assert gates.closed == ["async"]
    asyncio.run(cachu.clear_async_backends())
    assert gates.closed == ["async"]


def test_an_async_store_that_plain_code_used_is_closed_at_once(gates):
    cachu.cache(backend="slow-async")(lambda x: x)(1)
    cachu.clear_backends()
    assert gates.closed == ["async"]


def test_closing_leaves_no_plain_caller_of_an_async_store_hanging(gates, pool):
    f = cachu.cache(backend="slow-async")(lambda x: x)
    f(0)
    gates.arm()
    caller = pool.submit(f, 1)
    assert gates.entered.wait(PATIENCE)
    cachu.clear_backends()
    gates.armed = False
    assert caller.result(PATIENCE) == 1
    assert f.info().faults == 1
    assert f(1) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_while_the_private_loop_is_locked():
    f = cachu.cache(backend="slow-async")(lambda x: x)
    f(0)
    held, go = Event(), Event()

    def hold():
        with bridges._loop._lock:
            held.set()
            go.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(PATIENCE)
    child = os.fork()
    if child == 0:
        free = bridges._loop._lock.acquire(blocking=False)
        os._exit(0 if free and f(1) == 1 else 1)
    go.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TakenLock:
    """A lock that somebody else never gives back."""

    def mutex(self, key):
        lock = Lock()
        lock.acquire()
        return lock

    def async_lock(self, key):
        taken = asyncio.Lock()

        class Taken:
            async def __aenter__(self):
                await taken.acquire()
                await taken.acquire()

            async def __aexit__(self, *error):
                pytest.fail("it was never entered")

        return Taken()


def test_a_lock_is_waited_for_no_longer_than_the_timeout(pool):
    @cachu.cache(backend="slow", lock=TakenLock(), lock_timeout=0.05)
    def f(x):
        return x

    assert pool.submit(f, 1).result(PATIENCE) == 1
    assert cachu.cache_get(f, 1) == 1


def test_a_lock_is_waited_for_no_longer_than_the_timeout_async():
    @cachu.async_cache(backend="slow", lock=TakenLock(), lock_timeout=0.05)
    async def f(x):
        return x

    assert asyncio.run(asyncio.wait_for(f(1), PATIENCE)) == 1


def test_a_lock_of_one_colour_says_what_it_lacks():
    class Plain:
        def mutex(self, key):
            return Lock()

    class Asynchronous:
        def async_lock(self, key):
            return asyncio.Lock()

    @cachu.async_cache(backend="slow", lock=Plain())
    async def f(x):
        return x

    @cachu.cache(backend="slow", lock=Asynchronous())
    def g(x):
        return x

    with pytest.raises(ConfigurationError, match=r"no async_lock\(\)"):
        asyncio.run(f(1))
    with pytest.raises(ConfigurationError, match=r"no mutex\(\)"):
        g(1)


def test_entries_of_another_serializer_are_left_alone():
    f = cachu.cache(backend="slow", serializer="json")(lambda x: [x])
    f(1)
    backend = cachu.get_backend("slow")
    assert backend.get(f.key(1)) is cachu.NO_VALUE
    assert cachu.cache_get(f, 1) == [1]
