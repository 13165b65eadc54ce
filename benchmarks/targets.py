"""The figures that cachu is held to, side by side for every Python that was measured."""

from __future__ import annotations

from typing import Any, NamedTuple

from report import short


class Target(NamedTuple):
    """At most `limit`, for a figure of cachu, or for it as a part of somebody else's."""

    title: str
    race: str
    column: str
    limit: float
    unit: str = "x"
    over: str = ""
    limits: dict[str, float] = {}  # noqa: RUF012 - never changed
    ratio: bool = True


TARGETS = (
    Target("hit, f(int), to lru_cache", "hits", "int", 4, limits={"3.10": 5.5}),
    Target("hit, f(int), to cachebox", "hits", "int", 0.45, over="cachebox"),
    Target("hit, f(int), to cachu 0.2.1", "hits", "int", 1 / 30, over="cachu 0.2.1"),
    Target("hit, three parameters, one by keyword, to lru_cache", "hits", "three", 1.8),
    Target("hit, method, to lru_cache", "hits", "method", 2.8),
    Target("miss and store, to lru_cache", "misses", "int", 13),
    Target("async hit, to a bare await", "async_calls", "hit", 3),
    Target("async miss, to a bare await", "async_calls", "miss", 25),
    Target("stampede, 50 threads: runs", "stampede", "threads_runs", 1, "", ratio=False),
    Target("stampede, 50 threads: in all", "stampede", "threads_ms", 60, "ms", ratio=False),
    Target("stampede, 500 tasks: runs", "stampede", "tasks_runs", 1, "", ratio=False),
    Target("stampede, 500 tasks: in all", "stampede", "tasks_ms", 100, "ms", ratio=False),
    Target("cache_info, 1,000,000 entries", "growth", "info", 1, "ms", ratio=False),
    Target("clear a tag, 100,000 of 1,100,000", "growth", "clear_part", 300, "ms", ratio=False),
    Target("clear a tag, 1,000,000", "growth", "clear_all", 300, "ms", ratio=False),
    Target("import cachu, more than bare Python", "imports", "more", 20, "ms", ratio=False),
    Target("decorate a function", "decoration", "decorate", 60, "us", ratio=False),
    Target("bytes per entry, f(int)", "memory", "int", 160, "B", ratio=False),
    Target("file: hit, 100 B, to diskcache.Cache", "file", "hit", 0.8),
    Target("file: set, 100 B, to diskcache.Cache", "file", "set", 0.6),
    Target("file: hit, 1 MB, to diskcache.Cache", "file", "hit_1mb", 1.5),
    Target("file: set, 1 MB, to diskcache.Cache", "file", "set_1mb", 0.4),
    Target("file: async hit, to a thread with diskcache", "file_async", "hit", 0.5),
    Target("file: async set, to a thread with diskcache", "file_async", "set", 0.5),
    Target("file: count 100,000 entries", "file_many", "count", 20, "ms", ratio=False),
    Target("file: clear a tag, 1,000 of 100,000", "file_many", "clear_tag", 150, "ms", ratio=False),
    Target("file: open, 100,000 entries", "file_many", "open", 10, "ms", ratio=False),
    Target("redis: hit, to GET + loads", "redis", "hit", 1.1),
    Target("redis: miss and store with lock, to GET + SET", "redis", "miss", 1.6),
    Target("redis: near hit, to GET + loads", "redis", "near", 0.01),
    Target("redis: async hit, to GET + loads", "redis_async", "hit", 1.2),
    Target("redis: async miss and store with lock, to GET + SET", "redis_async", "miss", 1.6),
    Target(
        "redis: 8 processes of 50 threads: runs",
        "redis_stampede",
        "threads_runs",
        1,
        "",
        ratio=False,
    ),
    Target(
        "redis: 8 processes of 50 threads: in all",
        "redis_stampede",
        "threads_ms",
        650,
        "ms",
        ratio=False,
    ),
    Target(
        "redis: 8 processes of 50 tasks: runs", "redis_stampede", "tasks_runs", 1, "", ratio=False
    ),
    Target(
        "redis: 8 processes of 50 tasks: in all",
        "redis_stampede",
        "tasks_ms",
        350,
        "ms",
        ratio=False,
    ),
)


def figure(results: dict[str, Any], target: Target) -> float | None:
    """Look a target's figure up in the results of one Python."""
    if results["quick"] and target.race in ("growth", "file_many"):
        return None  # they stop before there are so many entries
    for race in results["races"]:
        if race["name"] == target.race:
            cells = race["cells"].get(target.column, {})
            kind = "ratio" if target.ratio else "value"
            ours = cells.get("cachu", {}).get(kind)
            theirs = cells.get(target.over, {}).get(kind) if target.over else 1
            return ours / theirs if ours is not None and theirs else None
    return None


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the targets with what was measured, as Markdown; *results* by Python version."""
    lines = [
        f"| | at most | {' | '.join(results)} |",
        f"| --- | ---: |{' ---: |' * len(results)}",
    ]
    for target in TARGETS:
        limits = dict.fromkeys(
            [_spelled(target.limits.get(p, target.limit), target.unit) for p in results]
        )
        cells = []
        for python, found in results.items():
            value = figure(found, target)
            limit = target.limits.get(python, target.limit)
            missed = value is not None and value > limit
            cells.append(
                "-" if value is None else _spelled(value, target.unit) + " **missed**" * missed
            )
        lines.append(f"| {target.title} | {' / '.join(limits)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spelled(number: float, unit: str) -> str:
    if unit == "x":
        return f"{number:.3f}x" if number < 0.1 else f"{number:.2f}x"
    return f"{short(number)} {unit}".strip()
