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
    Headline("hit, `f(7)`", "hits", "int", "`lru_cache`"),
    Headline("hit, a method", "hits", "method", "`lru_cache`"),
    Headline("miss and store", "misses", "int", "`lru_cache`"),
    Headline("coroutine: hit", "async_calls", "hit", "a bare await"),
    Headline("coroutine: miss and store", "async_calls", "miss", "a bare await"),
    Headline("file: hit", "file", "hit", "`diskcache.Cache`"),
    Headline("file: set", "file", "set", "`diskcache.Cache`"),
    Headline("file: hit in a coroutine", "file_async", "hit", "`diskcache.Cache` in a thread"),
    Headline("Redis: hit", "redis", "hit", "`GET` and `loads`"),
    Headline("Redis: miss and store with lock", "redis", "miss", "`GET`, `dumps` and `SET`"),
    Headline("Redis: hit in a coroutine", "redis_async", "hit", "`GET` and `loads`"),
)


def shown(results: dict[str, dict[str, Any]]) -> str:
    """Return the Python whose figures are shown first: with most races, and the newest of those."""
    return max(reversed(results), key=lambda python: len(results[python]["races"]))


def table(found: dict[str, Any]) -> str:
    """Return the ratios of one Python, as Markdown."""
    lines = [
        "| | cachu | best peer |",
        "| --- | ---: | --- |",
    ]
    races = {race["name"]: race for race in found["races"]}
    for headline in HEADLINES:
        if headline.race not in races:
            continue
        race = races[headline.race]
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
        lines.append(f"| {headline.title}, to {headline.reference} | {ours} | {theirs} |")
    return "\n".join(lines)
