"""A value that is in memory, by the shape of the arguments that lead to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from harness import Column, Lane, Pace, Race, Results, define, entered, interleave, lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contenders import Peer


@dataclass(frozen=True)
class Point:
    x: int
    y: int


class Shape(NamedTuple):
    name: str
    signature: str
    call: str
    keywords: bool = False


USUAL = (
    Shape("int", "x", "f(7)"),
    Shape("none", "", "f()"),
    Shape("three", "user, number, limit=10", "f('user:42', 7, limit=20)", keywords=True),
    Shape("method", "self, x", "o.m(7)"),
    Shape("keyword_only", "*, x, y", "f(x=1, y=2)", keywords=True),
)
OTHERS = (
    Shape("bool", "x", "f(True)"),
    Shape("float", "x", "f(1.5)"),
    Shape("variadic", "*args, **kwargs", "f(1, 2, k=3)", keywords=True),
    Shape("tuple", "x", "f((1, 2))"),
    Shape("dataclass", "x", "f(point)"),
)


def make(shape: Shape, peer: Peer) -> Lane | None:
    """Make the lane of hits of one contender, having made sure that they are hits."""
    if peer.plain is None:
        return None
    runs: list[int] = []
    function = define(shape.signature, "runs.append(1); return 42", runs=runs)
    f = peer.plain(function, keywords=shape.keywords)
    names: dict[str, Any] = {"f": f}
    if shape.name == "method":
        names = {"o": type("Owner", (), {"m": f})()}
    elif shape.name == "dataclass":
        names["point"] = Point(1, 2)
    run = lane(shape.call, **names)
    run(2)
    if len(runs) != 1:
        message = f"the function ran {len(runs)} times"
        raise RuntimeError(message)
    return run


def _run(shapes: Sequence[Shape], peers: Sequence[Peer], pace: Pace) -> Results:
    for shape in shapes:
        lanes, notes = entered(peers, partial(make, shape))
        yield shape.name, interleave(lanes, Race.reference, pace) | notes


def _race(name: str, title: str, shapes: Sequence[Shape]) -> Race:
    columns = [Column(shape.name, shape.call) for shape in shapes]
    return Race(name, title, columns, partial(_run, shapes))


def races() -> list[Race]:
    return [
        _race("hits", "Memory hit", USUAL),
        _race("hits_by_type", "Memory hit, other arguments", OTHERS),
    ]
