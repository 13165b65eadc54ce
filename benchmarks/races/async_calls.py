"""Cached coroutine functions, against awaiting a bare one that does nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness import (
    Column,
    Lane,
    Pace,
    Race,
    Results,
    define,
    entered,
    fresh_lane,
    interleave,
    lane,
)

from races.misses import TURNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contenders import Peer

BARE = "bare await"


def _hit(peer: Peer) -> Lane | None:
    if peer.coroutine is None:
        return None
    f = peer.coroutine(define("x", coroutine=True))
    run = lane("await f(7)", coroutine=True, f=f)
    run(2)
    return run


def _miss(peer: Peer) -> Lane | None:
    if peer.coroutine is None:
        return None
    decorate = peer.coroutine
    run = fresh_lane("await f(key)", lambda: decorate(define("x", coroutine=True)), coroutine=True)
    run(1)
    return run


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    bare = partial(define, "x", coroutine=True)
    hits, notes = entered(peers, _hit)
    hits = {BARE: lane("await f(7)", coroutine=True, f=bare()), **hits}
    yield "hit", interleave(hits, BARE, pace) | notes
    misses, notes = entered(peers, _miss)
    misses = {BARE: fresh_lane("await f(key)", bare, coroutine=True), **misses}
    yield "miss", interleave(misses, BARE, pace, TURNS) | notes


def races() -> list[Race]:
    columns = [Column("hit", "await f(7), hit"), Column("miss", "await f(key), miss and store")]
    return [Race("async_calls", "Coroutine functions", columns, _run, reference=BARE)]
