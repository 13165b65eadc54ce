"""Disks that are full, and directories that cannot be written to."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import stage
from stage import PACKAGE, exactly

import cachu
from cachu.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stage import Figure

NOBODY = 65534
SMALL, LARGE = 400, 200_000  # bytes


def _bytes(x: int, version: int) -> bytes:
    return f"{x}.{version} ".encode() * (LARGE // 6 if x % 10 == 0 else SMALL // 6)


class _Subject:
    """A cached function, and what was wrong about what it returned."""

    def __init__(self) -> None:
        self.version, self.runs = 0, 0
        self.wrong: list[str] = []

        @cachu.cache(backend="file", ttl=None, package=PACKAGE, name="soak.disk", tag="t")
        def function(x: int) -> bytes:
            self.runs += 1
            return _bytes(x, self.version)

        self.function = function

    def call(self, x: int, version: int | None = None, **options: Any) -> None:
        """Call it; what comes back must be of this version, or the current one."""
        try:
            found = self.function(x, **options)
        except Exception as error:
            self.wrong.append(f"a call: {type(error).__name__}: {error}")
            return
        if found not in (_bytes(x, self.version), _bytes(x, version or self.version)):
            self.wrong.append(f"a call: {found[:20]!r} instead of version {self.version}")

    def holds(self, x: int) -> bytes | None:
        return cachu.cache_get(self.function, x=x, default=None)

    def forgets(self, x: int, what: str) -> None:
        """Whoever is not told that it failed must not find the entry again."""
        if self.holds(x) is not None:
            self.wrong.append(f"{what}: the entry is still there")

    def resumes(self) -> bool:
        """Tell whether what is computed is kept again, soon."""
        fresh = iter(range(10_001, 100_000, 10))

        def kept() -> bool:
            x = next(fresh)
            self.function(x)
            return self.holds(x) == _bytes(x, self.version)

        return stage.until(kept, 20)


def _denied(subject: _Subject, deny: Callable[[], None], allow: Callable[[], None]) -> None:
    """Use it before, while and after storing is denied; say what went wrong."""
    warnings = stage.warned()
    _call_all(subject, range(40))
    deny()
    _call_all(subject, range(40), version=0)  # hits, or runs
    _call_all(subject, range(100, 160))
    subject.version = 1
    for x in (1, 10):
        subject.call(x, _overwrite_cache=True)
    outcomes = _removed(subject)
    allow()
    for x in (1, 10):
        if subject.holds(x) == _bytes(x, 0):
            subject.wrong.append("an overwritten entry is read again")
    for x, what in ((2, "delete"), (20, "delete of a large one"), (3, "clear by tag")):
        if not outcomes.get(what, "").startswith("BackendError"):
            subject.forgets(x, what)
    _tell(subject, warnings, outcomes)


def _call_all(subject: _Subject, numbers: Iterable[int], version: int | None = None) -> None:
    for x in numbers:
        subject.call(x, version)


def _removed(subject: _Subject) -> dict[str, str]:
    """Remove entries; what comes of it, by what was done."""
    outcomes = {}
    for what, act in (
        ("delete", lambda: subject.function.invalidate(2)),
        ("delete of a large one", lambda: subject.function.invalidate(20)),
        ("clear by tag", lambda: cachu.cache_clear("t", backend="file", package=PACKAGE)),
    ):
        try:
            outcomes[what] = str(act())
        except BackendError as error:
            outcomes[what] = f"BackendError: {error.__cause__!r}"
        except Exception as error:
            subject.wrong.append(f"{what}: {type(error).__name__}: {error}")
    return outcomes


def _tell(subject: _Subject, warnings: list[str], outcomes: dict[str, str]) -> None:
    resumes = subject.resumes()
    stage.say(
        {"wrong": subject.wrong, "resumes": resumes, "warnings": warnings, "outcomes": outcomes}
    )


def limited(place: str) -> None:
    """Have a limit on the size of files stand in for a full disk."""
    import resource

    stage.configure(place)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    _denied(
        _Subject(),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard)),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)),
    )


def filled(place: str) -> None:
    """Fill a small disk up to the last byte, and make room again."""
    stage.configure(place)
    ballast = Path(place) / "ballast"

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 512):
                    continue
            except OSError:
                return

    _denied(_Subject(), fill, ballast.unlink)


def barred(place: str, what: str, uid: int | None) -> None:
    """Have the directory, or all that is in it, unwritable or read-only for a while."""
    root = Path(place) / "root"
    root.mkdir()
    if uid is not None:
        _become(uid, root, Path(place) / "elsewhere")
    stage.configure(root)
    subject = _Subject()
    if what == "new":
        warnings = stage.warned()
        root.chmod(0o500)
        _call_all(subject, [*range(20), *range(20)])
        root.chmod(0o700)
        _tell(subject, warnings, {})
        return

    def deny() -> None:
        for path in (*sorted(root.rglob("*"), reverse=True), root):
            path.chmod(0o500 if path.is_dir() else 0o400)
        if what == "reopened":
            cachu.clear_backends()

    def allow() -> None:
        root.chmod(0o700)
        for path in root.iterdir():
            path.chmod(0o700)
        for path in root.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)

    _denied(subject, deny, allow)


def _become(uid: int, root: Path, elsewhere: Path) -> None:
    """Be another user, whom modes concern."""
    elsewhere.mkdir()
    for folder in (root, elsewhere):
        os.chown(folder, uid, uid)
    # What is imported late is imported now: it may be readable for root alone.
    stage.configure(elsewhere)
    for name in ("copy", "inspect", "linecache", "traceback"):  # when something fails
        import_module(name)
    _Subject().call(1)
    cachu.cache_clear(backend="file", package=PACKAGE)
    cachu.clear_backends()
    os.setgid(uid)
    os.setuid(uid)


def _figures(title: str, said: dict[str, Any]) -> Iterator[Figure]:
    wrong = said["wrong"]
    shown = f"{len(wrong)}: {wrong[0]}" if wrong else 0
    yield stage.Figure(f"{title}: errors and wrong values", shown, "= 0", not wrong)
    warnings = said["warnings"]
    told = bool(warnings) and len(warnings) < 12
    yield stage.Figure(f"{title}: warnings", len(warnings), "1 to 11", told)
    yield exactly(f"{title}: caching resumes", said["resumes"], True)
    if said["outcomes"]:
        shown = "; ".join(f"{what}: {outcome[:60]}" for what, outcome in said["outcomes"].items())
        yield stage.Figure(f"{title}: outcomes", shown, "", ok=True)


def full(place: Path) -> Iterator[Figure]:
    """Let files not grow any more."""
    yield from _figures("files cannot grow", stage.once("disks:limited", place=place))


def really_full(place: Path) -> Iterator[Figure]:
    """Fill a small disk of our own; only for root, elsewhere nothing is measured."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    options = ["-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if not (mount and unmount) or _fails(mount, *options):
        yield stage.Figure("full disk", "cannot mount one here", "", ok=True)
        return
    try:
        yield from _figures("full disk", stage.once("disks:filled", place=place))
    finally:
        stage.until(lambda: not _fails(unmount, str(place)), 5)


def _fails(*command: str) -> bool:
    return bool(subprocess.run(command, capture_output=True, check=False).returncode)


def barred_directory(place: Path, what: str) -> Iterator[Figure]:
    """Have the directory be unwritable: `new`, `reopened` or `live`."""
    uid = None
    if os.geteuid() == 0:
        uid = NOBODY
        # Others have to get there.
        ours = Path(tempfile.gettempdir()).resolve()
        for folder in (place.resolve(), *place.resolve().parents):
            if folder != ours and folder.is_relative_to(ours):
                folder.chmod(folder.stat().st_mode | 0o011)
    said = stage.once("disks:barred", place=place, what=what, uid=uid)
    yield from _figures(f"unwritable directory, {what}", said)


def run(place: Path, scale: float) -> Iterator[Figure]:
    for name, scene in (("full", full), ("really", really_full)):
        (place / name).mkdir()
        yield from scene(place / name)
    for what in ("new", "reopened", "live"):
        (place / what).mkdir()
        yield from barred_directory(place / what, what)
