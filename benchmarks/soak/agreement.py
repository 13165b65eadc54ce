"""Thousands of operations over several processes and both colours, compared with a model."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import stage
from stage import PACKAGE, exactly

import cachu
from cachu.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stage import Figure

TTLS = {"f": 60.0, "g": 90.0}
TAGS = {"f": "red", "g": "blue"}
START = 1_700_000_000.0


def following(place: str, number: int) -> None:  # noqa: C901  small functions
    """Do as one is told, one operation at a time, in one colour: even numbers are plain."""
    stage.configure(place)
    clock = FakeClock(START)
    version: list[int] = []
    loop = asyncio.new_event_loop()
    asynchronous = bool(number % 2)

    def body(name: str) -> Any:
        if not asynchronous:
            return lambda x: [name, x, version[-1]]

        async def function(x: int) -> Any:
            return [name, x, version[-1]]

        return function

    functions = {
        name: cachu.cache(backend="file", ttl=ttl, tag=TAGS[name], package=PACKAGE, name=name)(
            body(name)
        )
        for name, ttl in TTLS.items()
    }

    def lift(result: Any) -> Any:
        if not asynchronous:
            return result
        if number == 1:  # the others have one loop for all
            return asyncio.run(result)
        return loop.run_until_complete(result)

    prefix = "async_" if asynchronous else ""

    def api(name: str) -> Any:
        return getattr(cachu, name.replace("cache_", f"{prefix}cache_"))

    def backend(ttl: float) -> Any:
        get = cachu.get_async_backend if asynchronous else cachu.get_backend
        found = get("file", ttl=ttl, package=PACKAGE)
        return lift(found) if asynchronous else found

    def act(what: str, name: str, x: int, tag: str | None, life: float | None) -> Any:
        function, ttl, key = functions[name], TTLS[name], f"own {x}"
        own = ["own", x, version[-1]]
        acts = {
            "call": lambda: function(x),
            "overwrite": lambda: function(x, _overwrite_cache=True),
            "get": lambda: backend(ttl).get(key, None),
            "set": lambda: backend(ttl).set(key, own, life or ttl, tag or ""),
            "delete": lambda: backend(ttl).delete(key),
            "invalidate": lambda: function.invalidate(x),
            "clear": lambda: api("cache_clear")(tag, "file", life and ttl, PACKAGE),
            "count": lambda: backend(ttl).count(tag),
            "currsize": lambda: api("cache_info")(function),
        }
        found = lift(acts[what]())
        return found.currsize if what == "currsize" else found

    with clock:
        stage.say("ready")
        while True:
            now, serial, operation = stage.hear()
            clock.set(START + now)
            version.append(serial)
            stage.say(act(*operation))


class _Model:
    """What the store must do: entries as (value, deadline, tag), by region and key."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], tuple[Any, float, str]] = {}

    def _fresh(self, now: float) -> dict[tuple[str, str], tuple[Any, float, str]]:
        return {key: entry for key, entry in self.entries.items() if now < entry[1]}

    def act(
        self,
        now: float,
        serial: int,
        what: str,
        name: str,
        x: int,
        tag: str | None,
        life: float | None,
    ) -> Any:
        fresh = self._fresh(now)
        own, called = (name, f"own {x}"), (name, f"f {x}")
        if what in ("call", "overwrite"):
            if what == "overwrite" or called not in fresh:
                self.entries[called] = ([name, x, serial], now + TTLS[name], TAGS[name])
            return self.entries[called][0]
        if what == "get":
            return fresh[own][0] if own in fresh else None
        if what == "set":
            until = now + (TTLS[name] if life is None else life)
            self.entries[own] = (["own", x, serial], until, tag or "")
            return None
        if what in ("delete", "invalidate"):
            key = own if what == "delete" else called
            self.entries.pop(key, None)
            return key in fresh
        if what == "clear":
            gone = [
                key
                for key, entry in fresh.items()
                if tag in (None, entry[2]) and (life is None or key[0] == name)
            ]
            for key in gone:
                del self.entries[key]
            return len(gone)
        return sum(
            key[0] == name
            and (tag in (None, entry[2]) if what == "count" else key[1].startswith("f "))
            for key, entry in fresh.items()
        )


WEIGHTS = {
    "call": 40,
    "get": 20,
    "set": 15,
    "overwrite": 3,
    "delete": 5,
    "invalidate": 5,
    "clear": 2,
    "count": 5,
    "currsize": 5,
}


def mixed(place: Path, operations: int, processes: int = 4) -> Iterator[Figure]:
    """Have the processes do random operations in turn, and compare each outcome."""
    chance = random.Random(operations)
    model, now, differ = _Model(), 0.0, []
    with stage.workers(processes, "agreement:following", place=place) as followers:
        for follower in followers:
            assert follower.hear() == "ready"
        for serial in range(operations):
            now += chance.choice((0.0, 0.0, 0.125, 1.0, 7.0))
            what = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            tag = chance.choice((None, "red", "blue", "green"))
            life = chance.choice((None, 5.0, 30.0))
            operation = [what, chance.choice("fg"), chance.randrange(30), tag, life]
            found = chance.choice(followers).ask([now, serial, operation])
            expected = model.act(now, serial, *operation)  # type: ignore[arg-type]
            if found != expected:
                differ.append(f"{serial} {operation}: {found}, not {expected}")
    title = f"{operations} mixed operations, {processes} processes"
    yield stage.Figure(
        f"{title}: differences", f"{len(differ)} {differ[:1]}" if differ else 0, "= 0", not differ
    )


def sharing(place: str, colour: str) -> None:
    """Call one function under one name, in one colour."""
    stage.configure(place)
    runs = []

    def body(x: int) -> Any:
        runs.append(x)
        return {"x": x, "by": colour}

    async def async_body(x: int) -> Any:
        return body(x)

    options: dict[str, Any] = {"backend": "file", "package": PACKAGE, "name": "soak.shared"}
    if colour == "sync":
        found = [cachu.cache(**options)(body)(x) for x in range(10)]
    else:
        function = cachu.async_cache(**options)(async_body)
        found = [asyncio.run(function(x)) for x in range(10)]
    stage.say([found, len(runs)])


def shared(place: Path) -> Iterator[Figure]:
    """Have what one colour stores in one process be hit by the other colour in another."""
    for first, second in (("sync", "async"), ("async", "sync")):
        folder = place / first
        folder.mkdir()
        made, ran = stage.once("agreement:sharing", place=folder, colour=first)
        hit, again = stage.once("agreement:sharing", place=folder, colour=second)
        yield exactly(f"stored by {first} in one process: runs", ran, 10)
        yield exactly(f"stored by {first}, {second} in another process: runs", again, 0)
        yield exactly(f"stored by {first}, {second} in another process: equal", made == hit, True)


def run(place: Path, scale: float) -> Iterator[Figure]:
    (place / "mixed").mkdir()
    yield from mixed(place / "mixed", max(300, int(3_000 * scale)))
    yield from shared(place)
