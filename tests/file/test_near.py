"""What was read before is in memory, until anybody writes."""

import asyncio
import errno
import gc
import os
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import cachu
from cachu.backends.stores import Held
from cachu.testing import FakeClock
from cachu_file import reads
from cachu_file.table import FIND

WRITER = """
store = made(root, package)
for line in sys.stdin:
    what, key, *rest = line.split()
    if what == "store":
        store.store(key, rest[0].encode(), 60, "tag")
    elif what == "delete":
        store.delete(key)
    else:
        store.clear("tag" if what == "tag" else None)
    say("done")
"""


class Writer:
    """Another process, which does as it is told."""

    def __init__(self, shelf):
        self.process = shelf.process(WRITER)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        out, err = self.process.communicate(timeout=30)
        assert (out, err, self.process.returncode) == ("", "", 0)

    def __call__(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


class Reader:
    """Reads in one colour; says how often the database was asked."""

    def __init__(self, shelf, colour, monkeypatch, **options):
        self.queries = 0
        self._loop = None
        if colour == "async":
            self._loop = asyncio.new_event_loop()
            self.store = shelf.asynchronous(**options)
        else:
            self.store = shelf.plain(**options)
        load_near = reads.load_near

        def counting(*arguments):
            self.queries += 1
            return load_near(*arguments)

        monkeypatch.setattr(reads, "load_near", counting)

    def load(self, key):
        if self._loop is not None:
            return self._loop.run_until_complete(self.store.load(key))
        # The short way of plain code asks a connection by itself.
        for connection in list(self.store.engine.pool.idle):
            connection.check_at = 0.0
        return self.store.load(key)

    def close(self):
        if self._loop is not None:
            self._loop.run_until_complete(self.store.close())
            self._loop.close()


@pytest.fixture(params=["sync", "async"])
def reader(shelf, request, monkeypatch):
    made = Reader(shelf, request.param, monkeypatch)
    yield made
    made.close()


def test_what_is_read_again_and_again_is_asked_for_twice(shelf, reader):
    shelf.plain().store("f:1", b"one", 60)
    found = [reader.load("f:1") for _ in range(20)]
    assert found == [b"one"] * 20
    assert reader.queries == 2  # the first time, somebody had just written
    assert isinstance(found[-1], Held)
    assert found[-1] is found[-2]


@pytest.mark.parametrize("size", [10, 10_000, 300_000])
def test_s4_nothing_is_out_of_date_whoever_wrote(shelf, reader, size):
    """S4, S2: after a set, a delete or a clear in another process has returned."""
    with Writer(shelf) as write:
        for turn in range(40):
            value = str(turn) * (size // 2)
            write("store", "f:1", value[:size])
            assert [reader.load("f:1") for _ in range(4)] == [value[:size].encode()] * 4
            if turn % 4:
                write(["delete", "clear", "tag"][turn % 4 - 1], "f:1")
                assert [reader.load("f:1") for _ in range(3)] == [None] * 3


def test_s4_nothing_is_out_of_date_in_the_same_process(shelf, reader):
    writer = shelf.plain()
    for turn in range(50):
        writer.store("f:1", b"%d" % turn, 60)
        assert [reader.load("f:1") for _ in range(4)] == [b"%d" % turn] * 4
    writer.clear()
    assert reader.load("f:1") is None


def test_c3_a_database_that_was_replaced_is_noticed(shelf, reader, monkeypatch):
    """C3: within a second; until then the old values are at least whole."""
    shelf.plain().store("f:1", b"old", 60)
    assert [reader.load("f:1") for _ in range(4)] == [b"old"] * 4
    for file in shelf.files(f"{shelf.package}-v*"):
        file.unlink()
    shelf.run('made(root, package).store("f:1", b"new", 60)')
    reader.store.engine.near.until = 0.0  # the second is over
    for connection in reader.store.engine.pool.idle:
        connection.check_at = 0.0
    for courier in getattr(reader.store.engine.couriers, "_alive", ()):
        courier._connection.check_at = 0.0
    assert [reader.load("f:1") for _ in range(4)] == [b"new"] * 4


def test_t1_expiry_does_not_need_a_write(shelf):
    """T1: what is near is as stale as what is far."""

    @cachu.cache(backend="file", ttl=60, package=shelf.package, name="near.f")
    def f(x):
        return [x]

    shelf.region()
    with FakeClock() as clock:
        for _ in range(5):
            f(1)
        clock.advance(59)
        f(1)
        assert (f.info().hits, f.info().misses) == (5, 1)
        clock.advance(2)
        f(1)
        assert (f.info().hits, f.info().misses) == (5, 2)


def test_v2_each_caller_gets_a_value_of_its_own(shelf):
    """V2: what one caller does to a value, another does not see."""

    @cachu.cache(backend="file", package=shelf.package, name="near.g")
    def g():
        return {"list": []}

    shelf.region()
    for _ in range(5):
        g()["list"].append("mine")
    assert g() == {"list": []}
    assert g.info().misses == 1


def test_v3_what_was_signed_otherwise_is_not_taken_from_another_store(shelf):
    """V3, C5: the near cache of one configuration is not that of another."""

    def functions(secret):
        cachu.configure(package=shelf.package, secret_key=secret)

        @cachu.cache(backend="file", package=shelf.package, name="near.h")
        def h():
            return secret

        return h

    shelf.region()
    first = functions("one")
    assert [first() for _ in range(4)] == ["one"] * 4
    second = functions("two")
    assert second() == "two"


def test_file_near_cache_is_a_number_of_bytes(shelf, monkeypatch):
    """S6, O: 0 for none; what is too large for it is read each time."""
    shelf.plain().store("f:1", b"one", 60)
    shelf.plain().store("f:2", b"x" * 50_000, 60)
    reader = Reader(shelf, "sync", monkeypatch, file_near_cache=0)
    assert [reader.load("f:1") for _ in range(5)] == [b"one"] * 5
    assert reader.queries == 5
    reader = Reader(shelf, "sync", monkeypatch, file_near_cache=100_000)
    for key in ("f:1", "f:2"):
        reader.queries = 0
        for _ in range(5):
            reader.load(key)
        assert reader.queries == (2 if key == "f:1" else 5)
    with pytest.raises(cachu.errors.ConfigurationError, match="file_near_cache"):
        shelf.region(file_near_cache=-1)


def test_memory_is_bounded(shelf, monkeypatch):
    writer = shelf.plain()
    for number in range(300):
        writer.store(f"f:{number}", b"x" * 1_000, 60)
    reader = Reader(shelf, "sync", monkeypatch, file_near_cache=100_000)
    for _ in range(3):
        for number in range(300):
            assert reader.load(f"f:{number}") == b"x" * 1_000
            kept = sum(len(held[0]) for held in reader.store.near._found.values())
            assert kept <= 100_000


def test_memory_is_given_back_without_a_garbage_collection(shelf):
    shelf.region()

    @cachu.cache(backend="file", package=shelf.package, name="near.large")
    def large():
        return b"x" * 100_000

    for _ in range(4):
        assert large() == b"x" * 100_000
    store = large.__cachu__.calls().region.guarded.wrapped
    (kept,) = [held for held, *_ in store.near._found.values()]
    assert kept.verified is not None
    store.near.clear()
    assert sys.getrefcount(kept) == 2  # ours, and that of the call itself: none is in a cycle


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_c4_nothing_stays_open(shelf):
    """C4: neither a descriptor nor a mapped file."""

    def count():
        gc.collect()
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
        return len(list(Path("/proc/self/fd").iterdir())), maps.count("-shm")

    before = count()
    for _ in range(3):
        store = shelf.plain()
        store.store("f:1", b"one", 60)
        assert [store.load("f:1") for _ in range(4)] == [b"one"] * 4
        assert count() > before
        for made in shelf.made:
            made.close()
        assert count() == before


def test_c4_closing_takes_no_lock_from_other_connections(shelf):
    """C4: whoever closes a file ends all locks of the process on it; SQLite's must stay."""
    store = shelf.plain()
    store.store("f:1", b"one", 60)
    pool = store.engine.pool
    first, second = pool.borrow(False), pool.borrow(False)
    first.execute("BEGIN")
    first.execute(FIND, (b"f",)).fetchall()  # it reads, so the log must not begin anew
    second.close()
    for index in range(200):
        store.store(f"f:{index}", b"x" * 100, 60)
    code = """
    store = made(root, package)
    store.store("f:0", b"theirs", 60)
    connection = store.engine.pool.borrow(False)
    busy, _, _ = connection.fetch("PRAGMA wal_checkpoint(TRUNCATE)")
    say(busy)
    """
    assert shelf.run(code) == "1"
    assert first.fetch("SELECT count(*) FROM entry") == (1,)
    first.execute("COMMIT")
    pool.give_back(first)


def test_c4_a_header_that_could_not_be_opened_takes_no_lock_either(shelf, monkeypatch):
    """C4: the first connection found no descriptor left; the second opens and closes the file."""
    store = shelf.plain()
    store.store("f:1", b"one", 60)
    pool = store.engine.pool
    pool.renew()
    system_open = os.open

    def full(path, *arguments, **options):
        if str(path).endswith("-shm"):
            raise OSError(errno.EMFILE, "too many open files")
        return system_open(path, *arguments, **options)

    monkeypatch.setattr("cachu_file.wal_index.os.open", full)
    first = pool.borrow(False)
    monkeypatch.undo()
    assert first.mark() is None
    second = pool.borrow(False)
    assert second.mark() is not None
    first.execute("BEGIN")
    assert first.fetch("SELECT count(*) FROM entry") == (1,)
    second.close()
    code = """
    store = made(root, package)
    store.store("f:2", b"theirs", 60)
    connection = store.engine.pool.borrow(False)
    busy, _, _ = connection.fetch("PRAGMA wal_checkpoint(TRUNCATE)")
    say(busy)
    """
    assert shelf.run(code) == "1"
    first.execute("COMMIT")
    first.close()


def test_c4_threads_that_come_and_go_while_others_read(shelf):
    """C4: connections are opened and closed, and what is near is right all the time."""
    store = shelf.plain()
    store.store("f:1", b"0", 60)
    wrong, ended = [], threading.Event()

    def read():
        mine = shelf.plain()
        last = 0
        while not ended.is_set():
            found = int(mine.load("f:1"))
            if found < last:
                wrong.append((found, last))
            last = found

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for turn in range(1, 100):
        store.store("f:1", b"%d" % turn, 60)
        if turn % 10 == 0:
            store.engine.pool.renew()
    ended.set()
    for thread in readers:
        thread.join()
    assert wrong == []


def test_a_header_of_another_form_is_not_trusted(shelf, monkeypatch):
    """A later SQLite may have another; then each read asks the database."""
    monkeypatch.setattr("cachu_file.wal_index._VERSION", 1)
    reader = Reader(shelf, "sync", monkeypatch)
    shelf.plain().store("f:1", b"one", 60)
    assert [reader.load("f:1") for _ in range(5)] == [b"one"] * 5
    assert reader.queries == 5


@pytest.mark.parametrize("change", ["insert", "update", "delete", "checkpoint", "vacuum"])
def test_every_commit_of_sqlite_changes_the_header(shelf, change):
    """Also one that is made by somebody who knows nothing of cachu."""
    store = shelf.plain()
    store.store("f:1", b"one", 60)
    connection = store.engine.pool.borrow(False)
    before = connection.mark()
    with closing(sqlite3.connect(shelf.database, isolation_level=None)) as other:
        if change == "insert":
            other.execute("INSERT INTO fence (what, made) VALUES (x'00', 1)")
        elif change == "update":
            other.execute("UPDATE entry SET value = x'00'")
        elif change == "delete":
            other.execute("DELETE FROM entry")
        elif change == "checkpoint":
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            other.execute("DELETE FROM entry")
        else:
            other.execute("VACUUM")
    assert connection.mark() != before
    store.engine.pool.give_back(connection)
