"""A hundred thousand entries on disk: opening, counting and clearing them."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

from harness import Cell, Column, Pace, Race, Results

from races.file import OURS, PACKAGE, REFERENCE, SMALL, place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contenders import Peer

ENTRIES, FEWER = 100_000, 20_000
TAGGED = 1_000


def _milliseconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - start) / 1e6


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    import diskcache

    import cachu

    entries = ENTRIES if pace.largest > ENTRIES else FEWER
    with place() as folder:
        cache = diskcache.Cache(f"{folder}/many", tag_index=True, size_limit=2**40)
        backend = cachu.get_backend("file", ttl=None, package=PACKAGE)
        with cache.transact():
            for number in range(entries):
                tag = "some" if number % (entries // TAGGED) == 0 else "others"
                cache.set(f"key {number}", SMALL, tag=tag)
        for number in range(entries):
            tag = "some" if number % (entries // TAGGED) == 0 else "others"
            backend.set(f"key {number}", SMALL, tag=tag)

        def reopen() -> None:
            again = cachu.get_backend("file", ttl=None, package=PACKAGE)
            assert again.get("key 1") == SMALL

        def reopen_other() -> None:
            assert diskcache.Cache(f"{folder}/many").get("key 1") == SMALL

        opened: dict[str, list[float]] = {OURS: [], REFERENCE: []}
        for _ in range(7):
            cachu.clear_backends()
            opened[OURS].append(_milliseconds(reopen))
            opened[REFERENCE].append(_milliseconds(reopen_other))
        yield "open", {name: Cell(median(times)) for name, times in opened.items()}
        backend = cachu.get_backend("file", ttl=None, package=PACKAGE)
        assert backend.count() == entries
        works = {
            "count": (backend.count, lambda: len(cache)),
            "count_tag": (lambda: backend.count(tag="some"), None),
            "clear_tag": (lambda: backend.clear("some"), lambda: cache.evict("some")),
            "clear": (backend.clear, cache.clear),
        }
        for column, (ours, theirs) in works.items():
            cells = {OURS: Cell(_milliseconds(ours)), REFERENCE: Cell(note="cannot")}
            if theirs is not None:
                cells[REFERENCE] = Cell(_milliseconds(theirs))
            yield column, cells


def races() -> list[Race]:
    columns = [
        Column("open", "open, and one hit", "ms"),
        Column("count", "count", "ms"),
        Column("count_tag", f"count a tag, {TAGGED:,}", "ms"),
        Column("clear_tag", "clear that tag", "ms"),
        Column("clear", "clear the rest", "ms"),
    ]
    title = f"Files: {ENTRIES:,} entries"
    return [Race("file_many", title, columns, _run, reference="", releases=False)]
