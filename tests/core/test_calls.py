"""From a call to its key: binding, exact types, what is left out, whose entry it is (K1-K9)."""

from __future__ import annotations

import gc
import itertools
import re
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import cachu

if TYPE_CHECKING:
    from conftest import Colour, Subject

# K2: spellings of one call, for each list of parameters.
SAME_CALLS: list[tuple[str, list[tuple[tuple[Any, ...], dict[str, Any]]]]] = [
    ("x", [((1,), {}), ((), {"x": 1})]),
    ("x, limit=10", [((1,), {}), ((), {"x": 1}), ((1, 10), {}), ((1,), {"limit": 10})]),
    ("x, limit=10", [((), {"limit": 10, "x": 1}), ((), {"x": 1, "limit": 10})]),
    ("x, *, limit=10", [((1,), {}), ((1,), {"limit": 10}), ((), {"limit": 10, "x": 1})]),
    ("*, limit=10", [((), {}), ((), {"limit": 10})]),
    ("x, /, y=2", [((1,), {}), ((1, 2), {}), ((1,), {"y": 2})]),
    ("x=1, /", [((), {}), ((1,), {})]),
    ("x=1, /, *, z=3", [((), {}), ((1,), {}), ((1,), {"z": 3})]),
    ("x, y=2, *more", [((1,), {}), ((1, 2), {}), ((), {"y": 2, "x": 1})]),
    ("x, *more, z=3", [((1, 5), {}), ((1, 5), {"z": 3})]),
    ("**options", [((), {"a": 1, "b": 2}), ((), {"b": 2, "a": 1})]),
    ("x, /, **options", [((1,), {}), ((1,), {})]),
    ("x, y=2, *more, z=3, **options", [((1,), {}), ((1, 2), {"z": 3}), ((), {"x": 1, "y": 2})]),
    ("", [((), {}), ((), {})]),
]

# K2: calls that differ, for each list of parameters.
OTHER_CALLS: list[tuple[str, list[tuple[tuple[Any, ...], dict[str, Any]]]]] = [
    ("*vararg1, **vararg2", [(("a",), {}), ((), {"vararg1": "a"}), ((), {"vararg2": "a"})]),
    ("*args, **kwargs", [((), {}), (((),), {}), (({},), {}), ((), {"args": ()})]),
    ("*args, **kwargs", [(("a", 1), {}), ((("a", 1),), {}), ((), {"a": 1}), (({"a": 1},), {})]),
    ("*args", [((), {}), ((1,), {}), ((1, 1), {}), (((1, 1),), {}), (([1, 1],), {})]),
    ("x, *args", [((1,), {}), ((1, 1), {}), (((1, 1),), {}), ((1, (1,)), {}), (("1",), {})]),
    ("x, *args", [(("ab",), {}), (("a", "b"), {}), ((("ab",),), {})]),
    ("x, y=2, *more, z=3", [((1,), {}), ((1, 3), {}), ((1, 2, 3), {}), ((1,), {"z": 2})]),
    ("x, /, **options", [((1,), {}), ((1,), {"x": 1}), ((1,), {"y": 1}), ((2,), {"x": 1})]),
    ("x, y=None", [((1,), {}), ((1, 0), {}), ((1, False), {}), ((1, ""), {}), ((None, 1), {})]),
    ("*, a=1, b=2", [((), {}), ((), {"a": 2}), ((), {"b": 1}), ((), {"a": 2, "b": 1})]),
    ("a, b", [((1, 2), {}), ((2, 1), {}), (((1, 2), None), {}), ((None, (1, 2)), {})]),
]

LOOKALIKES: list[Any] = [1, True, 1.0, "1", b"1", 1 + 0j, bytearray(b"1")]
NESTINGS: dict[str, Any] = {
    "bare": lambda value: value,
    "tuple": lambda value: (value,),
    "pair": lambda value: (value, 2),
    "list": lambda value: [value],
    "dict": lambda value: {"k": value},
    "deep": lambda value: [{"k": (value, [value])}],
}


def is_same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


@pytest.mark.parametrize(("signature", "calls"), SAME_CALLS)
def test_k2_spellings_of_one_call_are_one_entry(
    colour: Colour, signature: str, calls: list[Any]
) -> None:
    f = colour.define(signature)
    results = [f(*args, **kwargs) for args, kwargs in calls * 2]
    assert len(f.calls) == 1
    assert all(result is results[0] for result in results)
    assert f.counts == (len(results) - 1, 1, 1)
    assert len({f.key(*args, **kwargs) for args, kwargs in calls}) == 1


@pytest.mark.parametrize(("signature", "calls"), OTHER_CALLS)
def test_k2_other_arguments_are_other_entries(
    colour: Colour, signature: str, calls: list[Any]
) -> None:
    f = colour.define(signature)
    for _ in range(3):
        for args, kwargs in calls:
            assert is_same(f(*args, **kwargs), colour.run(f.plain(*args, **kwargs)))
    assert f.counts == (2 * len(calls), len(calls), len(calls))
    assert len({f.key(*args, **kwargs) for args, kwargs in calls}) == len(calls)


@pytest.mark.parametrize("nesting", NESTINGS.values(), ids=NESTINGS)
@pytest.mark.parametrize("signature", ["x", "x, y=2", "*args", "x=None, *more", "*, x=1", "**o"])
def test_k3_equal_values_of_other_types_are_other_entries(
    colour: Colour, signature: str, nesting: Any
) -> None:
    values = [nesting(value) for value in LOOKALIKES]
    for order in (values, values[::-1], values[2:] + values[:2]):
        f = colour.define(signature)
        by_keyword = signature.startswith("*") and signature != "*args"

        def call(value: Any, f: Subject = f, by_keyword: bool = by_keyword) -> Any:
            return f(x=value) if by_keyword else f(value)

        first = [call(value) for value in order]
        assert [call(value) for value in order] == first
        for value, result in zip(order, first):
            assert any(is_same(value, found) for found in flat(result))
        assert f.counts == (len(order), len(order), len(order))


def flat(result: dict[str, Any]) -> list[Any]:
    """Everything that came in through a parameter, the contents of *args and **kwargs too."""
    found = list(result.values())
    for name, value in result.items():
        if name in {"args", "more"}:
            found += value
        elif name == "o":
            found += value.values()
    return found


@pytest.mark.parametrize("order", list(itertools.permutations([1, True, 1.0, "1"])), ids=repr)
def test_k3_forgetting_one_lookalike_leaves_the_others(sync: Colour, order: Any) -> None:
    for gone in order:
        f = sync.define("x")
        for value in order:
            f(value)
        assert f.invalidate(gone)
        assert not f.invalidate(gone)
        for value in order[::-1]:
            if value is not gone:
                assert is_same(f(value), {"x": value})
                assert is_same(f.get(value), {"x": value})
        assert f.counts == (3, 4, 3)
        assert is_same(f(gone), {"x": gone})
        assert f.counts == (3, 5, 4)
        assert all(is_same(f(value), {"x": value}) for value in order)
        assert f.counts == (7, 5, 4)


@pytest.mark.parametrize("values", [(0, False, 0.0, -0.0), (float("nan"), "nan"), (-0.0, 0.0)])
def test_k3_zeros_and_not_a_number(colour: Colour, values: Any) -> None:
    f = colour.define("x")
    for _ in range(2):
        for value in values:
            assert is_same(f(value), {"x": value})
    assert f.counts == (len(values), len(values), len(values))


@pytest.mark.parametrize("first", [1, True, 1.0])
@pytest.mark.parametrize("second", [1, True, 1.0])
def test_k3_a_key_is_not_the_key_of_a_lookalike(sync: Colour, first: Any, second: Any) -> None:
    f = sync.define("x")
    key = f.key(first)
    f(second)
    backend = cachu.get_backend("memory")
    expected = {"x": second} if type(first) is type(second) else cachu.NO_VALUE
    assert is_same(backend.get(key), expected)
    assert backend.delete(key) is (type(first) is type(second))
    backend.set(key, "by hand")
    assert f(first) == "by hand"
    if type(first) is not type(second):
        assert is_same(f(second), {"x": second})
        assert len(f.calls) == 1


def test_k3_sets_and_dicts_count_by_content(colour: Colour) -> None:
    f = colour.define("x")
    assert f({"a", "b"}) is f({"b", "a"})
    assert f({"a": 1, "b": 2}) is f({"b": 2, "a": 1})
    assert f.counts == (2, 2, 2)


class Loose(str):
    """Equal to a plain string, of another type."""

    __slots__ = ()


def test_k3_subclasses_are_other_values(colour: Colour) -> None:
    f = colour.define("x, y=0")
    assert type(f("a")["x"]) is str
    assert type(f(Loose("a"))["x"]) is Loose
    assert type(f("a")["x"]) is str
    assert f.counts == (1, 2, 2)


class Meddler:
    """Claims to equal everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(1)

    def __cache_key__(self) -> str:
        return "meddler"


def test_k3_an_argument_that_equals_everything_gets_its_own_entry(colour: Colour) -> None:
    f = colour.define("x")
    f(1)
    assert isinstance(f(Meddler())["x"], Meddler)
    assert f(1) == {"x": 1}
    assert f.counts == (1, 2, 2)


@pytest.mark.parametrize(
    ("signature", "exclude", "calls"),
    [
        (
            "x, log",
            {"log"},
            [((1, object()), {}), ((1,), {"log": print}), ((), {"log": 3, "x": 1})],
        ),
        ("log, x", {"log"}, [((object(), 1), {}), ((2,), {"x": 1})]),
        ("x, *, log=None", {"log"}, [((1,), {}), ((1,), {"log": 2})]),
        ("x, /, log=None", {"log"}, [((1,), {}), ((1, 2), {}), ((1,), {"log": 2})]),
        ("x, *args", {"args"}, [((1,), {}), ((1, 2), {}), ((1, 2, 3), {})]),
        ("x, **kwargs", {"kwargs"}, [((1,), {}), ((1,), {"a": 2}), ((), {"x": 1, "b": object()})]),
        ("x, y=0, *args, **kw", {"args", "kw"}, [((1,), {}), ((1, 0, 7), {}), ((1,), {"a": 2})]),
        ("x, *_args", (), [((1,), {}), ((1, 2), {})]),
        ("x, **_kw", (), [((1,), {}), ((1,), {"a": 2})]),
        ("x, _y=0", (), [((1,), {}), ((1, 2), {}), ((1,), {"_y": object()})]),
        ("_x", (), [((1,), {}), ((object(),), {})]),
        ("x, y", ["x", "y"], [((1, 2), {}), ((3, object()), {})]),
        ("x, *args, _z=0, **kw", ("args", "kw"), [((1,), {}), ((1, 2), {"_z": 3, "_w": 4})]),
    ],
)
def test_k5_what_is_left_out_makes_no_other_entry(
    colour: Colour, signature: str, exclude: Any, calls: list[Any]
) -> None:
    for order in (calls, calls[::-1]):
        f = colour.define(signature, exclude=exclude)
        for args, kwargs in order:
            f(*args, **kwargs)
        assert f.counts == (len(calls) - 1, 1, 1)
        assert len({f.key(*args, **kwargs) for args, kwargs in order}) == 1


@pytest.mark.parametrize(
    ("signature", "exclude", "calls"),
    [
        ("x, **kw", (), [((1,), {"_a": 1}), ((1,), {"_a": 2}), ((1,), {})]),
        ("x=0, **kw", {"x"}, [((1,), {}), ((1,), {"log": 1}), ((1,), {"log": 2})]),
        ("log=0, /, **kw", {"log"}, [((1,), {"log": 1}), ((1,), {"log": 2}), ((1,), {})]),
        ("_a=0, /, **kw", (), [((1,), {"_a": 1}), ((1,), {"_a": 2}), ((1,), {})]),
        ("*args, log=0", {"log"}, [((1,), {}), ((2,), {"log": 1}), ((1, 1), {})]),
        ("self, **kw", (), [((1,), {"cls": 1}), ((1,), {"cls": 2}), ((1,), {})]),
    ],
)
def test_k5_nothing_is_left_out_of_the_keywords_themselves(
    colour: Colour, signature: str, exclude: Any, calls: list[Any]
) -> None:
    f = colour.define(signature, exclude=exclude)
    for _ in range(2):
        for args, kwargs in calls:
            assert f(*args, **kwargs) == colour.run(f.plain(*args, **kwargs))
    assert f.counts[:2] == (len(calls), len(calls))


def test_k5_an_excluded_name_that_the_function_lacks(colour: Colour) -> None:
    with pytest.raises(cachu.ConfigurationError, match=r"'contxt'.*logger, context, x"):
        colour.define("logger, context, x", exclude={"contxt"})
    with pytest.raises(cachu.ConfigurationError, match=r"'a'.*: kw"):
        colour.define("**kw", exclude={"a"})


class Connection:
    """By shape, a database connection."""

    def cursor(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


class SearchEngine:
    engine = "diesel"

    def __init__(self, name: str) -> None:
        self.name = name


def test_k6_connections_are_dropped_however_they_are_passed(colour: Colour) -> None:
    f = colour.define("db, x=1, *more, other=2, **rest")
    f(Connection())
    f(Connection(), 1)
    f(db=Connection(), x=1, other=2)
    assert f.counts == (2, 1, 1)


def test_k6_what_merely_looks_like_a_connection_counts(colour: Colour) -> None:
    f = colour.define("engine")
    assert f(SearchEngine("a"))["engine"].name == "a"
    assert f(SearchEngine("b"))["engine"].name == "b"
    assert f.counts == (0, 2, 2)


def methods(colour: Colour) -> tuple[type, type, list[Any]]:
    """A class with cached methods and a subclass of it."""
    calls: list[Any] = []
    prefix = "async " if colour.name == "async" else ""
    source = f"""
class Repo:
    def __init__(self, db=None):
        self.db = db
    @cachu.cache
    {prefix}def get(self, x):
        calls.append((type(self).__name__, x))
        return type(self).__name__, x
    @classmethod
    @cachu.cache
    {prefix}def under(cls, x):
        calls.append((cls.__name__, x))
        return cls.__name__, x
    @cachu.cache
    @classmethod
    {prefix}def over(cls, x):
        calls.append((cls.__name__, x))
        return cls.__name__, x
    @staticmethod
    @cachu.cache
    {prefix}def free(x):
        calls.append(x)
        return "free", x
    @cachu.cache
    @staticmethod
    {prefix}def free_over(x):
        calls.append(x)
        return "free", x
class Sub(Repo):
    pass
"""
    scope: dict[str, Any] = {"cachu": cachu, "calls": calls, "__name__": __name__}
    exec(source, scope)  # noqa: S102 - a class of either colour
    return scope["Repo"], scope["Sub"], calls


def test_k7_instances_share_and_subclasses_do_not(colour: Colour) -> None:
    repo, sub, calls = methods(colour)
    run = colour.run
    for _ in range(2):
        assert run(repo("a").get(1)) == ("Repo", 1)
        assert run(repo("b").get(1)) == ("Repo", 1)
        assert run(sub("a").get(1)) == ("Sub", 1)
        assert run(repo("a").get(True)) == ("Repo", True)
    assert len(calls) == 3


@pytest.mark.parametrize("name", ["under", "over"])
def test_k7_class_methods_go_by_class(colour: Colour, name: str) -> None:
    repo, sub, calls = methods(colour)
    for _ in range(2):
        assert colour.run(getattr(repo, name)(1)) == ("Repo", 1)
        assert colour.run(getattr(sub, name)(1)) == ("Sub", 1)
        assert colour.run(getattr(sub(), name)(1)) == ("Sub", 1)
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["free", "free_over"])
def test_k7_static_methods_go_by_arguments_alone(colour: Colour, name: str) -> None:
    repo, sub, calls = methods(colour)
    for _ in range(2):
        assert colour.run(getattr(repo, name)(1)) == ("free", 1)
        assert colour.run(getattr(sub(), name)(1)) == ("free", 1)
    assert len(calls) == 1


def test_k7_an_instance_with_a_cache_key_is_keyed_by_it(colour: Colour) -> None:
    repo, _, calls = methods(colour)

    class Tenant(repo):
        def __cache_key__(self) -> str:
            return self.db

    class OtherTenant(Tenant):
        pass

    for _ in range(2):
        for kind in (Tenant, OtherTenant, repo):
            colour.run(kind("a").get(1))
            colour.run(kind("b").get(1))
    assert len(calls) == 5  # repo itself has no __cache_key__


def test_k7_metaclasses_may_redefine_equality(colour: Colour) -> None:
    repo, _, calls = methods(colour)

    class Same(type):
        def __eq__(cls, other: object) -> bool:
            return True

        def __hash__(cls) -> int:
            return 7

    one = Same("One", (repo,), {})
    two = Same("Two", (repo,), {})
    for _ in range(2):
        for kind in (one, two):
            assert colour.run(kind().get(1)) == (kind.__name__, 1)
            assert colour.run(kind.under(1)) == (kind.__name__, 1)
    assert len(calls) == 4


def test_k7_two_local_classes_of_one_name(sync: Colour) -> None:
    f = sync.define("self", body="return self.mark")
    made = []
    for mark in ("a", "b"):

        class Local:
            pass

        Local.mark = mark
        made.append(Local)
    assert [f(kind()) for kind in made] == ["a", "b"]
    assert f.counts == (0, 2, 2)


def test_k1_closures_of_one_factory_have_entries_of_their_own(colour: Colour) -> None:
    made = [colour.define("x", body="return factor * x", namespace={"factor": n}) for n in (2, 3)]
    for _ in range(2):
        assert [f(5) for f in made] == [10, 15]
    assert [f.counts for f in made] == [(1, 1, 1)] * 2
    assert made[0].key(5) != made[1].key(5)
    backend = cachu.get_backend("memory")
    assert [backend.get(f.key(5)) for f in made] == [10, 15]
    made[0].invalidate(5)
    assert [f.counts for f in made] == [(1, 1, 0), (1, 1, 1)]


def test_k1_same_names_in_two_classes_and_modules(colour: Colour) -> None:
    one = colour.define("x", body="return 1", namespace={"__name__": "tests.one"})
    two = colour.define("x", body="return 2", namespace={"__name__": "tests.two"})
    assert (one(1), two(1), one(1), two(1)) == (1, 2, 1, 2)
    repo, sub, _ = methods(colour)
    assert repo.get.key(repo(), 1) != repo.under.__func__.key(repo, 1)
    assert repo.get.key(sub(), 1) != repo.get.key(repo(), 1)


def test_k1_a_name_shares_entries_among_colours(colour: Colour) -> None:
    """K1, S4."""
    other = type(colour)("async" if colour.name == "sync" else "sync")
    f = colour.define("a, b", body="return ('f', a, b)", name="f")
    first = colour.define("a, b", body="return ('first', a, b)")
    del f, first
    one = cachu.cache(name="shared-orders")(colour.define("a, b").plain)
    two = cachu.cache(name="shared-orders")(other.define("a, b").plain)
    assert colour.run(one(1, 2)) == {"a": 1, "b": 2}
    assert other.run(two(1, 2)) == {"a": 1, "b": 2}
    assert tuple(other.run(two.info())) == (1, 0, 1)
    assert one.key(1, 2) == two.key(1, 2)
    other.close()


def test_k1_a_name_shared_with_another_order_of_parameters_gives_right_values(
    colour: Colour,
) -> None:
    one = colour.define("a, b").plain
    two = colour.define("b, a").plain
    for order in ((one, two), (two, one)):
        f, g = (cachu.cache(name="orders")(function) for function in order)
        for _ in range(2):
            for a, b in itertools.product((1, 2), repeat=2):
                assert colour.run(f(a=a, b=b)) == {"a": a, "b": b}
                assert colour.run(g(a=a, b=b)) == {"a": a, "b": b}
        del f, g


def test_k1_joining_a_name_keeps_what_is_there(colour: Colour) -> None:
    f = cachu.cache(name="joined")(colour.define("a, b=2").plain)
    for value in (1, True, "x", (1, 2), 0.0):
        colour.run(f(value))
    g = cachu.cache(name="joined", tag="another")(colour.define("a, b=2").plain)
    for value in (1, True, "x", (1, 2), 0.0):
        assert is_same(colour.run(g(value)), {"a": value, "b": 2})
        assert is_same(colour.run(f(value)), {"a": value, "b": 2})
    assert tuple(colour.run(g.info())) == (5, 0, 5)
    assert tuple(colour.run(f.info())) == (5, 5, 5)


def test_k1_a_partial_is_its_function_with_arguments(colour: Colour) -> None:
    plain = colour.define("a, b=2, *, c=3").plain
    f = cachu.cache(name="whole")(plain)
    parts = {
        "positional": (partial(plain, 1), (2,), {}),
        "keyword": (partial(plain, b=2), (1,), {}),
        "both": (partial(plain, 1, c=3), (), {}),
        "overridden": (partial(plain, c=9), (1,), {"c": 3}),
        "twice": (partial(partial(plain, 1), 2), (), {}),
    }
    colour.run(f(1, 2))
    for name, (part, args, kwargs) in parts.items():
        g = cachu.cache(name="whole")(part)
        assert colour.run(g(*args, **kwargs)) == {"a": 1, "b": 2, "c": 3}
        assert tuple(colour.run(g.info())) == (1, 0, 1), name
        assert g.key(*args, **kwargs) == f.key(1, 2)


def test_k1_partials_with_other_arguments_are_other_entries(colour: Colour) -> None:
    plain = colour.define("a, b").plain
    one, two = (cachu.cache(name="parts")(partial(plain, n)) for n in (1, 2))
    for _ in range(2):
        assert colour.run(one(5)) == {"a": 1, "b": 5}
        assert colour.run(two(5)) == {"a": 2, "b": 5}
    assert tuple(colour.run(one.info())) == (1, 1, 2)


def test_k1_tags_of_functions_that_share_a_name(colour: Colour) -> None:
    plain = colour.define("a, b").plain
    part = cachu.cache(name="tagged", tag="parts")(partial(plain, 1))
    whole = cachu.cache(name="tagged", tag="wholes")(plain)
    colour.run(part(2))
    colour.run(whole(5, 5))
    assert cachu.cache_clear(tag="wholes") == 1
    assert tuple(colour.run(part.info()))[2] == 1
    assert cachu.cache_clear(tag="wholes") == 0
    assert cachu.cache_clear(tag="parts") == 1


def test_k1_a_dead_function_leaves_its_identity_to_the_next(sync: Colour) -> None:
    gc.collect()  # those of other tests are dead, too
    one = sync.define("x")
    key = one.key(1)
    one(1)
    del one
    gc.collect()
    two = sync.define("x")
    assert two.key(1) == key
    assert two.counts == (0, 0, 0)


@pytest.mark.parametrize(
    ("signature", "args", "kwargs"),
    [
        ("", (None,), {}),
        ("", (1, 2), {}),
        ("x", (), {}),
        ("x", (1, 2), {}),
        ("x", (1, None), {}),
        ("x", (1, None, None), {}),
        ("x", (1, None, None, None), {}),
        ("x", (1, 2, 3, 4), {}),
        ("x", (1, 2, 3, 4, 5, 6), {}),
        ("x, y=2", (1, 2, 3), {}),
        ("x, y=2", (1, 2, None), {}),
        ("x, y=2", (), {"y": 1}),
        ("x, y", (), {}),
        ("x, y=2, *, z", (1,), {}),
        ("x, *, z=1", (1, 2), {}),
        ("x, *, z=1", (1, None), {}),
        ("x", (1,), {"x": 1}),
        ("x", (1,), {"zz": 1}),
        ("x, *args", (), {"zz": 1}),
        ("x, /", (), {"x": 1}),
        ("x, /, **kw", (), {"x": 1}),
        ("x, **kw", (1, 2), {"_a": 1}),
    ],
)
def test_k2_calls_that_do_not_bind_raise_what_python_raises(
    colour: Colour, signature: str, args: Any, kwargs: Any
) -> None:
    f = colour.define(signature)
    with pytest.raises(TypeError) as expected:
        colour.run(f.plain(*args, **kwargs))
    with pytest.raises(TypeError) as raised:
        f(*args, **kwargs)
    assert unless_many(raised.value, args) == unless_many(expected.value, args)
    for twin in (f.get, f.key, f.invalidate, f.skip, f.refresh):
        with pytest.raises(TypeError) as raised:
            twin(*args, **kwargs)
        assert str(raised.value) == str(expected.value)
    with pytest.raises(TypeError):
        f.set("value", *args, **kwargs)
    assert f.calls == []
    assert f.counts == (0, 0, 0)


def unless_many(error: TypeError, args: Any) -> str:
    """The text of an error, but for what no wrapper can know of two or more arguments too many."""
    if len(args) <= 2 or args[:2] == (1, 2):
        text = str(error)
        return text if len(args) <= 4 else re.sub("takes .* but", "takes one but", text)
    return re.sub("[0-9] were given", "some were given", str(error))


@pytest.mark.parametrize(
    ("signature", "name", "args", "kwargs"),
    [
        ("x", "x", (lambda: 0,), {}),
        ("x, y=1", "y", (1, threading.Lock()), {}),
        ("*items", "items", (1, lambda: 0), {}),
        ("**options", "options", (), {"a": lambda: 0}),
        ("x, *, handle=None", "handle", (1,), {"handle": sys.stdout}),
    ],
)
def test_k4_an_argument_without_a_stable_form_is_refused_before_the_call(
    colour: Colour, signature: str, name: str, args: Any, kwargs: Any
) -> None:
    f = colour.define(signature)
    with pytest.raises(cachu.UncacheableArgumentError) as raised:
        f(*args, **kwargs)
    for part in (f"{name!r}", f"exclude={{{name!r}}}", "__cache_key__", "key serializer"):
        assert part in str(raised.value)
    assert raised.value.parameter == name
    assert f.calls == []
    assert f.counts == (0, 0, 0)
    f(*args, **kwargs, _skip_cache=True)
    assert len(f.calls) == 1


def test_k4_the_three_ways_out_work(colour: Colour) -> None:
    class Keyed:
        def __cache_key__(self) -> int:
            return 7

    excluding = colour.define("x", exclude={"x"})
    keyed = colour.define("x")
    own = colour.define("x", key_serializer=lambda arguments: str(len(arguments)))
    for f, values in ((excluding, (print, iter(()))), (keyed, (Keyed(), Keyed()))):
        assert f(values[0]) is f(values[1]) is f(values[0])
        assert f.counts == (2, 1, 1)
    assert own(lambda: 0) is own(lambda: 1)


def test_k4_under_bytes_warnings_as_errors() -> None:
    script = (
        "import cachu\n"
        "f = cachu.cache(lambda x, y=0: (x, y))\n"
        "for _ in range(2):\n"
        "    for x in ('a', b'a', 1, ('a',), (b'a',), {b'a': 1}):\n"
        "        assert repr(f(x)) == repr((x, 0)), x\n"
        "assert tuple(f.info()) == (6, 6, 6), f.info()\n"
    )
    subprocess.run([sys.executable, "-bb", "-c", script], check=True, timeout=60)


def test_k9_the_prefix_is_part_of_every_key(colour: Colour) -> None:
    f = colour.define("x")
    plain = f.key(1)
    cachu.configure(key_prefix="v2:")
    assert f.key(1) == f"v2:{plain}"


def test_k8_no_argument_can_be_read_in_a_key(colour: Colour) -> None:
    f = colour.define("api_key, **more")
    key = f.key("sk-very-secret", password="hunter2")
    assert "secret" not in key
    assert "hunter2" not in key
    assert "function" in key
    cachu.configure(key_serializer="text")
    assert "sk-very-secret" in f.key("sk-very-secret")
