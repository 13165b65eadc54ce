"""Between processes one caller at a time computes a key, and what was overtaken is not stored."""

import asyncio
import os
import signal
import sqlite3
import threading
from contextlib import closing

import pytest

from cachu.backends.stores import Lease
from cachu.testing import FakeClock
from cachu_file.keylocks import KeyLocks

LARGE = os.urandom(300_000)


class Plain:
    """A store whose methods answer at once, as it is."""

    def __init__(self, shelf):
        self.make = shelf.plain


class Asynchronous:
    """An asynchronous store whose methods answer at once, each in a loop of its own."""

    def __init__(self, shelf):
        self.make = lambda *args, **options: Lifted(shelf.asynchronous(*args, **options))


class Lifted:
    def __init__(self, store):
        self.store_ = store

    def __getattr__(self, name):
        method = getattr(self.store_, name)
        return lambda *args, **kwargs: asyncio.run(method(*args, **kwargs))


@pytest.fixture(params=[Plain, Asynchronous], ids=["sync", "async"])
def make(request, shelf):
    return request.param(shelf).make


def test_c1_a_lease_is_given_to_one(make):
    store = make()
    lease = store.begin("f:1")
    assert isinstance(lease, Lease)
    assert store.commit(store.begin("f:1", wait=0.01), b"too late", 60) is False
    assert store.load("f:1") is None
    assert store.commit(lease, b"made", 60) is True
    assert store.begin("f:1") == store.load("f:1") == b"made"
    assert store.commit(lease, b"again", 60) is False
    assert store.load("f:1") == b"made"


def test_an_abandoned_lease_goes_to_the_next(make):
    store = make()
    lease = store.begin("f:1")
    store.abandon(lease)
    store.abandon(lease)
    assert store.commit(store.begin("f:1", wait=0.01), b"made", 60) is True


def test_a_stale_entry_is_made_anew(make):
    store = make()
    with FakeClock() as clock:
        store.store("f:1", b"old", 10)
        clock.advance(10)
        lease = store.begin("f:1")
        assert isinstance(lease, Lease)
        assert store.commit(lease, b"new", 10)
        assert store.load("f:1") == b"new"


@pytest.mark.parametrize("data", [b"theirs", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("there", [True, False], ids=["replacing", "new"])
@pytest.mark.parametrize("change", ["clear", "clear_tag", "delete", "store", "force"])
def test_c1_what_was_overtaken_by_another_process_is_not_stored(shelf, make, change, there, data):
    store = make()
    if there:
        store.store("f:1", b"old", -1, "tag")
    lease = store.begin("f:1", "tag")
    code = """
    store = made(root, package)
    change = sys.argv[3]
    if change == "clear":
        store.clear()
    elif change == "clear_tag":
        store.clear("tag")
    elif change == "delete":
        store.delete("f:1")
    elif change == "store":
        store.store("f:1", b"theirs", -1)
    else:
        store.abandon(store.begin("f:1", force=True))
    """
    shelf.run(code, change)
    assert store.commit(lease, data, 60, "tag") is False
    assert not shelf.values
    assert isinstance(store.begin("f:1"), Lease)


def test_what_concerns_others_overtakes_nobody(shelf, make):
    store, other = make(), make(90.0)
    lease = store.begin("f:1", "tag")
    other.store("f:1", b"x", 60, "tag")
    other.clear()
    other.clear("tag")
    store.clear("another tag")
    store.delete("f:2")
    store.store("f:3", b"x", 60)
    store.store("f:4", b"x", -1)
    store.commit(store.begin("f:4"), b"x", 60)
    assert store.commit(lease, b"made", 60, "tag") is True
    assert store.load("f:1") == b"made"


def test_what_was_overtaken_need_not_be_waited_for(make):
    """C2: after a clear others compute at once, whoever still computes what it was before."""
    store = make()
    for change in (
        store.clear,
        lambda: store.clear("tag"),
        lambda: store.delete("f:1"),
        lambda: store.store("f:1", b"x", -1),
    ):
        old = store.begin("f:1", "tag")
        change()
        new = store.begin("f:1", "tag", wait=0.01)
        assert store.commit(old, b"old", 60, "tag") is False
        assert store.commit(new, b"new", 60, "tag") is True
        assert store.load("f:1") == b"new"
        store.delete("f:1")


def test_force_fences_off_and_waits_for_nobody(make):
    store = make()
    store.store("f:1", b"there", 60)
    first = store.begin("f:1", force=True)
    second = store.begin("f:1", force=True)
    assert store.commit(first, b"first", 60) is False
    assert store.load("f:1") == b"there"
    assert store.commit(second, b"second", 60) is True
    assert store.load("f:1") == b"second"


def test_many_threads_of_two_processes_make_a_key_once(shelf):
    """C1: whoever waits gets what was made."""
    shelf.plain().store("f:0", b"x", 60)
    code = """
    import threading
    store, made_here, got = made(root, package), [], []

    def call():
        found = store.begin("f:1")
        if isinstance(found, bytes):
            got.append(found)
            return
        made_here.append(1)
        time.sleep(0.05)
        got.append(b"made" if store.commit(found, b"made", 60) else b"overtaken")

    say("ready")
    sys.stdin.readline()
    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    say(len(made_here), *sorted({item.decode() for item in got}), len(got))
    """
    processes = [shelf.process(code) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=30) for process in processes]
    assert sorted(out.strip() for out, _ in outputs) == ["0 made 20", "1 made 20"], outputs


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_c2_a_killed_holder_frees_its_waiters(shelf, make):
    store = make()
    store.store("f:0", b"x", 60)
    holder = shelf.process("""
    store = made(root, package)
    lease = store.begin("f:1")
    say("held")
    sys.stdin.readline()
    """)
    assert holder.stdout.readline() == "held\n"
    assert store.commit(store.begin("f:1", wait=0.01), b"x", 60) is False
    holder.kill()
    holder.communicate()
    lease = store.begin("f:1")
    assert store.commit(lease, b"made", 60) is True


def test_t3_waiting_ends_when_the_clock_says_so(shelf):
    store = shelf.plain()
    lease = store.begin("f:1")
    with FakeClock() as clock:
        found = []
        waiter = threading.Thread(target=lambda: found.append(store.begin("f:1", wait=1e6)))
        waiter.start()
        clock.advance(1e6)
        waiter.join(30)
        assert store.commit(found[0], b"too late", 60) is False
    assert store.commit(lease, b"made", 60) is True


def test_waiting_ends_while_all_clocks_stand_still(shelf, monkeypatch):
    from cachu_file import patience

    class Stopped:
        sleep = patience.time.sleep
        time = monotonic = staticmethod(lambda: 0.0)

    store = shelf.plain()
    lease = store.begin("f:1")
    monkeypatch.setattr(patience, "time", Stopped)
    assert store.commit(store.begin("f:1", wait=0.02), b"too late", 60) is False
    assert store.commit(lease, b"made", 60) is True


def test_a_database_that_was_replaced_overtakes_every_lease(shelf, make):
    store = make()
    lease = store.begin("f:1")
    for path in shelf.files("*.db*"):
        path.unlink()
    store.store("f:2", b"x", 60)
    assert store.commit(lease, b"made", 60) is False
    assert store.load("f:1") is None


def test_s8_what_was_cleared_is_not_remembered_for_ever(shelf, monkeypatch):
    """And whoever computes while it is forgotten does not store."""
    from cachu_file import upkeep

    monkeypatch.setattr(upkeep, "_FENCES", 100)
    store = shelf.plain()
    for number in range(200):
        store.store(f"f:{number}", b"x", 60, f"tag{number}")
        store.clear(f"tag{number}")
    before = store.begin("f:1")
    store.sweep()
    after = store.begin("f:2")
    with closing(sqlite3.connect(shelf.database)) as connection:
        assert connection.execute("SELECT count(*) FROM fence").fetchone() == (1,)
    assert store.commit(before, b"x", 60) is False
    assert store.commit(after, b"x", 60) is True


def test_a_lock_file_that_was_removed_fences_nobody_in(shelf, make):
    """Old and new processes meet in one lock file again, before anything is changed."""
    store = make()
    before = store.begin("f:0")
    (lock,) = shelf.files("*.lock")
    lock.unlink()
    other = shelf.process("""
    store = made(root, package)
    lease = store.begin("f:1")
    say("begun")
    sys.stdin.readline()
    say(store.commit(lease, b"old", 60))
    """)
    assert other.stdout.readline() == "begun\n"
    store.delete("f:1")
    out, err = other.communicate("\n", timeout=30)
    assert out == "False\n", err
    assert store.commit(before, b"x", 60) is False


def test_a_change_that_had_to_wait_overtakes_who_began_meanwhile(shelf, make, monkeypatch):
    store, other = make(), shelf.plain()
    computed, leases = KeyLocks.computed, []

    def late(keys, key):
        found = computed(keys, key)
        if not leases:
            leases.append(other.begin("f:1"))
        return found

    store.store("f:1", b"old", -1)
    monkeypatch.setattr(KeyLocks, "computed", late)
    store.delete("f:1")
    assert other.commit(leases[0], b"computed", 60) is False


@pytest.mark.parametrize("change", ["clear", "store"])
def test_what_happens_between_the_look_and_the_lock_is_seen(shelf, make, monkeypatch, change):
    store, other = make(), shelf.plain()
    store.store("f:0", b"x", 60)
    take = KeyLocks.take
    held = []

    def late(keys, *arguments):
        monkeypatch.setattr(KeyLocks, "take", take)
        if change == "clear":
            other.clear()
            held.append(other.begin("f:1"))
            assert isinstance(held[0], Lease)
        else:
            other.store("f:1", b"theirs", 60)
        return take(keys, *arguments)

    monkeypatch.setattr(KeyLocks, "take", late)
    found = store.begin("f:1", wait=0.01)
    if change == "store":
        assert found == b"theirs"
    else:
        assert store.commit(found, b"too late", 60) is False


def test_a_cancelled_wait_leaves_no_lease(shelf):
    store = shelf.asynchronous()

    async def use():
        lease = await store.begin("f:1")
        waiting = [asyncio.create_task(store.begin("f:1")) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        assert all(
            isinstance(error, asyncio.CancelledError)
            for error in await asyncio.gather(*waiting, return_exceptions=True)
        )
        await store.abandon(lease)
        for turn in range(50):
            task = asyncio.create_task(store.begin("f:2"))
            for _ in range(turn % 10):
                await asyncio.sleep(0)
            task.cancel()
            found = (await asyncio.gather(task, return_exceptions=True))[0]
            if isinstance(found, Lease):
                await store.abandon(found)
            free = await store.begin("f:2", wait=0)
            assert await store.commit(free, b"x", 60)
            await store.delete("f:2")
        await store.close()

    asyncio.run(use())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_no_lease_of_its_parent(shelf):
    store = shelf.plain()
    lease = store.begin("f:1")
    child = os.fork()
    if child == 0:
        late = store.begin("f:1", wait=0.01)
        kept = store.commit(lease, b"child", 60) or store.commit(late, b"child", 60)
        os._exit(1 if kept else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.commit(lease, b"parent", 60) is True


class Overlap:
    """Notices callers that are inside at the same time."""

    def __init__(self):
        self.inside = self.most = self.turns = 0
        self.guard = threading.Lock()

    def enter(self):
        with self.guard:
            self.inside += 1
            self.turns += 1
            self.most = max(self.most, self.inside)

    def leave(self):
        with self.guard:
            self.inside -= 1


def test_the_lock_provider_excludes_threads_and_tasks(shelf):
    """C1, for backends that have no leases of their own."""
    from cachu_file.plugin import cachu_make_lock_provider

    locks, seen = cachu_make_lock_provider("file", shelf.region()), Overlap()

    def thread():
        for _ in range(5):
            mutex = locks.mutex("f:1")
            assert mutex.acquire()
            seen.enter()
            seen.leave()
            mutex.release()

    async def task():
        async with locks.async_lock("f:1"):
            seen.enter()
            await asyncio.sleep(0)
            seen.leave()

    async def tasks():
        await asyncio.gather(*(task() for _ in range(20)))

    threads = [threading.Thread(target=thread) for _ in range(4)]
    threads.append(threading.Thread(target=asyncio.run, args=(tasks(),)))
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (seen.most, seen.turns) == (1, 40)
    held, other = locks.mutex("f:1"), locks.mutex("f:1")
    assert held.acquire(wait=False)
    assert not other.acquire(wait=False)
    assert locks.mutex("f:2").acquire(wait=False)
    with pytest.raises(RuntimeError, match="not held"):
        other.release()
    held.release()
    assert other.acquire()
    other.release()
    assert not shelf.files("*.db")


def test_the_lock_provider_excludes_processes_and_is_freed_by_their_end(shelf):
    """C2."""
    from cachu_file.plugin import cachu_make_lock_provider

    mutex = cachu_make_lock_provider("file", shelf.region()).mutex("f:1")
    holder = shelf.process("""
    from cachu_file.plugin import cachu_make_lock_provider
    mutex = cachu_make_lock_provider("file", region(root, package)).mutex("f:1")
    assert mutex.acquire()
    say("held")
    sys.stdin.readline()
    """)
    assert holder.stdout.readline() == "held\n"
    assert not mutex.acquire(wait=False)
    holder.kill()
    holder.communicate()
    assert mutex.acquire()
    mutex.release()


def test_s3_a_cold_clear_finds_a_region_in_which_nothing_was_stored_yet(shelf, make):
    """S3: what is being computed there began before the clear, and is not kept."""
    store = make()
    lease = store.begin("f:1")
    code = """
    region(root, package)
    say(cachu.cache_clear(package=package, backend="file"))
    """
    assert shelf.run(code) == "0"
    assert store.commit(lease, b"from before", 60) is False
    assert store.load("f:1") is None
