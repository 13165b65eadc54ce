"""Whatever happens to the files, nothing wrong is returned, and caching goes on."""

import asyncio
import os
import random
import shutil
import sqlite3
import sys
import textwrap
from contextlib import closing

import pytest

import cachu
from cachu_file import engine as engines

MANY = 400


def fill(store):
    for number in range(MANY):
        store.store(f"f:{number}", b"%d" % number * 50, 60)
    store.store("f:large", b"l" * 200_000, 60)


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def emptied(path):
    os.truncate(path, 0)


def cut_to_a_header(path):
    os.truncate(path, 100)


def with_garbage_in_front(path):
    with path.open("r+b") as file:
        file.write(b"\xa5" * 4096)


def all_garbage(path):
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


def with_flipped_pages(path):
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):
        for byte in range(start, start + 200):
            data[byte] ^= 0xFF
    path.write_bytes(data)


def of_another_schema(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE entry (key TEXT, value TEXT)")
        connection.execute("PRAGMA user_version = 7")


def of_another_program(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


def without_tables(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE entry")


DAMAGES = pytest.mark.parametrize(
    "damage",
    [
        *(truncated, emptied, cut_to_a_header, with_garbage_in_front, all_garbage, zeroed),
        *(with_flipped_pages, of_another_schema, of_another_program, without_tables),
    ],
    ids=lambda damage: damage.__name__,
)


@DAMAGES
def test_c3_a_database_damaged_while_it_was_closed_begins_anew(shelf, damage, caplog):
    store = shelf.plain()
    fill(store)
    store.close()
    damage(shelf.database)
    for number in range(MANY):
        assert store.load(f"f:{number}") in (None, b"%d" % number * 50)
    fill(store)
    assert all(store.load(f"f:{number}") == b"%d" % number * 50 for number in range(MANY))
    assert store.count() == MANY + 1
    assert store.clear() == MANY + 1
    assert len(caplog.records) <= 1
    if damage is not emptied:
        assert "was damaged" in caplog.text
        assert caplog.records[0].name == "cachu"


@DAMAGES
def test_c3_a_database_damaged_under_a_live_process_begins_anew(shelf, damage):
    store = shelf.plain()
    fill(store)
    damage(shelf.database)
    for number in range(MANY):
        found = store.load(f"f:{number}")
        assert found in (None, b"%d" % number * 50)
    fill(store)
    # Another process may be the first to find that out; the cache is empty then.
    process = shelf.process("""
    store = made(root, package)
    say(all(store.load(f"f:{n}") in (None, b"%d" % n * 50) for n in range(400)))
    """)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "True\n"), err
    fill(store)
    code = """
    store = made(root, package)
    say(all(store.load(f"f:{n}") == b"%d" % n * 50 for n in range(400)), store.count())
    """
    assert shelf.run(code) == f"True {MANY + 1}"


@DAMAGES
def test_c3_asynchronous_code_heals_it_too(shelf, damage):
    async def use():
        store = shelf.asynchronous()
        await store.store("f:1", b"one", 60)
        damage(shelf.database)
        await store.store("f:1", b"new", 60)
        # Whoever reads may be the first to find out, and begin anew.
        assert await store.load("f:1") in (None, b"new")
        await store.store("f:1", b"new", 60)
        assert await store.load("f:1") == b"new"
        await store.close()
        damage(shelf.database)
        assert await store.load("f:1") in (None, b"new")
        await store.store("f:1", b"new", 60)
        assert await store.count() == 1
        await store.close()

    asyncio.run(use())


def test_a_large_value_without_its_file_is_a_miss(shelf):
    store = shelf.plain()
    store.store("f:1", b"l" * 200_000, 60)
    shelf.values[0].unlink()
    assert store.load("f:1") is None
    assert store.load_many(["f:1"]) == {}
    store.store("f:1", b"l" * 200_000, 60)
    assert store.load("f:1") == b"l" * 200_000


@pytest.mark.parametrize(
    "value", ["CAST(x'8005ff' AS TEXT)", "5", "3.5", "'no name'", "zeroblob(0)"]
)
def test_v3_a_row_of_another_type_is_one_miss(shelf, value, caplog):
    """A flipped bit makes text or a number of a value: one warning, deleted, computed again."""
    shelf.region()
    runs = []
    f = cachu.cache(package=shelf.package, name="f")(lambda x: runs.append(x) or x)
    f(1)
    with closing(sqlite3.connect(shelf.database)) as connection, connection:
        connection.execute(f"UPDATE entry SET value = {value}")  # noqa: S608
    assert [f(1), f(1), f(1)] == [1, 1, 1]
    assert runs == [1, 1]
    assert len([record for record in caplog.records if record.name == "cachu"]) == 1
    with closing(sqlite3.connect(shelf.database)) as connection, connection:
        connection.execute(f"UPDATE entry SET value = {value}")  # noqa: S608
    store = shelf.plain()
    assert store.load_many([f.key(1)]) in ({}, {f.key(1): b""})
    assert store.begin(f.key(1)) == b""


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_v3_a_large_value_that_cannot_be_read_is_one_miss(shelf, kind):
    shelf.region()
    runs = []
    f = cachu.cache(package=shelf.package, name="f")(lambda x: runs.append(x) or x * 200_000)
    f("x")
    (path,) = shelf.values
    path.unlink()
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert f("x") == f("x") == "x" * 200_000
    assert runs == ["x", "x"]


def test_a_directory_of_values_that_was_removed_is_made_again(shelf):
    store = shelf.plain()
    store.store("f:1", b"l" * 200_000, 60)
    shutil.rmtree(shelf.values[0].parent)
    assert store.load("f:1") is None
    store.store("f:2", b"l" * 200_000, 60)
    assert store.load("f:2") == b"l" * 200_000


def test_a_heal_leaves_nothing_behind(shelf):
    store = shelf.plain()
    fill(store)
    store.close()
    with_garbage_in_front(shelf.database)
    assert store.load("f:1") is None
    store.store("f:1", b"x", 60)
    store.close()
    assert not shelf.values
    names = {path.name for path in shelf.files() if path.is_file()}
    assert names == {f"{shelf.package}-v1.db", f"{shelf.package}-v1.lock"}


def test_the_log_of_a_database_that_is_gone_is_not_played_back(shelf):
    """As when a killed process left one, and a cleaner removed the database beside it."""
    process = shelf.process("""
    store = made(root, package)
    store.store("f:1", b"old", 60)
    say("stored")
    sys.stdin.readline()
    """)
    assert process.stdout.readline() == "stored\n"
    process.kill()
    process.communicate()
    assert [path.name[-3:] for path in shelf.files("*.db-*")] == ["shm", "wal"]
    shelf.database.unlink()
    store = shelf.plain()
    store.store("f:2", b"new", 60)
    assert store.load("f:1") is None
    assert store.load("f:2") == b"new"


@pytest.mark.parametrize("how", ["removed", "all_removed", "replaced", "recreated"])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_c3_files_removed_under_a_live_process_are_noticed(shelf, how, colour, monkeypatch):
    """What is stored afterwards is seen by others, and what is gone is not served on."""
    monkeypatch.setattr(engines, "CHECK", -1.0)  # instead of a second

    async def use(run):
        await run("store", "f:1", b"old", 60)
        directory = shelf.database.parent
        if how == "removed":
            shelf.database.unlink()
        elif how == "all_removed":
            shutil.rmtree(directory)
        elif how == "replaced":
            empty = shelf.root / "empty.db"
            with closing(sqlite3.connect(empty)):
                pass
            empty.touch(mode=0o600)
            empty.replace(shelf.database)
        else:
            for path in shelf.files("*.db*"):
                path.unlink()
            shelf.run("made(root, package).store('f:2', b'theirs', 60)")
        assert await run("load", "f:1") is None
        await run("store", "f:3", b"new", 60)
        code = "s = made(root, package); say(s.load('f:1'), s.load('f:2'), s.load('f:3'))"
        theirs = "b'theirs'" if how == "recreated" else "None"
        assert shelf.run(code) == f"None {theirs} b'new'"
        if how == "recreated":
            assert await run("load", "f:2") == b"theirs"
        await run("close")

    asyncio.run(use(caller(shelf, colour)))


def caller(shelf, colour):
    store = shelf.plain() if colour == "sync" else shelf.asynchronous()

    async def run(method, *arguments):
        result = getattr(store, method)(*arguments)
        return await result if asyncio.iscoroutine(result) else result

    return run


FULL = """
import resource
store = made(root, package)
for n in range(200):
    store.store(f"f:{n}", b"x" * 1000, 60, "tag")
store.store("f:large", b"l" * 200_000, 60)
# From here on no file can be made larger than it is, as on a disk that is full.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
"""
needs_limits = pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")


def on_a_full_disk(shelf, code):
    process = shelf.process(FULL + textwrap.dedent(code))
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return out.strip(), err


@needs_limits
def test_c3_a_full_disk_leaves_nothing_out_of_date(shelf):
    """A write that fails raises, and the entry that it was to replace is gone."""
    code = """
    failed = 0
    for n in range(200):
        try:
            store.store(f"f:{n}", b"y" * 1000, 60)
        except Exception as error:
            failed += 1
        assert store.load(f"f:{n}") in (None, b"y" * 1000), n
    try:
        store.store("f:large", b"m" * 200_000, 60)
    except Exception as error:
        failed += 1
    assert store.load("f:large") is None
    say(failed > 0)
    """
    assert on_a_full_disk(shelf, code)[0] == "True"


@needs_limits
@pytest.mark.parametrize("remove", ["delete('f:1')", "clear()", "clear('tag')"])
def test_c3_on_a_full_disk_deletes_and_clears_take_effect(shelf, remove):
    """The log is cut short, else the whole cache is dropped, with one warning."""
    code = f"""
    store.{remove}
    say(store.load("f:1"))
    """
    out, err = on_a_full_disk(shelf, code)
    assert out == "None"
    assert err.count("Nothing could be deleted") == len(err.splitlines()) <= 1


@needs_limits
def test_c3_caching_resumes_when_there_is_room_again(shelf):
    code = """
    try:
        store.store("f:1", b"y" * 1000, 60)
    except Exception:
        say("failed")
    """
    on_a_full_disk(shelf, code)
    store = shelf.plain()
    assert store.load("f:1") in (None, b"y" * 1000)
    fill(store)
    assert store.count() == MANY + 1


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users")
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_c3_a_cached_function_survives_a_directory_that_cannot_be_made(shelf, colour, caplog):
    """The function runs; what is to be forgotten says that it could not be."""
    occupied = shelf.root / "occupied"
    shelf.root = occupied / "below"
    shelf.region()
    occupied.write_text("a file")
    decorate = cachu.cache(package=shelf.package, name="f")
    if colour == "sync":
        f = decorate(lambda x: x)
    else:

        async def body(x):
            return x

        coroutine = decorate(body)

        def f(x):
            return asyncio.run(coroutine(x))

    assert [f(1), f(1)] == [1, 1]
    assert len([record for record in caplog.records if record.name == "cachu"]) == 1
    occupied.unlink()


def a_link(path):
    path.symlink_to("nowhere")


def a_directory(path):
    path.mkdir()


def no_database(path):
    path.write_bytes(b"no database" * 1000)


@pytest.mark.parametrize("damage", [a_link, a_directory, no_database])
def test_s3_a_clear_of_all_packages_passes_over_what_is_broken(shelf, damage, caplog):
    """S3: one package's broken file keeps no other from being cleared, nor from being listed."""
    shelf.plain().store("f:1", b"x", 60)
    damage(shelf.database.with_name("broken-v1.db"))
    clear = "print(cachu.cache_clear(backend='file', package='*'))"
    configure = "cachu.configure(backend='file', file_dir=root)\n"
    quiet = (
        "import logging\nlogging.getLogger('cachu').addHandler(logging.StreamHandler(sys.stdout))\n"
    )
    said = shelf.run(quiet + configure + clear).splitlines()
    assert said[-1] == "1"
    assert any("broken-v1.db" in line for line in said[:-1])
    assert shelf.made[0].load("f:1") is None


def test_a_database_that_was_being_removed_is_swept(shelf):
    """Whoever heals one may be killed in the middle of that."""
    store = shelf.plain()
    store.store("f:1", b"x", 60)
    left = shelf.database.with_name(f"{shelf.database.name}.0123456789abcdef.dead")
    others = shelf.database.with_name(f"other-v1.db.{'0' * 16}.dead")
    left.write_bytes(b"what is left of it")
    others.write_bytes(b"what is left of another")
    store.sweep(0)
    assert not left.exists()
    assert others.exists()
    assert store.load("f:1") == b"x"
