"""Files that are cut, overwritten, flipped, removed or replaced, under nobody or a live process."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any

import stage
from stage import PACKAGE, Worker, exactly

import cachu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stage import Figure

ENTRIES = 400  # together more than SQLite keeps in memory


def value(x: int) -> bytes:
    """Return the one right value: some pages of them, every 50th a file of its own."""
    size = 6_000 if x % 50 == 0 else 40 if x % 7 == 0 else 400
    return sha256(str(x).encode()).digest() * size


def _write(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def _cut(share: float) -> Callable[[Path, str], None]:
    def damage(path: Path, seed: str) -> None:
        os.truncate(path, int(path.stat().st_size * share))

    return damage


def _cut_to_a_page(path: Path, seed: str) -> None:
    os.truncate(path, 4096)


def _garbage_header(path: Path, seed: str) -> None:
    _write(path, 0, random.Random(seed).randbytes(100))


def _garbage(path: Path, seed: str) -> None:
    _write(path, 0, random.Random(seed).randbytes(path.stat().st_size))


def _zeros(path: Path, seed: str) -> None:
    _write(path, 0, bytes(path.stat().st_size))


def _flipped(path: Path, seed: str) -> None:
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(max(20, len(data) // 1000)):
        data[chance.randrange(100, len(data))] ^= 1 << chance.randrange(8)
    _write(path, 0, bytes(data))


def _garbage_pages(path: Path, seed: str) -> None:
    chance = random.Random(seed)
    pages = path.stat().st_size // 4096
    for page in range(1, pages, 2):
        _write(path, page * 4096, chance.randbytes(4096))


def _deleted(path: Path, seed: str) -> None:
    path.unlink()


def _deleted_with_companions(path: Path, seed: str) -> None:
    for found in path.parent.glob(f"{path.name}*"):
        found.unlink()


def _everything_deleted(path: Path, seed: str) -> None:
    shutil.rmtree(path.parent)


def _values_deleted(path: Path, seed: str) -> None:
    for found in path.parent.glob("*.values"):
        shutil.rmtree(found)


def _values_cut(path: Path, seed: str) -> None:
    for found in stage.values(path.parent.parent):
        os.truncate(found, found.stat().st_size // 2)


def _replaced(path: Path, seed: str) -> None:
    """Put another whole database of cachu's in its place, as a restored backup is."""
    other = path.parent / "other"
    _foreign(other, "")
    other.replace(path)


def _foreign(path: Path, seed: str) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE entry (key, value)")
        connection.execute("INSERT INTO entry VALUES ('a', 'b')")
    path.chmod(0o600)


def _older(path: Path, seed: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 0")


def _newer(path: Path, seed: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")


def _another_program(path: Path, seed: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA application_id = 7")


def _no_tables(path: Path, seed: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        for (name,) in names:
            connection.execute(f"DROP TABLE {name}")


def _wal(damage: Callable[[Path, str], None]) -> Callable[[Path, str], None]:
    def damaged(path: Path, seed: str) -> None:
        wal = path.with_name(f"{path.name}-wal")
        if wal.exists() and wal.stat().st_size:
            damage(wal, seed)

    return damaged


KINDS: dict[str, Callable[[Path, str], None]] = {
    "cut to nothing": _cut(0),
    "cut to a page": _cut_to_a_page,
    "cut in half": _cut(0.5),
    "garbage header": _garbage_header,
    "all garbage": _garbage,
    "all zeros": _zeros,
    "flipped bits": _flipped,
    "garbage pages": _garbage_pages,
    "deleted": _deleted,
    "deleted with its log": _deleted_with_companions,
    "directory deleted": _everything_deleted,
    "value files deleted": _values_deleted,
    "value files cut": _values_cut,
    "replaced": _replaced,
    "older schema": _older,
    "newer schema": _newer,
    "another program's": _another_program,
    "tables gone": _no_tables,
    "log cut": _wal(_cut(0.5)),
    "log flipped": _wal(_flipped),
}


def living(place: str) -> None:
    """Call cached functions as one is told, and say what went wrong."""
    stage.configure(place)
    warnings = stage.warned()
    runs: list[int] = []

    @cachu.cache(backend="file", ttl=None, package=PACKAGE, name="soak.damage", tag="t")
    def function(x: int) -> bytes:
        runs.append(x)
        return value(x)

    fresh = count(os.getpid() * 1_000_000 + 1, 7)
    while True:
        first, last = stage.hear()
        wrong: list[str] = []
        before = len(runs)
        for x in range(first, last):
            try:
                if function(x) != value(x):
                    wrong.append(f"{x} has the value of another, or none")
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")

        def kept() -> bool:
            x = next(fresh)
            function(x)
            return bool(cachu.cache_get(function, x=x, default=None) == value(x))

        resumed = stage.until(kept, 15)
        ran = len(runs) - before
        stage.say({"wrong": wrong, "runs": ran, "resumed": resumed, "warnings": len(warnings)})


def _settle(path: Path) -> None:
    """Have everything in the database itself, and nothing in its log."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _damage(place: Path, kind: str) -> None:
    path = stage.database(place)
    if not kind.startswith("log"):
        _settle(path)
    KINDS[kind](path, kind)


def _damaged(place: Path, kind: str, *, live: bool, wrong: list[str]) -> int:
    """Damage a database; return how many warnings there were."""
    # The other one starts at the same time, but opens nothing before it is asked.
    with Worker("damage:living", place=place) as other:
        with Worker("damage:living", place=place) as worker:
            warnings = _used(worker, place, kind, live=live, wrong=wrong)
        if not live:
            _damage(place, kind)
        # What is found late costs what was stored before: all of it is there the third time.
        passes = [other.ask([0, ENTRIES]) for _ in range(3)]
    for said in passes:
        wrong += [f"a new process: {what}" for what in said["wrong"]]
    if not all(said["resumed"] for said in passes):
        wrong.append("a new process: caching does not resume")
    again = passes[-1]["runs"] - 1  # one is what it tries storing with
    if again:
        wrong.append(f"a new process: {again} entries are still computed again")
    return warnings if live else int(passes[-1]["warnings"])


def _used(worker: Worker, place: Path, kind: str, *, live: bool, wrong: list[str]) -> int:
    before = worker.ask([0, ENTRIES])
    wrong += before["wrong"]
    if not live:
        return 0
    _damage(place, kind)
    after = worker.ask([0, ENTRIES])
    wrong += [f"live: {what}" for what in after["wrong"]]
    if not after["resumed"]:
        wrong.append("live: caching does not resume")
    return int(after["warnings"])


QUIET = {  # nothing was damaged, or there is nothing left to say something about
    *("deleted", "deleted with its log", "directory deleted", "log cut", "log flipped"),
    *("older schema", "newer schema", "value files deleted", "replaced", "cut to nothing"),
}

# What tells databases apart is looked at when they are opened.
UNSEEN = {"another program's"}


def damaged(place: Path, kind: str, *, live: bool) -> Iterator[Figure]:
    """Damage a database of one process in one way."""
    wrong: list[str] = []
    try:
        warnings = _damaged(place, kind, live=live, wrong=wrong)
    except stage.Ended as error:
        wrong.append(f"a process died: {str(error)[-300:]}")
        warnings = 0
    title = f"{kind}, {'live' if live else 'closed'}"
    shown = f"{len(wrong)}: {wrong[0]}" if wrong else 0
    yield stage.Figure(f"{title}: errors and wrong values", shown, "= 0", not wrong)
    least = 0 if kind in QUIET or (live and kind in UNSEEN) else 1
    fits = least <= warnings <= 5
    yield stage.Figure(f"{title}: warnings", warnings, f"{least} to 5", fits)


def flipping(place: str, number: int) -> None:
    """Flip a bit in one stored value after the other, and read it."""
    stage.configure(place)
    chance = random.Random(number)
    warnings = stage.warned()
    outcome = {"wrong": 0, "errors": 0, "misses": 0}

    @cachu.cache(backend="file", ttl=None, package=PACKAGE, name="soak.flip")
    def function(x: int) -> bytes:
        return value(x)

    for x in range(number):
        function(x)
    with closing(sqlite3.connect(stage.database(place))) as connection:
        rows = connection.execute("SELECT id, value FROM entry").fetchall()
        for row, stored in rows:
            if isinstance(stored, str):
                (path,) = [found for found in stage.values(place) if found.name == stored]
                _write(path, 0, _with_a_flip(path.read_bytes(), chance))
            else:
                flipped = _with_a_flip(stored, chance)
                connection.execute("UPDATE entry SET value = ? WHERE id = ?", (flipped, row))
        connection.commit()
    for x in range(number):
        try:
            found: Any = cachu.cache_get(function, x=x, default=None)
        except Exception:
            outcome["errors"] += 1
            continue
        outcome["misses"] += found is None
        outcome["wrong"] += found not in (None, value(x))
    stage.say({**outcome, "rows": len(rows), "warnings": len(warnings)})


def _with_a_flip(data: bytes, chance: random.Random) -> bytes:
    flipped = bytearray(data)
    flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def flipped_values(place: Path, number: int) -> Iterator[Figure]:
    """Flip a bit of every stored value."""
    said = stage.once("damage:flipping", place=place, number=number)
    yield exactly(f"a flipped bit in each of {number} values: misses", said["misses"], number)
    yield exactly("a flipped bit in a value: wrong values", said["wrong"], 0)
    yield exactly("a flipped bit in a value: errors", said["errors"], 0)
    yield exactly("a flipped bit in a value: warnings", said["warnings"], 1)


def run(place: Path, scale: float) -> Iterator[Figure]:
    for live in (False, True):
        for number, kind in enumerate(KINDS):
            folder = place / f"{number}{live}"
            folder.mkdir()
            yield from damaged(folder, kind, live=live)
    (place / "flips").mkdir()
    yield from flipped_values(place / "flips", max(50, int(1_000 * scale)))
