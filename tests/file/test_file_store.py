"""What the file store keeps, where, and for how long."""

import asyncio
import gc
import os
import sqlite3
import stat
import threading
import time
from contextlib import closing
from math import inf
from pathlib import Path

import pytest

import cachu
from cachu.regions import LiveRegion
from cachu.testing import FakeClock
from cachu_file import opening
from cachu_file.store import RegionStore

LARGE = os.urandom(300_000)


def test_what_is_stored_is_seen_by_both_colours_and_by_other_processes(shelf):
    """S4: they are views of one store."""
    plain, asynchronous = shelf.plain(), shelf.asynchronous()
    plain.store("f:1", b"one", 60, "tag")

    async def use():
        assert await asynchronous.load("f:1") == b"one"
        await asynchronous.store("f:2", b"two", 60)
        assert await asynchronous.load_many(["f:1", "f:2", "f:3"]) == {"f:1": b"one", "f:2": b"two"}
        await asynchronous.close()

    asyncio.run(use())
    assert plain.load("f:2") == b"two"
    code = """
    store = made(root, package)
    say(store.load("f:1"), store.count(), store.count(tag="tag"), store.clear("tag"))
    """
    assert shelf.run(code) == "b'one' 2 1 1"
    assert plain.load("f:1") is None
    assert plain.load_many(["f:1", "f:2"]) == {"f:2": b"two"}


def test_s3_what_does_not_exist_is_not_made(shelf):
    store = shelf.plain()
    assert store.load("f:1") is None
    assert store.load_many(["f:1"]) == {}
    assert store.delete("f:1") is False
    assert store.clear() == store.clear("tag") == store.count() == store.sweep() == 0
    assert list(store.regions()) == []

    async def use():
        store = shelf.asynchronous()
        assert await store.load("f:1") is None
        assert await store.load_many(["f:1"]) == {}
        assert await store.delete("f:1") is False
        assert await store.clear() == await store.count() == await store.sweep() == 0
        assert list(await store.regions()) == []
        await store.close()

    asyncio.run(use())
    assert list(shelf.root.iterdir()) == []


def test_a_directory_is_made_at_first_use(shelf):
    """S6: with all that it is below."""
    shelf.root /= "not/there/yet"
    shelf.plain().store("f:1", b"one", 60)
    assert shelf.database.exists()


def test_a_home_directory_may_be_written_as_a_tilde(shelf, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    shelf.root = "~/cache"
    shelf.plain().store("f:1", b"one", 60)
    assert list(tmp_path.glob("cache/cachu-*/*.db"))


def test_regions_are_listed_for_all_packages(shelf):
    """S3: with their true names, whatever the file is called."""
    packages = ["a", "A", "b.c", "x" * 300, "../up", "é\udc80", "<stdin>"]
    for package in packages:
        shelf.package = package
        shelf.plain(60.0, key_prefix="p:\ud800").store("f:1", b"one", 60)
        shelf.plain(inf, key_prefix="").store("f:1", b"one", inf)
    expected = {(package, "p:\ud800", 60.0) for package in packages}
    expected |= {(package, "", inf) for package in packages}
    assert set(shelf.plain().regions()) == expected
    assert {path.parent for path in shelf.files("*.db")} == {shelf.files("*.db")[0].parent}
    assert all(len(path.name) < 200 for path in shelf.files())


def test_packages_that_share_a_file_share_no_entries(shelf, monkeypatch):
    """S5: as on a file system that takes `a` and `A` for one name."""
    import cachu_file.store

    monkeypatch.setattr(cachu_file.store, "file_name", lambda package: package.lower())
    for shelf.package in ("a", "A"):
        shelf.plain().store("f:1", shelf.package.encode(), 60, "tag")
    assert len(shelf.files("*.db")) == 1
    assert shelf.plain().load("f:1") == b"A"
    assert shelf.plain().clear("tag") == 1
    shelf.package = "a"
    assert shelf.plain().load("f:1") == b"a"


@pytest.mark.parametrize("size", [0, 1, 131_072, 131_073, 3_000_000])
def test_values_of_any_size(shelf, size):
    store, data = shelf.plain(), os.urandom(size)
    store.store("f:1", data, 60)
    assert store.load("f:1") == data
    assert store.load_many(["f:1"]) == {"f:1": data}
    assert store.begin("f:1") == data
    assert len(shelf.values) == (size > 131_072)


def test_a_large_value_leaves_no_file_when_it_goes(shelf):
    store = shelf.plain()
    for remove in (
        lambda: store.delete("f:1"),
        store.clear,
        lambda: store.clear("tag"),
        lambda: store.store("f:1", b"small", 60),
        lambda: store.store("f:1", LARGE, -1),
    ):
        store.store("f:1", LARGE, 60, "tag")
        remove()
    assert store.load("f:1") == LARGE
    assert len(shelf.values) == 1


def test_a_value_that_is_replaced_while_it_is_read_is_read_again(shelf, monkeypatch):
    from cachu_file import values

    store, other = shelf.plain(), shelf.asynchronous()
    store.store("f:1", LARGE, 60)
    read = values.read

    def replaced(*arguments):
        monkeypatch.setattr(values, "read", read)
        asyncio.run(other.store("f:1", b"new", 60))
        return read(*arguments)

    monkeypatch.setattr(values, "read", replaced)
    assert store.load("f:1") == b"new"


def test_keys_keep_their_function_however_long_they_are(shelf):
    """D5: `count(function=)` is exact, also where digests stand for what is long."""
    store = shelf.plain()
    long = "x" * 5000
    functions = [
        "f",
        "f:g",
        "m" * 499,
        "m" * 500,
        "m" * 501,
        "m" * 900,
        long,
        f"{long}y",
        f"{long}:f",
        "\ud800",
        "",
        "f\x00",
    ]
    for number, function in enumerate(functions, 1):
        for argument in range(number):
            store.store(f"{function}:{argument}", b"short", 60)
            store.store(f"{function}:{long}{argument}", b"long", 60)
    counted = [store.count(function=function) for function in functions]
    assert counted == [2 * number for number in range(1, len(functions) + 1)]
    assert store.count() == sum(counted)


def test_t2_time_moves_with_the_clock(shelf):
    store = shelf.plain()
    with FakeClock() as clock:
        store.store("f:1", b"one", 10)
        store.store("f:2", b"two", inf)
        clock.advance(10)
        assert store.count() == store.count(function="f") == 1
        assert store.delete("f:1") is False
        assert store.clear() == 1


def test_stale_entries_are_swept_while_others_write(shelf):
    """S8: without a thread, and without a read that writes."""
    store = shelf.plain()
    with FakeClock() as clock:
        for number in range(100):
            store.store(f"f:{number}", b"x", 10)
            store.store(f"g:{number}", LARGE if number < 5 else b"x", 10)
        clock.advance(10)
        before = rows(shelf)
        for number in range(100):
            assert store.load(f"h:{number}") is None
        assert rows(shelf) == before == 200
        for number in range(70):
            store.store(f"h:{number}", b"x", 10)
    assert rows(shelf) == 70
    assert not shelf.values


def test_reading_writes_nothing(shelf):
    """D5: not even statistics."""
    store = shelf.plain()
    store.store("f:1", b"x", 60)
    with closing(sqlite3.connect(shelf.database)) as connection:
        version = "PRAGMA data_version"
        before = connection.execute(version).fetchone()
        for _ in range(200):
            store.load("f:1"), store.load("f:2"), store.count()
        list(store.regions())
        assert connection.execute(version).fetchone() == before


def test_a_read_leaves_no_transaction_open(shelf):
    store = shelf.plain()
    store.store("f:1", b"x", 60)
    store.load("f:1"), store.count(), store.load_many(["f:1"])
    list(store.regions())
    with closing(sqlite3.connect(shelf.database, timeout=0)) as connection:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy


@pytest.mark.parametrize("size", [1_000, 200_000])
def test_a_size_limit_evicts_what_expires_soonest(shelf, size):
    limit = 4_000_000
    store = shelf.plain(file_size_limit=limit)
    data = os.urandom(size)
    store.store("f:first to expire", data, 1000)
    for number in range(2 * limit // size):
        store.store(f"f:{number}", data, 10_000 + number)
    used = sum(path.stat().st_size for path in (shelf.database, *shelf.values))
    assert used < limit * 1.5
    assert store.load("f:first to expire") is None
    assert store.load(f"f:{2 * limit // size - 1}") == data
    assert store.count() * size > limit / 2


def test_a_size_limit_evicts_a_twentieth_at_once(shelf):
    """And what was written since the last look."""
    store = shelf.plain(file_size_limit=1_000_000)
    before, drops = 0, []
    for number in range(5000):
        store.store(f"app.f:{number:032}", bytes(100), 1000)
        if number % 16 == 0:
            now = store.count()
            if now < before:
                drops.append((before - now) / before)
            before = now
    assert drops
    assert max(drops) < 0.08


def test_a_size_limit_is_that_of_its_package(shelf):
    """Another package that clears everything does not impose its own."""
    store = shelf.plain()
    for number in range(300):
        store.store(f"f:{number}", b"x" * 1000, 60)
    cachu.configure(package="file_tests_small", file_dir=shelf.root, file_size_limit=50_000)
    assert cachu.cache_clear("no such tag", "file", package="*") == 0
    other = "file_tests_small"
    cachu.get_backend("file", package=other).set("own", 1)
    assert cachu.cache_clear("no such tag", "file", package="*") == 0
    assert store.engine.size_limit is None
    for number in range(100):
        store.store(f"g:{number}", b"x" * 1000, 60)
    assert store.count() == 400


def test_a_large_clear_gives_the_disk_back(shelf):
    store = shelf.plain()
    for number in range(3000):
        store.store(f"f:{number}", os.urandom(1000), 60)
    size = shelf.database.stat().st_size
    assert size > 3_000_000
    assert store.clear() == 3000
    assert shelf.database.stat().st_size < 200_000


def test_orphans_are_swept_after_a_grace_period(shelf):
    """A process that is killed between a large value and its row leaves a file."""
    store = shelf.plain()
    store.store("f:1", LARGE, 60)
    (kept,) = shelf.values
    orphan, young = (kept.with_name(f"{letter * 32}.3") for letter in "ab")
    for path in (orphan, young):
        path.write_bytes(b"abc")
    os.utime(orphan, (0, 0))
    assert store.sweep() == 1
    assert set(shelf.values) == {kept, young}
    assert store.sweep(grace=-5) == 1
    assert shelf.values == [kept]
    assert store.load("f:1") == LARGE


def test_orphans_are_swept_by_the_first_write_of_a_process(shelf):
    store = shelf.plain()
    store.store("f:1", LARGE, 60)
    (kept,) = shelf.values
    orphan = kept.with_name("a" * 32 + ".3")
    orphan.write_bytes(b"abc")
    os.utime(orphan, (0, 0))
    (lock,) = shelf.files("*.lock")
    os.utime(lock, (0, 0))
    shelf.run("made(root, package).store('f:2', b'x', 60)")
    assert shelf.values == [kept]
    assert time.time() - lock.stat().st_mtime < 600


def test_all_is_private_whatever_the_umask_is(shelf):
    """C5: directories 0700, files 0600."""
    code = """
    os.umask(int(sys.argv[3], 8))
    store = made(os.path.join(root, sys.argv[3]), package)
    store.store("f:1", b"small", 60)
    store.store("f:2", b"x" * 200_000, 60)
    base = os.path.join(root, sys.argv[3], f"cachu-{os.geteuid()}")
    for place, _, names in os.walk(base):
        say(oct(os.stat(place).st_mode & 0o777))
        for name in names:
            say(oct(os.stat(os.path.join(place, name)).st_mode & 0o777), name.rpartition("-")[2])
    """
    for umask in ("0", "22", "77", "777"):
        lines = shelf.run(code, umask).splitlines()
        assert sorted(line.split()[0] for line in lines) == ["0o600"] * 5 + ["0o700"] * 2
        names = sorted(line.split()[1] for line in lines if " " in line)
        assert names[-4:] == ["shm", "v1.db", "v1.lock", "wal"]


def test_threads_leave_few_descriptors_and_closing_leaves_none(shelf):
    """C4, and many threads at once."""
    store, barrier = shelf.plain(), threading.Barrier(40)
    gc.collect()  # what other tests left
    before = descriptors()
    wrong = []

    def use(number):
        barrier.wait()
        for turn in range(10):
            key, data = f"f:{number}.{turn}", b"%d" % number
            store.store(key, data, 60)
            if store.load(key) != data:
                wrong.append(key)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.count() == 400
    assert descriptors() <= before + 40
    store.close()
    assert descriptors() <= before


def test_regions_of_one_package_share_what_is_open(shelf):
    first, second = shelf.plain(60.0), shelf.plain(90.0)
    first.store("f:1", b"x", 60)
    second.store("f:1", b"y", 60)
    first.close()
    assert second.load("f:1") == b"y"
    assert first.load("f:1") == b"x"


def test_a_closed_store_opens_again(shelf):
    store = shelf.plain()
    store.store("f:1", b"x", 60)
    store.close()
    store.close()
    assert store.load("f:1") == b"x"


def test_a_decorated_function_lives_in_the_store(shelf):
    """S4, D5, and one hit each after a restart."""
    shelf.region()
    runs = []

    @cachu.cache(package=shelf.package, name="f", tag="users")
    def f(x):
        runs.append(x)
        return {"x": x}

    assert f(1) == f(1) == {"x": 1}
    assert runs == [1]
    assert f.info().currsize == 1
    cachu.clear_backends()
    assert f(1) == {"x": 1}
    code = """
    region(root, package)
    @cachu.cache(package=package, name="f", tag="users")
    async def f(x):
        return "computed"
    say(asyncio.run(f(1)), asyncio.run(f(2)))
    """
    assert shelf.run(code) == "{'x': 1} computed"
    assert f(2) == "computed"
    assert cachu.cache_clear(tag="users", backend="file", package=shelf.package) == 2
    assert f(1) == {"x": 1}
    assert runs == [1, 1]


def test_modes_of_what_was_looser_before(shelf):
    """C5: what others could read, they cannot from now on."""
    shelf.plain().store("f:1", b"x", 60)
    directory = shelf.database.parent
    shelf.made[0].close()
    directory.chmod(0o755)
    assert shelf.plain().load("f:1") == b"x"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def rows(shelf):
    with closing(sqlite3.connect(shelf.database)) as connection:
        return connection.execute("SELECT count(*) FROM entry").fetchone()[0]


def descriptors():
    open_ones = Path("/proc/self/fd")
    return len(list(open_ones.iterdir())) if open_ones.exists() else 0


@pytest.mark.parametrize("option", ["key_prefix", "lock_timeout"])
def test_what_was_configured_before_does_not_pile_up(shelf, option):
    """S6, K9: settings may change for ever, and all is closed in the end."""
    package = shelf.package
    cachu.configure(package=package, backend="file", file_dir=shelf.root)
    f = cachu.cache(package=package, name="f")(lambda x: x)

    async def plain(x):
        return x

    g = cachu.async_cache(package=package, name="g")(plain)

    async def use():
        for number in range(40):
            change = f"v{number}:" if option == "key_prefix" else number + 1
            cachu.configure(package=package, **{option: change})
            assert (f(number), await g(number)) == (number, number)
        gc.collect()
        mine = [one for one in gc.get_objects() if isinstance(one, (LiveRegion, RegionStore))]
        assert len(mine) < 20
        before = threading.active_count()
        await cachu.clear_async_backends()
        assert threading.active_count() < before

    asyncio.run(use())


_LOCKS_ALL = """
import sqlite3
raw = sqlite3.connect(sys.argv[3], isolation_level=None)
raw.execute("PRAGMA locking_mode = EXCLUSIVE")
raw.execute("BEGIN EXCLUSIVE")
raw.execute("DELETE FROM trash")
say("locked")
sys.stdin.readline()
"""


def test_c3_whoever_opens_a_locked_database_waits_for_it_once(shelf, monkeypatch):
    shelf.plain().store("f:1", b"x", 60)
    shelf.made.pop().close()
    (database,) = shelf.files("*.db")
    locker = shelf.process(_LOCKS_ALL, database)
    assert locker.stdout.readline() == "locked\n"
    waits, real = [], sqlite3.connect
    monkeypatch.setattr(opening, "PATIENCE", 0.4)

    def connect(*args, timeout, **kwargs):
        waits.append(timeout)
        return real(*args, timeout=timeout, **kwargs)

    monkeypatch.setattr(opening.sqlite3, "connect", connect)
    store = shelf.plain()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.load("f:1")
    locker.communicate("\n")
    assert waits[0] == 0.4
    assert sum(waits) < 0.6
    assert store.load("f:1") == b"x"
