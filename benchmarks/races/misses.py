"""A value that is not in memory yet: run the function, which does nothing, and keep its result."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from harness import Column, Lane, Pace, Race, Results, define, entered, fresh_lane, interleave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contenders import Peer

TURNS = 250  # of four calls


class Shape(NamedTuple):
    name: str
    signature: str
    call: str
    keywords: bool = False


SHAPES = (
    Shape("int", "x", "f(key)"),
    Shape("three", "user, number, limit=10", "f('user:42', key, limit=20)", keywords=True),
    Shape("tuple", "x", "f((1, key))"),
)


def _make(shape: Shape, peer: Peer) -> Lane | None:
    if peer.plain is None:
        return None
    decorate = partial(peer.plain, keywords=shape.keywords)
    run = fresh_lane(shape.call, lambda: decorate(define(shape.signature)))
    run(1)
    return run


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    for shape in SHAPES:
        lanes, notes = entered(peers, partial(_make, shape))
        yield shape.name, interleave(lanes, Race.reference, pace, TURNS) | notes


def races() -> list[Race]:
    columns = [Column(shape.name, shape.call) for shape in SHAPES]
    return [Race("misses", "Memory miss and store", columns, _run)]
