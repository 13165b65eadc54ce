"""What each option of `cachu.cache` costs, on a hit and on a miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from harness import REFERENCE, Column, Pace, Race, Results, define, fresh_lane, interleave, lane

from races.hits import Point
from races.misses import TURNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contenders import Peer


class Option(NamedTuple):
    name: str
    options: dict[str, Any]
    signature: str = "x"
    call: str = "f(key)"
    body: str = "return 42"


OPTIONS = (
    Option("no option", {}),
    Option("tag='t'", {"tag": "t"}),
    Option("ttl=None", {"ttl": None}),
    Option("memory_maxsize=100_000", {"package": "bounded"}),
    Option("cache_if=", {"cache_if": lambda result: True}),
    Option("validate=", {"validate": lambda entry: True}),
    Option("exclude={'db'}", {"exclude": {"db"}}, "x, db", "f(key, None)"),
    Option("copy=True, an int", {"copy": True}),
    Option("copy=True, a list", {"copy": True}, body="return [1, 2, 3]"),
    Option("default limit=10", {}, "x, limit=10"),
    Option("default size=(1, 2)", {}, "x, size=(1, 2)"),
    Option("default sort=len", {}, "x, sort=len"),
    Option("default at=Point(1, 2)", {}, "x, at=Point(1, 2)"),
)


def _maker(option: Option) -> Callable[[], Any]:
    import cachu

    cachu.configure(package="bounded", memory_maxsize=100_000)
    options = {"package": "bench", **option.options}

    def make() -> Any:
        return cachu.cache(**options)(define(option.signature, option.body, Point=Point))

    return make


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    decorate = next(peer for peer in peers if peer.name == REFERENCE).plain
    assert decorate is not None
    hits, misses = {}, {}
    hits[REFERENCE] = lane("f(7)", f=decorate(define("x")))
    misses[REFERENCE] = fresh_lane("f(key)", lambda: decorate(define("x")))
    for option in OPTIONS:
        make = _maker(option)
        hits[option.name] = lane(option.call.replace("key", "7"), f=make())
        misses[option.name] = fresh_lane(option.call, make)
    yield "hit", interleave(hits, REFERENCE, pace)
    yield "miss", interleave(misses, REFERENCE, pace, TURNS)


def races() -> list[Race]:
    columns = [Column("hit", "hit, f(7)"), Column("miss", "miss and store")]
    return [Race("options", "What options of cachu cost", columns, _run, releases=False)]
