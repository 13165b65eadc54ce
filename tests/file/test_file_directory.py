"""Nobody else can put something in the way, or look."""

import asyncio
import os
import pickle
import sqlite3
from contextlib import closing

import pytest

import cachu
from cachu.errors import ConfigurationError
from cachu_file import mounts
from cachu_file.errors import UnsafeDirectoryError

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users")


@pytest.fixture
def own(shelf):
    return shelf.root / f"cachu-{os.geteuid()}"


def refused(shelf):
    """Return what a cached function, and asynchronous code, are told."""
    shelf.region()

    @cachu.cache(package=shelf.package)
    def f(x):
        return x

    with pytest.raises(UnsafeDirectoryError) as sync:
        f(1)

    async def use():
        await shelf.asynchronous().store("f:1", b"x", 60)

    with pytest.raises(UnsafeDirectoryError):
        asyncio.run(use())
    return str(sync.value)


@pytest.mark.parametrize("mode", [0o777, 0o722, 0o770, 0o1777])
def test_c5_a_directory_that_others_can_write_to_is_refused(shelf, own, mode):
    own.mkdir()
    own.chmod(mode)
    message = refused(shelf)
    assert str(own) in message
    assert "can be written to by others" in message
    assert "choose another file_dir" in message
    assert not list(own.iterdir())
    assert issubclass(UnsafeDirectoryError, ConfigurationError)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root")
def test_c5_a_directory_of_somebody_else_is_refused(shelf, own):
    own.mkdir(mode=0o700)
    os.chown(own, 65534, 65534)
    assert "belongs to user 65534" in refused(shelf)
    assert not list(own.iterdir())


@pytest.mark.parametrize("kind", ["link", "dangling", "file"])
def test_c5_what_is_no_directory_is_refused(shelf, own, tmp_path, kind):
    target = tmp_path / "target"
    if kind == "link":
        target.mkdir(mode=0o700)
    if kind == "file":
        own.write_text("")
    else:
        own.symlink_to(target)
    assert "is a symbolic link, or no directory" in refused(shelf)
    assert not target.exists() or not list(target.iterdir())


@pytest.mark.parametrize("name", ["{0}-v1.db", "{0}-v1.lock"])
def test_c5_a_linked_file_is_refused(shelf, own, tmp_path, name):
    own.mkdir(mode=0o700)
    victim = tmp_path / "victim.db"
    with closing(sqlite3.connect(victim)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = victim.read_bytes()
    (own / name.format(shelf.package)).symlink_to(victim)
    assert "is a symbolic link" in refused(shelf)
    assert victim.read_bytes() == before
    assert not victim.with_name("victim.db-wal").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root")
def test_c5_a_database_of_somebody_else_is_refused(shelf, own):
    shelf.plain().store("f:1", b"x", 60)
    shelf.made[0].close()
    os.chown(shelf.database, 65534, 65534)
    assert "belongs to user 65534" in refused(shelf)
    os.chown(shelf.database, 0, 0)


def test_c5_a_linked_directory_of_values_is_refused(shelf, own, tmp_path):
    own.mkdir(mode=0o700)
    target = tmp_path / "target"
    target.mkdir()
    (own / f"{shelf.package}-v1.values").symlink_to(target)
    store = shelf.plain()
    with pytest.raises(UnsafeDirectoryError):
        store.store("f:1", b"x" * 200_000, 60)
    assert not list(target.iterdir())
    store.store("f:1", b"small", 60)
    assert store.load("f:1") == b"small"


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_c5_a_planted_pickle_is_not_loaded(shelf, own, tmp_path):
    """In a directory of others nothing is read; with a key, nothing that it did not sign."""
    shelf.region(secret_key="key")
    f = cachu.cache(package=shelf.package, name="f")(lambda x: x)
    f(1)
    with closing(sqlite3.connect(shelf.database)) as connection, connection:
        planted = pickle.dumps(Bomb(tmp_path / "exploded"))
        assert connection.execute("UPDATE entry SET value = ?", (planted,)).rowcount == 1
    assert f(1) == 1
    own.chmod(0o777)
    cachu.clear_backends()
    with pytest.raises(UnsafeDirectoryError):
        f(1)
    own.chmod(0o700)
    assert not (tmp_path / "exploded").exists()


def test_c5_a_planted_name_of_a_large_value_leads_nowhere(shelf, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    store = shelf.plain()
    store.store("f:1", b"x" * 200_000, 60)
    for name in ("../../outside", str(outside), ".", ""):
        with closing(sqlite3.connect(shelf.database)) as connection, connection:
            connection.execute("UPDATE entry SET value = ?", (name,))
        try:
            found = store.load("f:1")
        except OSError:
            found = None
        assert found != b"secret"
    store.delete("f:1")
    assert outside.read_bytes() == b"secret"


TABLE = r"""
21 28 0:20 / /proc rw - proc proc rw
28 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
40 28 0:45 / /home rw,relatime shared:2 - nfs4 server:/home rw
41 40 0:46 / /home/local\040disk rw - xfs /dev/sdb rw
42 28 0:47 / /mnt/share rw shared:9 master:1 - cifs //server/share rw
43 28 0:48 / /mnt/over rw - ext4 /dev/sdc rw
44 28 0:49 / /mnt/over rw - nfs server:/over rw
malformed
"""


@pytest.mark.parametrize(
    ("path", "device", "kind"),
    [
        ("/tmp/x", (259, 1), "ext4"),
        ("/home/me", (0, 45), "nfs4"),
        ("/homes", (259, 1), "ext4"),
        ("/home/local disk/me", (0, 46), "xfs"),
        ("/mnt/share", (0, 47), "cifs"),
        ("/mnt/over", (0, 49), "nfs"),
        ("/mnt/over/x", (7, 7), "nfs"),
    ],
)
def test_the_kind_of_a_mount_is_found(path, device, kind):
    assert mounts.kind_of_mount(TABLE, path, *device) == kind


def test_a_network_file_system_is_refused(shelf, tmp_path, monkeypatch):
    """What is promised cannot be kept there."""
    device = tmp_path.stat().st_dev
    table = tmp_path / "mountinfo"
    number = f"{os.major(device)}:{os.minor(device)}"
    table.write_text(f"28 1 {number} / / rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(mounts, "_TABLE", str(table))
    with pytest.raises(ConfigurationError, match=r"network file system \(nfs4\).*backend='redis'"):
        shelf.plain().store("f:1", b"x", 60)


def test_without_a_table_of_mounts_every_directory_will_do(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "_TABLE", str(tmp_path / "missing"))
    shelf.plain().store("f:1", b"x", 60)
    assert shelf.made[0].load("f:1") == b"x"
