"""What others may have put into the directory: it is refused, and nothing of it is decoded."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import stage
from stage import PACKAGE, exactly

import cachu
from cachu.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stage import Figure

ATTACKER = 65534


class Bomb:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@cachu.cache(backend="file", package=PACKAGE, name="soak.safety")
def function(x: int) -> Any:
    return [x, "x" * (300_000 if x == 2 else 10)]


def filling(place: str, bomb: str | None = None, secret: str | None = None) -> None:
    """Store something; for `bomb`, what an attacker stores in a directory of his."""
    stage.configure(place, **({"secret_key": secret} if secret else {}))
    if bomb:
        function.set(Bomb(Path(bomb)), 1)
    else:
        function(1)
        function(2)
    stage.say("done")


def calling(
    place: str, umask: int = 0o022, uid: int | None = None, secret: str | None = None
) -> None:
    """Call cached functions, in both colours; say what that raised."""
    os.umask(umask)
    if uid is not None:
        os.geteuid = lambda: uid  # somebody else, without being root
    stage.configure(place, **({"secret_key": secret} if secret else {}))
    warnings = stage.warned()
    raised: list[str] = []
    for x in (1, 2):
        try:
            if function(x) != [x, "x" * (300_000 if x == 2 else 10)]:
                raised.append("a wrong value")
        except ConfigurationError as error:
            raised.append(f"{type(error).__name__}: {error}")
    stage.say({"raised": raised, "warnings": warnings})


def _tree(folder: Path) -> dict[str, Any]:
    """Describe all that is below a directory."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(state.st_mode) else None
        found[str(path)] = (state.st_mode, state.st_uid, data)
    return found


def _own(place: Path) -> Path:
    return place / f"cachu-{os.geteuid()}"


def _planted(place: Path) -> None:
    """Store a pickle that explodes, as if in a directory of ours."""
    stage.once("safety:filling", place=place, bomb=place / "exploded")


def _writable(place: Path) -> None:
    _planted(place)
    _own(place).chmod(0o777)


def _group_writable(place: Path) -> None:
    _planted(place)
    _own(place).chmod(0o770)


def _another_users(place: Path) -> None:
    _planted(place)
    if os.geteuid() == 0:
        for path in (_own(place), *_own(place).rglob("*")):
            os.chown(path, ATTACKER, ATTACKER, follow_symlinks=False)


def _link(place: Path) -> None:
    _planted(place)
    _own(place).rename(place / "elsewhere")
    _own(place).symlink_to(place / "elsewhere")


def _file(place: Path) -> None:
    _own(place).write_bytes(b"mine")


def _linked_database(place: Path) -> None:
    """Have the database be a link to somebody's whole database."""
    _planted(place)
    path = stage.database(place)
    _settle(path)
    path.rename(place / "victim.db")
    path.symlink_to(place / "victim.db")


def _linked_log(place: Path) -> None:
    stage.once("safety:filling", place=place)
    path = stage.database(place)
    _settle(path)
    victim = place / "victim"
    victim.write_bytes(b"mine")
    for end in ("-wal", "-shm"):
        beside = path.with_name(path.name + end)
        beside.unlink(missing_ok=True)
        beside.symlink_to(victim)


def _linked_lock(place: Path) -> None:
    stage.once("safety:filling", place=place)
    (path,) = _own(place).glob("*.lock")
    (place / "victim").write_bytes(b"mine")
    path.unlink()
    path.symlink_to(place / "victim")


def _linked_values(place: Path) -> None:
    stage.once("safety:filling", place=place)
    (path,) = _own(place).glob("*.values")
    path.rename(place / "victims")
    path.symlink_to(place / "victims")


def _writable_values(place: Path) -> None:
    stage.once("safety:filling", place=place)
    (path,) = _own(place).glob("*.values")
    path.chmod(0o777)


def _another_users_database(place: Path) -> None:
    _planted(place)
    if os.geteuid() == 0:
        os.chown(stage.database(place), ATTACKER, ATTACKER)
    else:
        _linked_database(place)


def _settle(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()


KINDS: dict[str, Callable[[Path], None]] = {
    "writable by all": _writable,
    "writable by its group": _group_writable,
    "of another user": _another_users,
    "a link": _link,
    "a file": _file,
    "a linked database": _linked_database,
    "another user's database": _another_users_database,
    "a linked log": _linked_log,
    "a linked lock file": _linked_lock,
    "linked value files": _linked_values,
    "value files writable by all": _writable_values,
}
# Found only when a value is looked for there; what is small is served.
ONE = {"linked value files", "value files writable by all"}

# SQLite itself does not follow it: a fault of the backend like any other, with its warning.
LEFT_ALONE = {"a linked log"}


def refused(place: Path, kind: str) -> Iterator[Figure]:
    """Prepare a directory as an attacker would; nothing in it may be used, read or changed."""
    KINDS[kind](place)
    before = _tree(place)
    uid = None
    if kind == "of another user" and os.geteuid():
        uid = os.geteuid() + 1  # the owner is another user than who asks
        _own(place).rename(place / f"cachu-{uid}")
        before = _tree(place)
    said = stage.once("safety:calling", place=place, uid=uid)
    raised = [line for line in said["raised"] if line.startswith("UnsafeDirectoryError")]
    least = 1 if kind in ONE else 2
    refusals = raised or said["warnings"]
    shown = refusals[0][:100] if refusals else "nothing"
    told = len(raised) >= least or (kind in LEFT_ALONE and bool(refusals))
    yield stage.Figure(f"{kind}: refused", shown, "UnsafeDirectoryError", told)
    yield exactly(f"{kind}: decoded", (place / "exploded").exists(), False)
    changed = [path for path, state in before.items() if _tree(place).get(path) != state]
    outside = [path for path in _tree(place) if path not in before]
    if kind in ONE:  # the database itself is used
        inside = str(_own(place))
        changed = [path for path in changed if not path.startswith(inside)]
        outside = [path for path in outside if not path.startswith(inside)]
    yield stage.Figure(
        f"{kind}: changed", str((changed + outside)[:2]), "[]", not changed + outside
    )


def signed(place: Path) -> Iterator[Figure]:
    """Plant an unsigned pickle, and one with another signature, where `secret_key` is set."""
    for number, secret in enumerate((None, "another")):
        folder = place / str(number)
        bomb = folder / "exploded"
        stage.once("safety:filling", place=folder, bomb=bomb, secret=secret)
        said = stage.once("safety:calling", place=folder, secret="secret")
        title = "planted, signed otherwise" if secret else "planted, not signed"
        yield exactly(f"{title}: decoded", bomb.exists(), False)
        yield stage.Figure(f"{title}: raised", str(said["raised"]), "[]", not said["raised"])
        yield exactly(f"{title}: warnings", len(said["warnings"]), 1)


def modes(place: Path) -> Iterator[Figure]:
    """Look at the modes of all that is made, under several umasks."""
    for umask in (0o000, 0o022, 0o077, 0o277):
        folder = place / oct(umask)
        folder.mkdir()
        stage.once("safety:calling", place=folder, umask=umask)
        found = {
            (path.is_dir(), oct(stat.S_IMODE(path.stat().st_mode)))
            for path in (_own(folder), *_own(folder).rglob("*"))
        }
        right = found == {(True, "0o700"), (False, "0o600")}
        yield stage.Figure(f"modes, umask {umask:03o}", str(sorted(found)), "0700, 0600", right)


def tightened(place: Path) -> Iterator[Figure]:
    """Let others read the directory; that is corrected, and it is used."""
    stage.once("safety:filling", place=place)
    _own(place).chmod(0o755)
    said = stage.once("safety:calling", place=place)
    mode = oct(stat.S_IMODE(_own(place).stat().st_mode))
    yield stage.Figure("readable by others: raised", str(said["raised"]), "[]", not said["raised"])
    yield stage.Figure("readable by others: mode then", mode, "0o700", mode == "0o700")


def escaping(place: Path) -> Iterator[Figure]:
    """Have a stored entry name a file elsewhere as that of its value."""
    wrong = 0
    victim = place / "victim"
    for number, name in enumerate(("../../victim", str(victim), "../victim", "..", ".", "")):
        folder = place / str(number) / "root"
        folder.mkdir(parents=True)
        for near in (place, folder.parent, folder):
            (near / "victim").write_bytes(b"mine")
        stage.once("safety:filling", place=folder)
        with closing(sqlite3.connect(stage.database(folder))) as connection, connection:
            connection.execute("UPDATE entry SET value = ?", (name,))
        said = stage.once("safety:calling", place=folder)
        wrong += bool(said["raised"])
        for near in (place, folder.parent, folder):
            there = (near / "victim").exists()
            wrong += not there or (near / "victim").read_bytes() != b"mine"
        with suppress(OSError):
            shutil.rmtree(folder)
    yield exactly(
        "names of value files that lead elsewhere: files touched, calls that raise", wrong, 0
    )


def run(place: Path, scale: float) -> Iterator[Figure]:
    for number, kind in enumerate(KINDS):
        (place / str(number)).mkdir()
        yield from refused(place / str(number), kind)
    for scene in (signed, modes, tightened, escaping):
        folder = place / scene.__name__
        folder.mkdir()
        yield from scene(folder)
