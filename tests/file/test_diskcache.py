"""The diskcache backend: nothing is unpickled, nothing is shared with other users, options hold."""

from __future__ import annotations

import gc
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import cachu
from cachu.errors import ConfigurationError
from cachu_file.errors import UnsafeDirectoryError

PACKAGE = "diskcache_tests"
OURS = f"cachu-{os.geteuid()}" if hasattr(os, "geteuid") else None


@pytest.fixture(autouse=True)
def root(tmp_path):
    cachu.configure(package=PACKAGE, backend="diskcache", diskcache_dir=tmp_path)
    yield tmp_path
    cachu.clear_backends()
    reset = dict.fromkeys(
        ("diskcache_dir", "diskcache_size_limit", "diskcache_eviction"), cachu.DEFAULT
    )
    cachu.configure(package=PACKAGE, backend=cachu.DEFAULT, **reset)


def database(root: Path) -> Path:
    (found,) = root.glob("cachu-*/diskcache/*/cache.db")
    return found


def backend(ttl=300):
    return cachu.get_backend("diskcache", ttl=ttl, package=PACKAGE)


def test_c5_a_planted_pickle_is_never_loaded(root, caplog):
    """C5, V3: it is a counted miss with a warning, deleted, and recomputed."""
    runs = []

    @cachu.cache(package=PACKAGE)
    def f(x):
        runs.append(x)
        return x

    f(1)
    planted = pickle.dumps(Bomb(root / "exploded"))
    with closing(sqlite3.connect(database(root))) as connection, connection:
        connection.execute("UPDATE Cache SET mode = 4, value = ?", (planted,))
    assert f(1) == 1
    assert runs == [1, 1]
    assert not (root / "exploded").exists()
    assert "was not used" in caplog.text
    assert f(1) == 1
    assert runs == [1, 1]


def test_c5_a_planted_pickled_key_is_never_loaded(root):
    """C5: listing, counting and clearing look at keys, and do not unpickle them."""
    backend().set("own", 1)
    planted = pickle.dumps(Bomb(root / "exploded"))
    with closing(sqlite3.connect(database(root))) as connection, connection:
        connection.execute(
            "INSERT INTO Cache (key, raw, store_time, size, mode, value) VALUES (?, 0, 1, 0, 1, 1)",
            (planted,),
        )
    assert backend().count() == 1
    assert [region[0] for region in backend().regions()] == [PACKAGE]
    assert backend().clear() == 1
    assert not (root / "exploded").exists()


@pytest.mark.parametrize("name", ["../../../victim", "/victim", "ab/cd/../../../../../victim"])
def test_c5_a_file_name_leaves_the_directory_for_nobody(root, name, caplog):
    """C5: what such a row names is neither read nor removed."""
    victim = root / "victim"
    victim.write_bytes(b"mine")
    backend().set("own", b"x" * 100_000)
    name = str(victim) if name.startswith("/") else name
    with closing(sqlite3.connect(database(root))) as connection, connection:
        connection.execute("UPDATE Cache SET filename = ?", (name,))
    assert backend().get("own", None) is None
    backend().set("own", 2)
    assert backend().get("own") == 2
    assert victim.read_bytes() == b"mine"
    assert "was not used" in caplog.text


def test_c5_a_link_in_place_of_a_value_is_not_followed(root):
    """C5: no symbolic link is followed."""
    backend().set("own", b"x" * 100_000)
    (value,) = database(root).parent.glob("*/*/*.val")
    kept = value.read_bytes()
    elsewhere = root / "elsewhere"
    elsewhere.write_bytes(kept)
    value.unlink()
    value.symlink_to(elsewhere)
    assert backend().get("own", None) is None
    assert elsewhere.read_bytes() == kept


def test_c5_a_link_in_place_of_a_folder_is_not_followed(root):
    """C5: no symbolic link is followed, not even to a folder."""
    backend().set("own", b"x" * 100_000)
    (value,) = database(root).parent.glob("*/*/*.val")
    folder = value.parent
    folder.rename(root / "elsewhere")
    folder.symlink_to(root / "elsewhere", target_is_directory=True)
    assert backend().get("own", None) is None
    assert len(list((root / "elsewhere").iterdir())) == 1


@pytest.mark.skipif(OURS is None, reason="no modes here")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_c5_nobody_else_can_read_it(root, umask):
    """C5: directories 0700, files 0600, under any umask."""
    before = os.umask(umask)
    try:
        backend().set("small", 1)
        backend().set("large", b"x" * 100_000)
    finally:
        os.umask(before)
    found = {
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode))
        for path in [root / OURS, *(root / OURS).rglob("*")]
    }
    assert found == {(True, 0o700), (False, 0o600)}


@pytest.mark.skipif(OURS is None, reason="no modes here")
@pytest.mark.parametrize("folder", ["", "diskcache"])
def test_c5_a_directory_that_others_can_write_to_is_refused(root, folder):
    """C5: with an error that says what to do."""
    place = root / OURS / folder
    place.mkdir(parents=True)
    place.chmod(0o777)
    with pytest.raises(UnsafeDirectoryError, match="can be written to by others"):
        backend().set("own", 1)
    assert not list(place.rglob("cache.db"))


@pytest.mark.skipif(OURS is None, reason="no modes here")
def test_c5_a_link_in_place_of_the_database_is_refused(root):
    """C5: nothing is written to where it leads."""
    backend().set("own", 1)
    path = database(root)
    cachu.clear_backends()
    elsewhere = root / "elsewhere"
    elsewhere.write_bytes(b"")
    path.unlink()
    path.symlink_to(elsewhere)
    with pytest.raises(UnsafeDirectoryError, match="link"):
        backend().set("own", 1)
    assert elsewhere.read_bytes() == b""


def test_s1_reading_makes_nothing(root):
    """S3: a store that does not exist is not made by reading, counting, clearing or listing."""
    store = backend()
    assert store.get("own", None) is None
    assert store.delete("own") is False
    assert (store.count(), store.clear(), list(store.regions())) == (0, 0, [])
    assert list(root.iterdir()) == []


def test_o_the_size_limit_and_the_policy_are_diskcaches(root):
    """O: the options reach diskcache, which evicts by them."""
    cachu.configure(
        package=PACKAGE,
        diskcache_size_limit=2_000_000,
        diskcache_eviction="least-frequently-used",
    )
    backend().set("often", b"x" * 40_000)
    for number in range(200):
        assert backend().get("often") is not cachu.NO_VALUE
        backend().set(f"once {number}", b"x" * 40_000)
    assert 30 < backend().count() < 60
    with closing(sqlite3.connect(database(root))) as connection:
        settings = dict(connection.execute("SELECT key, value FROM Settings"))
    assert settings["eviction_policy"] == "least-frequently-used"
    assert (settings["size_limit"], settings["sqlite_mmap_size"]) == (2_000_000, 0)


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("diskcache_size_limit", 0),
        ("diskcache_size_limit", -1),
        ("diskcache_size_limit", "1 GB"),
        ("diskcache_size_limit", True),
        ("diskcache_eviction", "lru"),
        ("diskcache_eviction", None.__class__),
    ],
)
def test_s6_wrong_options_are_refused_at_once(option, wrong):
    """S6: at `configure()`."""
    with pytest.raises(ConfigurationError, match=option):
        cachu.configure(package=PACKAGE, **{option: wrong})


def test_s3_another_process_clears_and_nothing_old_comes_after(root):
    """S3, C1: what was being computed when another process cleared is not stored."""

    @cachu.cache(package=PACKAGE, name="f", tag="t")
    def f(x):
        if runs.append(x) or len(runs) < 3:
            python(root, f"print(cachu.cache_clear({clears[len(runs) - 1]}, package={PACKAGE!r}))")
        return len(runs)

    runs, clears = [], ["'t'", "backend='diskcache'"]
    assert [f(1), f(1), f(1), f(1)] == [1, 2, 3, 3]


def test_s4_another_process_reads_what_is_stored(root):
    """S4: in the other colour, under the same `name=`."""

    @cachu.cache(package=PACKAGE, name="shared")
    def f(x):
        return [x]

    f(7)
    code = f"""
import asyncio

@cachu.cache(package={PACKAGE!r}, name="shared")
async def f(x):
    raise SystemExit("ran")

print(asyncio.run(f(7)))
"""
    assert python(root, code) == "[7]"


def test_c4_what_a_thread_opened_is_closed_when_it_ends(root):
    """C4: diskcache has a connection for each thread; here they end with their threads."""
    backend().set("own", 1)
    before = len(open_files(root))
    for _ in range(20):
        thread = threading.Thread(target=lambda: backend().get("own"))
        thread.start()
        thread.join()
    gc.collect()
    assert len(open_files(root)) <= before + 3
    cachu.clear_backends()
    assert open_files(root) == []


def test_c3_a_file_that_is_cut_short_does_not_end_the_process(root):
    """C3: no memory map, so no SIGBUS; the functions run."""
    code = f"""
import os, pathlib
@cachu.cache(package={PACKAGE!r}, ttl=60)
def f(x):
    return x
assert [f(x) for x in range(500)] == list(range(500))
path, = pathlib.Path({str(root)!r}).glob("cachu-*/diskcache/*/cache.db")
os.truncate(path, 4096)
assert [f(x) for x in range(1000)] == list(range(1000))
print("alive")
"""
    assert python(root, code) == "alive"


def test_the_fork_serves_as_well(root):
    """Where only diskcache_community is installed, that is used."""
    code = """
import sys, diskcache
sys.modules["diskcache_community"], sys.modules["diskcache"] = diskcache, None
cachu.get_backend("diskcache").set("own", 1)
print(cachu.get_backend("diskcache").get("own"))
"""
    assert python(root, code) == "1"


def test_an_absent_library_is_named_with_its_extra(root):
    """S6: the error says what to install, and a cached function does not hide it."""
    code = """
import sys
sys.modules["diskcache_community"] = sys.modules["diskcache"] = None

@cachu.cache(backend="diskcache")
def f():
    return 1

try:
    f()
except cachu.ConfigurationError as error:
    print(error)
"""
    assert "cachu[diskcache]" in python(root, code)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def open_files(root: Path) -> list[str]:
    """List the files below *root* that this process has open."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("open files are not listed here")
    links = (os.path.realpath(link) for link in folder.iterdir())
    return sorted(name for name in links if name.startswith(str(root)))


def python(root: Path, code: str) -> str:
    """Run *code* in a process of its own, and return what it prints."""
    start = (
        "import cachu\n"
        f"for package in ({PACKAGE!r}, None):\n"
        f"    cachu.configure(package=package, backend='diskcache', diskcache_dir={str(root)!r})\n"
    )
    command = [sys.executable, "-W", "error", "-c", start + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
