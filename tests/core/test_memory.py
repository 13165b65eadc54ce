"""Entries in memory: bounds, sweeping, release, tags, and all of it against a model (T, S, V2)."""

from __future__ import annotations

import gc
import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import cachu
from cachu.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Colour, Subject


class Value:
    """Something that can be watched."""

    def __init__(self, x: Any = None) -> None:
        self.x = x


VALUES = {"Value": Value}


def made_of(f: Subject) -> set[Any]:
    """What is cached of the arguments that *f* was called with."""
    return {call["x"] for call in f.calls if cachu.cache_get(f.cached, call["x"], default=0)}


# memory_maxsize


@pytest.mark.parametrize("ttl", [300, None])
@pytest.mark.parametrize("spell", [lambda x: x, lambda x: (x,)], ids=["raw", "spelled"])
def test_o_maxsize_drops_what_was_used_longest_ago(colour: Colour, spell: Any, ttl: Any) -> None:
    cachu.configure(memory_maxsize=3)
    f = colour.define("x", ttl=ttl)
    for x in (1, 2, 3, 1, 4):  # 1 is used again, so that 2 has to go
        f(spell(x))
    assert f.counts == (1, 4, 3)
    for x in (1, 3, 4):
        f(spell(x))
    assert f.counts == (4, 4, 3)
    f(spell(2))
    assert f.counts == (4, 5, 3)
    f(spell(1))  # the oldest of 1, 3, 4
    assert f.counts == (4, 6, 3)


def test_o_maxsize_over_raw_and_spelled_keys_alike(sync: Colour) -> None:
    cachu.configure(memory_maxsize=3)
    f = sync.define("x")
    for x in (1, True, (1,), 1, 1.0):
        f(x)
    assert f.counts == (1, 4, 3)
    assert f(1) == {"x": 1}
    assert f((1,)) == {"x": (1,)}
    assert type(f(1.0)["x"]) is float
    assert f.counts == (4, 4, 3)
    assert f(True)["x"] is True
    assert f.counts == (4, 5, 3)


@pytest.mark.parametrize("options", [{"copy": True}, {"validate": lambda entry: True}], ids=repr)
def test_o_maxsize_with_options(colour: Colour, options: Any) -> None:
    cachu.configure(memory_maxsize=2)
    f = colour.define("x", **options)
    for x in (1, 2, 1, 3, 1):
        f(x)
    assert f.counts == (2, 3, 2)


def test_o_maxsize_holds_for_each_function(colour: Colour) -> None:
    cachu.configure(memory_maxsize=2)
    one, two = colour.define("x"), colour.define("x")
    for x in range(5):
        one(x)
        two(x)
    assert one.counts == two.counts == (0, 5, 2)
    assert cachu.get_backend("memory").count() == 4


def test_o_maxsize_of_one(colour: Colour) -> None:
    cachu.configure(memory_maxsize=1)
    f = colour.define("x")
    for x in (1, 1, 2, 2, 1):
        f(x)
    assert f.counts == (2, 3, 1)


def test_s6_a_new_maxsize_keeps_what_fits(colour: Colour) -> None:
    f = colour.define("x")
    for x in range(10):
        f(x)
    cachu.configure(memory_maxsize=4)
    for x in (9, 8, 7, 6):
        f(x)
    assert f.counts == (4, 10, 4)
    cachu.configure(memory_maxsize=2)
    for x in (6, 7):
        f(x)
    assert f.counts == (6, 10, 2)
    cachu.configure(memory_maxsize=cachu.DEFAULT)
    for x in (7, 6, 1, 2, 3):
        f(x)
    assert f.counts == (8, 13, 5)


def test_s6_other_settings_keep_everything(colour: Colour) -> None:
    f = colour.define("x")
    f(1)
    f((1,))
    cachu.configure(lock_timeout=5, fail_open=False, secret_key="s3cret")
    f(1)
    f((1,))
    assert f.counts == (2, 2, 2)


def test_c1_bounded_tables_under_threads_that_hit_and_miss(sync: Colour) -> None:
    cachu.configure(memory_maxsize=64)
    f = sync.define("x", body="return x")
    barrier = threading.Barrier(8, timeout=20)

    def work(number: int) -> None:
        barrier.wait()
        for n in range(4000):
            x = n % (48 if number % 2 else 400)
            assert f.cached(x) == x
            if n % 500 == 0:
                f.info()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(8)]:
            done.result(60)
    assert f.counts[0] + f.counts[1] == 32_000
    assert f.counts[2] <= 64


# Release


@pytest.mark.parametrize("spell", [lambda x: x, lambda x: (x,)], ids=["raw", "spelled"])
@pytest.mark.parametrize("maxsize", [None, 100_000])
def test_t1_storing_sweeps_what_has_expired(
    colour: Colour, clock: FakeClock, spell: Any, maxsize: int | None
) -> None:
    cachu.configure(memory_maxsize=maxsize or cachu.DEFAULT)
    f = colour.define("x", "return Value(x)", VALUES, ttl=60)
    old = [weakref.ref(f(spell(x))) for x in range(3000)]
    assert all(value() for value in old)
    clock.advance(61)
    for x in range(3000, 6000):
        f(spell(x))
    f.calls.clear()
    gc.collect()
    assert not any(value() for value in old)
    assert f.counts[2] == 3000


def test_t1_asking_for_the_size_sweeps_too(colour: Colour, clock: FakeClock) -> None:
    f = colour.define("x", "return Value(x)", VALUES, ttl=60)
    value = weakref.ref(f(1))
    clock.advance(60)
    assert f.counts == (0, 1, 0)
    gc.collect()
    assert value() is None


RELEASES = {
    "clear": lambda f: cachu.cache_clear(),
    "clear_tag": lambda f: cachu.cache_clear(tag="t"),
    "clear_backends": lambda f: cachu.clear_backends(),
    "clear_backend": lambda f: cachu.get_backend("memory").clear(),
    "invalidate": lambda f: f.invalidate(1),
    "set": lambda f: f.set(None, 1),
    "delete": lambda f: cachu.get_backend("memory").delete(f.key(1)),
    "backend_set": lambda f: cachu.get_backend("memory").set(f.key(1), 5),
    "refresh": lambda f: f.refresh(1),
}


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_v2_values_are_let_go_of_at_once(sync: Colour, release: Any) -> None:
    gc.disable()
    try:
        f = sync.define("x", "return Value(x)", VALUES, tag="t")
        value = weakref.ref(f(1))
        assert value() is not None
        release(f)
        assert value() is None
    finally:
        gc.enable()


def test_v2_a_function_that_is_gone_leaves_nothing(colour: Colour) -> None:
    f = colour.define("x", "return Value(x)", VALUES)
    backend = cachu.get_backend("memory")
    value, key, cached = weakref.ref(f(1)), f.key(1), f.cached
    f((1,))
    assert backend.get(key) is value()
    function = weakref.ref(cached)
    gc.collect()
    gc.disable()
    try:
        del f, cached
        assert function() is None
        assert value() is None
    finally:
        gc.enable()
    assert backend.get(key) is cachu.NO_VALUE
    assert backend.count() == 0


def test_v2_bounded_values_are_let_go_of(sync: Colour) -> None:
    cachu.configure(memory_maxsize=2)
    f = sync.define("x", "return Value(x)", VALUES)
    values = [weakref.ref(f(x)) for x in range(4)]
    assert [value() is not None for value in values] == [False, False, True, True]


@pytest.mark.parametrize("maxsize", [None, 300])
def test_c2_a_dying_value_may_use_the_cache(
    sync: Colour, clock: FakeClock, maxsize: int | None
) -> None:
    """C2: whatever a value does when it dies, nothing deadlocks and nobody gets an error."""
    cachu.configure(memory_maxsize=maxsize or cachu.DEFAULT)
    errors: list[BaseException] = []
    died: list[int] = []

    class Restless(Value):
        def __del__(self) -> None:
            died.append(self.x)
            try:
                f.cached(-self.x % 7)
                if self.x % 10:  # in chains of ten, for each dies inside the other
                    f.cached.invalidate(self.x + 1)
                f.cached.info()
                f.cached.key(self.x)
                f.cached.set(None, 10_000 + self.x)
                g.cached(self.x)
                if self.x % 50 == 0:
                    cachu.cache_clear(tag="other")
            except BaseException as error:
                errors.append(error)

    f = sync.define("x", "return Restless(x) if x >= 7 else x", {"Restless": Restless}, ttl=60)
    g = sync.define("x", body="return x", tag="other")

    def work() -> None:
        for x in range(7, 1200):
            f(x)
        clock.advance(61)
        for x in range(2000, 3500):
            f(x)
        f.info()
        f(7)
        f.refresh(7)
        f.set(None, 7)
        f(8)
        f.invalidate(8)
        cachu.cache_clear()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(60)
    assert not worker.is_alive()
    assert errors == []
    assert len(died) > 1000


def test_c2_dying_values_of_two_functions_do_not_wait_for_each_other(sync: Colour) -> None:
    """C2: no lock is held while a value dies."""
    inside = threading.Barrier(2, timeout=20)
    broken: list[BaseException] = []

    class Restless(Value):
        def __del__(self) -> None:
            try:
                if self.x:
                    inside.wait()
                    self.x.cached.refresh(2)
            except BaseException as error:
                broken.append(error)

    namespace = {"Restless": Restless, "other": {}}
    body = "return Restless(other.get({!r}) if x == 1 else None)"
    f = sync.define("x", body.format("f"), namespace)
    g = sync.define("x", body.format("g"), namespace)
    namespace["other"] |= {"f": g, "g": f}
    for one in (f, g):
        one.plain.__globals__["other"] = {"f": g, "g": f}
        one(1)
        one.calls.clear()
    threads = [threading.Thread(target=one.set, args=(None, 1), daemon=True) for one in (f, g)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert broken == []


# Own times to live and tags


def test_s4_an_entry_may_have_its_own_time_to_live(colour: Colour, clock: FakeClock) -> None:
    f = colour.define("x", ttl=60)
    backend = cachu.get_backend("memory", ttl=60)
    for x, ttl in ((1, 10), (2, 600), (3, None), (4, 0), (5, cachu.NO_VALUE)):
        backend.set(f.key(x), "by hand", ttl=ttl)
    assert [f(x) for x in (1, 2, 3, 5)] == ["by hand"] * 4
    assert f(4) == {"x": 4}
    assert f.counts[2] == 5
    clock.advance(10)
    assert f(1) == {"x": 1}
    clock.advance(50)
    assert [f(x) for x in (2, 3)] == ["by hand"] * 2
    assert f(5) == {"x": 5}
    clock.advance(540)
    assert f(2) == {"x": 2}
    clock.advance(1e9)
    assert f(3) == "by hand"
    assert f.counts[2] == 1


def test_s4_a_lasting_function_may_have_entries_that_expire(
    colour: Colour, clock: FakeClock
) -> None:
    f = colour.define("x", ttl=None)
    f(1)
    cachu.get_backend("memory", ttl=None).set(f.key(2), "by hand", ttl=10)
    assert f(2) == "by hand"
    clock.advance(10)
    assert f.counts[2] == 1
    assert f(2) == {"x": 2}
    clock.advance(1e9)
    assert f(1) == {"x": 1}
    assert f.counts == (2, 2, 2)


def test_s2_tags_in_one_table(colour: Colour) -> None:
    f = colour.define("x", tag="users")
    g = colour.define("x", tag="products")
    for x in (1, 2, (1,), True):
        f(x)
        g(x)
    backend = cachu.get_backend("memory")
    backend.set(f.key(3), "by hand", tag="other")
    backend.set(f.key(2), "by hand")
    backend.set("of my own", 5, tag="users")
    assert [backend.count(tag) for tag in ("users", "products", "other", "nobody")] == [4, 4, 1, 0]
    assert cachu.cache_clear(tag="other") == 1
    assert f(2) == "by hand"
    assert cachu.cache_clear(tag="users", backend="memory", ttl=300) == 4
    assert cachu.cache_clear(tag="users") == 0
    assert f.counts[2] == 1
    assert g.counts[2] == 4
    assert cachu.cache_clear(tag="user*") == 0
    assert cachu.cache_clear(ttl=60) == 0
    assert cachu.cache_clear() == 5


def test_s3_a_clear_under_way_keeps_nothing_that_began_before(colour: Colour) -> None:
    scope: dict[str, Any] = {"cachu": cachu}
    for clear in ("cachu.cache_clear()", "cachu.cache_clear(tag='t')", "cachu.clear_backends()"):
        f = colour.define("x", f"{clear}; return object()", scope, tag="t")
        assert f(1) is not f(1)
        assert f.counts[:2] == (0, 2)


def test_s3_clearing_counts_fresh_entries(colour: Colour, clock: FakeClock) -> None:
    f = colour.define("x", ttl=60, tag="t")
    f(1)
    clock.advance(60)
    f(2)
    f((2,))
    assert cachu.cache_clear(tag="t") == 2
    f(1)
    clock.advance(60)
    assert cachu.cache_clear() == 0


def test_backend_keys_of_ones_own(clock: FakeClock) -> None:
    """README: direct backend access."""
    backend = cachu.get_backend("memory", ttl=300)
    backend.set("my_key", {"data": "value"}, ttl=300)
    backend.set("a:b:c", 1)
    assert backend.get("my_key") == {"data": "value"}
    assert backend.get("a:b:c") == 1
    clock.advance(299.5)
    assert backend.get("my_key") == {"data": "value"}
    clock.advance(0.5)
    assert backend.get("my_key") is cachu.NO_VALUE
    assert backend.delete("my_key") is False
    backend.set("my_key", None)
    assert backend.get("my_key", default=3) is None
    assert backend.delete("my_key") is True
    assert cachu.get_backend("memory", ttl=60).get("a:b:c") is cachu.NO_VALUE


# Against a model

NAN = math.nan
KEYS = [0, False, 0.0, -0.0, 1, True, 1.0, "1", b"1", (1,), (True,), (), NAN, None, "", 2, -1]
TTL = 60


class Model:
    """What a cache of one function is: a dict by type and content, with deadlines and tags."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Any, float, str]] = {}

    def fresh(self, now: float) -> dict[str, tuple[Any, float, str]]:
        return {key: entry for key, entry in self.entries.items() if now < entry[1]}


class Machine(RuleBasedStateMachine):
    """Random calls, beside a model of what they ought to do."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock(1_700_000_000.0)
        self.clock.__enter__()
        self.runs = 0
        self.hits = 0
        self.model = Model()
        self.models = {"": self.model}

    @initialize(
        shape=st.sampled_from(["x", "x, y=0", "x, *more", "self, x", "*, x", "**options"]),
        tag=st.sampled_from(["", "t"]),
        shared=st.booleans(),
    )
    def decorate(self, shape: str, tag: str, shared: bool) -> None:
        machine = self
        scope: dict[str, Any] = {"machine": machine, "__name__": __name__}
        exec(  # noqa: S102 - a function of a random shape
            f"def f({shape}):\n    machine.runs += 1\n    return (machine.runs,)", scope
        )
        cachu.cache_clear()
        self.tag = tag
        self.shape = shape
        self.f = cachu.cache(ttl=TTL, tag=tag, name="machine" if shared else None)(scope["f"])
        self.other = None
        if shared:
            self.other = cachu.cache(ttl=TTL, tag=tag, name="machine")(scope["f"])

    def call(self, x: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if self.shape.startswith("*"):
            return (), {"x": x}
        return ((self, x) if self.shape.startswith("self") else (x,)), {}

    @property
    def now(self) -> float:
        return self.clock.now

    def keep(self, x: Any, value: Any, ttl: float = TTL, tag: str | None = None) -> None:
        self.model.entries[repr(x)] = value, self.now + ttl, self.tag if tag is None else tag

    @rule(x=st.sampled_from(KEYS), through_other=st.booleans())
    def ask(self, x: Any, through_other: bool) -> None:
        args, kwargs = self.call(x)
        f = self.other if through_other and self.other is not None else self.f
        expected, runs = self.model.fresh(self.now).get(repr(x)), self.runs
        value = f(*args, **kwargs)
        if expected is None:
            assert self.runs == runs + 1
            self.keep(x, value)
        else:
            assert value is expected[0]
            assert self.runs == runs
            self.hits += 1

    @rule(x=st.sampled_from(KEYS))
    def look(self, x: Any) -> None:
        args, kwargs = self.call(x)
        expected = self.model.fresh(self.now).get(repr(x), (cachu.NO_VALUE,))[0]
        assert self.backend.get(self.f.key(*args, **kwargs)) is expected
        try:
            assert self.f.get(*args, **kwargs) is expected
        except KeyError:
            assert expected is cachu.NO_VALUE

    @rule(x=st.sampled_from(KEYS), value=st.integers())
    def put(self, x: Any, value: int) -> None:
        args, kwargs = self.call(x)
        self.f.set(value, *args, **kwargs)
        self.keep(x, value)

    @rule(
        x=st.sampled_from(KEYS),
        value=st.integers(),
        ttl=st.sampled_from([10, TTL, 600, math.inf]),
        tag=st.sampled_from(["", "t", "u"]),
    )
    def put_by_key(self, x: Any, value: int, ttl: float, tag: str) -> None:
        args, kwargs = self.call(x)
        self.backend.set(self.f.key(*args, **kwargs), value, ttl=ttl, tag=tag)
        self.keep(x, value, ttl, tag)

    @rule(x=st.sampled_from(KEYS))
    def overwrite(self, x: Any) -> None:
        args, kwargs = self.call(x)
        self.keep(x, self.f(*args, **kwargs, _overwrite_cache=True))

    @rule(x=st.sampled_from(KEYS), by_key=st.booleans())
    def forget(self, x: Any, by_key: bool) -> None:
        args, kwargs = self.call(x)
        known = repr(x) in self.model.fresh(self.now)
        if by_key:
            assert self.backend.delete(self.f.key(*args, **kwargs)) is known
        else:
            assert self.f.invalidate(*args, **kwargs) is known
        self.model.entries.pop(repr(x), None)

    @rule(tag=st.sampled_from([None, "t", "u"]))
    def clear(self, tag: str | None) -> None:
        fresh = self.model.fresh(self.now)
        gone = [key for key, entry in fresh.items() if tag in (None, entry[2])]
        assert cachu.cache_clear(tag=tag) == len(gone)
        self.model.entries = {key: e for key, e in fresh.items() if key not in gone}

    @rule(seconds=st.sampled_from([0.5, 9.5, 10, 29.5, 59.5, TTL, -20]))
    def move_clock(self, seconds: float) -> None:
        if seconds < 0 and len(self.models) > 1:
            return
        self.model.entries = self.model.fresh(self.now)
        self.settle()
        self.clock.set(self.now + seconds)

    def settle(self) -> None:
        """What has expired may be swept at any time, so it must not come back with the clock."""
        for x in KEYS:
            if repr(x) not in self.model.entries:
                args, kwargs = self.call(x)
                self.f.invalidate(*args, **kwargs)

    @rule(prefix=st.sampled_from(["", "v2:", "%:"]))
    def configure(self, prefix: str) -> None:
        cachu.configure(key_prefix=prefix)
        self.model = self.models.setdefault(prefix, Model())
        self.f.info()
        if self.other is not None:
            self.other.info()

    @rule(maxsize=st.sampled_from([len(KEYS), 1000]))
    def bound(self, maxsize: int) -> None:
        cachu.configure(memory_maxsize=maxsize)

    @rule()
    @precondition(lambda self: self.other is None)
    def join(self) -> None:
        args, kwargs = self.call(0)
        with cachu.disabled():
            self.f(*args, **kwargs)

    @property
    def backend(self) -> cachu.Backend:
        return cachu.get_backend("memory", ttl=TTL)

    @invariant()
    def counted(self) -> None:
        if hasattr(self, "f"):
            fresh = self.model.fresh(self.now)
            assert self.f.info().currsize == len(fresh)
            assert self.backend.count("t") == sum(entry[2] == "t" for entry in fresh.values())

    def teardown(self) -> None:
        self.clock.__exit__(None, None, None)
        cachu.configure(key_prefix=cachu.DEFAULT, memory_maxsize=cachu.DEFAULT)
        cachu.clear_backends()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    gc.collect()  # functions of earlier tests, with their entries
    cachu.cache_clear(backend="memory", package="*")
    yield
    assert gc.isenabled()
