"""The few ratios that say most, beside those of the best peer: what the page begins with."""

from __future__ import annotations

from typing import Any, NamedTuple

from report import short


class Headline(NamedTuple):
    """A column of a race, in the reader's words."""

    title: str
    race: str
    column: str
    reference: str


HEADLINES = (
    Headline("hit, `f(7)`", "hits", "int", "functools.lru_cache"),
    Headline("hit, a method", "hits", "method", "functools.lru_cache"),
    Headline("miss and store", "misses", "int", "functools.lru_cache"),
    Headline("coroutine: hit", "async_calls", "hit", "a bare await"),
    Headline("coroutine: miss and store", "async_calls", "miss", "a bare await"),
    Headline("file: hit", "file", "hit", "diskcache.Cache"),
    Headline("file: set", "file", "set", "diskcache.Cache"),
    Headline("file: hit in a coroutine", "file_async", "hit", "the same in a thread"),
    Headline("Redis: hit", "redis", "hit", "GET and loads"),
    Headline("Redis: miss and store, with lock", "redis", "miss", "GET, dumps and SET"),
    Headline("Redis: hit in a coroutine", "redis_async", "hit", "GET and loads"),
)


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the ratios of the newest Python that has them, as Markdown; *results* by version."""
    lines = [
        "| | cachu | best peer | times as long as |",
        "| --- | ---: | --- | --- |",
    ]
    used: dict[str, None] = {}
    for headline in HEADLINES:
        found = newest(results, headline.race)
        if not found:
            continue
        python, race = found
        used[python] = None
        ratios = {
            name: cell["ratio"]
            for name, cell in race["cells"].get(headline.column, {}).items()
            if cell["ratio"] is not None
        }
        peers = {
            name: ratio
            for name, ratio in ratios.items()
            if name != race["reference"] and not name.startswith("cachu")
        }
        best = min(peers, key=lambda name: peers[name], default=None)
        ours = f"**{short(ratios['cachu'])}**" if "cachu" in ratios else "-"
        theirs = f"{short(peers[best])} ({best})" if best else "-"
        lines.append(f"| {headline.title} | {ours} | {theirs} | {headline.reference} |")
    return "\n".join([*lines, "", _about(results, list(used))])


def _about(results: dict[str, dict[str, Any]], used: list[str]) -> str:
    if not used:
        return "Nothing was measured yet."
    found = results[used[0]]
    others = "".join(f"; what that has not is of Python {python}" for python in used[1:])
    return f"Python {found['python']}, {found['date']}, {found['machine']}{others}."


def newest(results: dict[str, dict[str, Any]], name: str) -> tuple[str, dict[str, Any]] | None:
    """Return the newest Python that has a race, and the race."""
    for python in reversed(results):
        for race in results[python]["races"]:
            if race["name"] == name:
                return python, race
    return None
