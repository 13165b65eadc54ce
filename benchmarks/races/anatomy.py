"""What a hit and a miss are made of: the least that Python code could do, step by step.

Each contender does what the one before it does and one thing more. The last is cachu itself: what
it adds to the sum of the steps before is its own, the rest is what this Python costs.
"""

from __future__ import annotations

import builtins
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from harness import Column, Lane, Pace, Race, Results, define, fresh_lane, interleave, lane

from races.misses import TURNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contenders import Peer

FUNCTION = "a plain function"
LOOK_UP = "+ look-up"
CONTROL = "+ per-call control"
TYPES = "+ types of arguments"
CLOCK = "+ clock"
COUNTER = "+ counter"
OURS = "cachu"
STEPS = (FUNCTION, LOOK_UP, CONTROL, TYPES, CLOCK, COUNTER)
MISSES = ("look-up fails, function runs, value is stored", "+ one caller at a time")


class Shape(NamedTuple):
    name: str
    signature: str
    key: str
    call: str
    types: dict[str, str]
    sample: dict[str, Any]


SHAPES = (
    Shape("int", "x", "x", "f(7)", {"t0": "x"}, {"x": 7}),
    Shape(
        "three",
        "user, number, limit=10",
        "user, number, limit",
        "f('user:42', 7, limit=20)",
        {"t0": "user", "t1": "number", "t2": "limit"},
        {"user": "user:42", "number": 7, "limit": 20},
    ),
    Shape("method", "self, x", "type(self), x", "o.m(7)", {"t0": "x"}, {"x": 7}),
)


def _hit(shape: Shape, step: str) -> Any:
    """Write the function that does everything up to *step*."""
    doing = STEPS[: STEPS.index(step) + 1]
    control = CONTROL in doing
    checks = [f"type({name}) is {kind}" for kind, name in shape.types.items()]
    tests = checks if TYPES in doing else []
    tests = [*tests, "time.time() < deadline"] if CLOCK in doing else tests
    found = ["hits += 1"] * (COUNTER in doing) + ["return value"]
    if tests:
        found = [f"if {' and '.join(tests)}:", *(f"    {line}" for line in found)]
    body = ["return 42"]
    if LOOK_UP in doing:
        body = [
            "try:",
            f"    value, deadline, {', '.join(shape.types)} = entries[{shape.key}]",
            *(f"    {line}" for line in found),
            "except KeyError:",
            "    return None",
        ]
    if control:
        body = [
            "if more is None and skip is None and overwrite is None:",
            *(f"    {line}" for line in body),
        ]
    signature = shape.signature + ", more=None, skip=None, overwrite=None" * control
    lines = [
        "def make():",
        "    hits = 0",
        f"    def call({signature}):",
        "        nonlocal hits",
        *(f"        {line}" for line in body),
        "    return call",
    ]
    scope: dict[str, Any] = {"time": time, "entries": {}, "__builtins__": builtins}
    exec("\n".join(lines), scope)  # noqa: S102 - ours
    call = scope["make"]()
    owner = type("Owner", (), {"m": call})
    key = eval(shape.key, {"type": type}, {"self": owner(), **shape.sample})  # noqa: S307 - ours
    scope["entries"][key] = (42, time.time() + 1e6, *map(type, shape.sample.values()))
    return owner if shape.name == "method" else call


def _lane_of(shape: Shape, made: Any) -> Lane:
    return lane(shape.call, o=made()) if shape.name == "method" else lane(shape.call, f=made)


def _bare_miss(*, single_flight: bool) -> Any:
    """Write the least that a memoizer with expiry does on a miss."""
    entries: dict[Any, Any] = {}
    under_way: dict[Any, object] = {}
    function = define("x")

    def simple(x: Any) -> Any:
        try:
            value, deadline, kind = entries[x]
            if type(x) is kind and time.time() < deadline:
                return value
        except KeyError:
            kind = type(x)
        value = function(x)
        entries[x] = (value, time.time() + 300, kind)
        return value

    def single(x: Any) -> Any:
        try:
            value, deadline, kind = entries[x]
            if type(x) is kind and time.time() < deadline:
                return value
        except KeyError:
            kind = type(x)
        token = object()
        if under_way.setdefault(x, token) is token:
            try:
                value = function(x)
                entries[x] = (value, time.time() + 300, kind)
            finally:
                under_way.pop(x, None)
        return value

    return single if single_flight else simple


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    ours = next(peer for peer in peers if peer.name == OURS).plain
    assert ours is not None
    for shape in SHAPES:
        function = ours(define(shape.signature), keywords=False)
        made = type("Owner", (), {"m": function}) if shape.name == "method" else function
        lanes = {step: _lane_of(shape, _hit(shape, step)) for step in STEPS}
        yield shape.name, interleave(lanes | {OURS: _lane_of(shape, made)}, FUNCTION, pace)
    lanes = {
        FUNCTION: fresh_lane("f(key)", lambda: define("x")),
        MISSES[0]: fresh_lane("f(key)", lambda: _bare_miss(single_flight=False)),
        MISSES[1]: fresh_lane("f(key)", lambda: _bare_miss(single_flight=True)),
        OURS: fresh_lane("f(key)", lambda: ours(define("x"))),
    }
    yield "miss", interleave(lanes, FUNCTION, pace, TURNS)


def races() -> list[Race]:
    columns = [Column(shape.name, f"hit, {shape.call}") for shape in SHAPES]
    columns.append(Column("miss", "miss, f(key)"))
    title = "What a hit and a miss are made of"
    return [Race("anatomy", title, columns, _run, reference=FUNCTION, releases=False)]
