"""Values and keys of all kinds, and values that nobody can read any more."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import stage
from stage import PACKAGE, exactly

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage import Figure

TEXTS = (
    *("", " ", "\x00", "a\x00b", "\ud800", "a\udfffb", "\U0001f600", "é", "e\u0301", "*", "%", "'"),
    *('"', "\\", "/", "../../x", ":", "::", "a:b", "\n", "[*]", "\xff", "\ufffe", "x" * 1_000_000),
    *("x" * 999_999 + ":", ":" + "x" * 1_000_000, "\ud800" * 400_000),
)
MODULE = "class Kept:\n    def __init__(self, x):\n        self.x = x\n"


def texts(place: str, write: bool) -> None:
    """Use hostile texts as arguments, as keys of one's own, as tags and as names of functions."""
    stage.configure(place)
    warnings = stage.warned()
    wrong: list[str] = []
    runs: list[str] = []

    @cachu.cache(backend="file", package=PACKAGE, name="soak.texts")
    def function(text: str) -> list[str]:
        runs.append(text)
        return [text]

    @cachu.cache(backend="file", package=PACKAGE, name="soak.plain", key_serializer="text")
    def plainly(text: str) -> list[str]:
        return [text, "plainly"]

    backend = stage.backend()
    for number, text in enumerate(TEXTS):
        if write:
            backend.set(text, [text, "own"], tag=text)
        tests = {
            "argument": function(text) == [text],
            "argument in plain text": plainly(text) == [text, "plainly"],
            "own key": backend.get(text, None) == [text, "own"],
            "hit": function(text) == [text],
            "tag": not text or backend.count(tag=text) == 1,
            "function": backend.count(function=text) == _of_function(text, number, write),
        }
        wrong += [f"{what} {text[:20]!r}" for what, right in tests.items() if not right]
        named = cachu.cache(backend="file", package=PACKAGE, name=f"soak.named {text}")(_nothing)
        named(number)
        if cachu.cache_info(named).currsize != 1:
            wrong.append(f"name {text[:20]!r}")
    again = len(runs) - (len(TEXTS) if write else 0)
    stage.say({"wrong": wrong, "again": again, "warnings": warnings})


def _of_function(text: str, number: int, write: bool) -> int:
    """Return how many of the keys that are there now name this function."""
    there = TEXTS[: number + 1] if write else TEXTS
    return sum(":" in key and key.rpartition(":")[0] == text for key in there)


def _nothing(x: int) -> int:
    return x


def packages(place: str) -> None:
    """Use hostile texts as names of packages."""
    wrong: list[str] = []
    short = [text for text in TEXTS[:-3] if text.strip() and text != "*"]
    functions = []
    for text in short:
        cachu.configure(package=text, backend="file", file_dir=place)
        functions.append(cachu.cache(package=text, name="same")(lambda x, text=text: [x, text]))
    for _ in range(2):
        for text, function in zip(short, functions):
            if function(1) != [1, text]:
                wrong.append(f"{text[:20]!r} has another's")
    for text, function in zip(short, functions):
        if cachu.cache_info(function).misses != 1 or cachu.cache_clear(package=text) != 1:
            wrong.append(f"{text[:20]!r} is not cached, or not cleared, alone")
    outside = [path.name for path in Path(place).iterdir() if not path.name.startswith("cachu-")]
    stage.say({"wrong": wrong + outside})


def unstorable(place: str) -> None:
    """Return what cannot be pickled."""
    stage.configure(place)
    warnings = stage.warned()
    wrong: list[str] = []

    @cachu.cache(backend="file", package=PACKAGE, name="soak.unstorable")
    def function(x: int) -> Any:
        return {0: lambda: x, 1: threading.Lock(), 2: _Sly(), 3: [x]}[x % 4]

    for x in (*range(40), *range(40)):
        found = function(x)
        if x % 4 == 3 and found != [x]:
            wrong.append(f"{x}: {found!r}")
        if x % 4 == 0 and found() != x:
            wrong.append(f"{x}: not the result")
    stored = cachu.cache_info(function).currsize
    stage.say({"wrong": wrong, "stored": stored, "warnings": warnings})


class _Sly:
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


def moved(place: str, renamed: bool) -> None:
    """Store objects of a class; the next release has given it another name."""
    sys.path.insert(0, place)
    folder = Path(place)
    name = "Other" if renamed else "Kept"
    (folder / "soak_module.py").write_text(MODULE.replace("Kept", name))
    import soak_module  # type: ignore[import-not-found]

    stage.configure(folder / "root")
    warnings = stage.warned()
    runs: list[int] = []

    @cachu.cache(backend="file", package=PACKAGE, name="soak.moved", ttl=None)
    def function(x: int) -> Any:
        runs.append(x)
        return getattr(soak_module, name)(x)

    wrong = [x for x in (*range(5), *range(5)) if function(x).x != x]
    stage.say({"wrong": wrong, "runs": len(runs), "warnings": len(warnings)})


def strange_texts(place: Path) -> Iterator[Figure]:
    """Write hostile texts in one process and read them in another."""
    first = stage.once("contents:texts", place=place, write=True)
    second = stage.once("contents:texts", place=place, write=False)
    yield exactly("hostile texts: wrong", len(first["wrong"]), 0)
    yield stage.Figure(
        "hostile texts: wrong next time", str(second["wrong"][:3]), "[]", not second["wrong"]
    )
    yield exactly("hostile texts: computed again next time", second["again"], 0)
    yield exactly("hostile texts: warnings", len(first["warnings"] + second["warnings"]), 0)
    said = stage.once("contents:packages", place=place / "packages")
    yield stage.Figure("hostile packages: wrong", str(said["wrong"][:3]), "[]", not said["wrong"])


def unstorable_values(place: Path) -> Iterator[Figure]:
    """Return what cannot be stored."""
    said = stage.once("contents:unstorable", place=place)
    yield exactly("values that cannot be stored: wrong results", len(said["wrong"]), 0)
    yield exactly("values that cannot be stored: what can, is", said["stored"], 10)
    yield exactly("values that cannot be stored: warnings", len(said["warnings"]), 1)


def renamed_class(place: Path) -> Iterator[Figure]:
    """Rename the class of what is stored."""
    stage.once("contents:moved", place=place, renamed=False)
    for cached in place.glob("__pycache__/*"):
        cached.unlink()
    said = stage.once("contents:moved", place=place, renamed=True)
    yield exactly("a class renamed: wrong results", len(said["wrong"]), 0)
    yield exactly("a class renamed: computed again, once each", said["runs"], 5)
    yield exactly("a class renamed: warnings", said["warnings"], 1)


def run(place: Path, scale: float) -> Iterator[Figure]:
    for name, scene in (
        ("texts", strange_texts),
        ("unstorable", unstorable_values),
        ("moved", renamed_class),
    ):
        (place / name).mkdir()
        yield from scene(place / name)
