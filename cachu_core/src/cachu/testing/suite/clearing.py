"""Clearing, tags and counting concern exactly what they name."""

from __future__ import annotations

from math import inf
from typing import Any

import cachu
from cachu.backends import Capability
from cachu.testing.suite.colours import Colour, Lifted
from cachu.testing.suite.gates import needs

TAGS = [
    *("a", "ab", "b", "A", "a ", " a", "*", "a*", "?", "[ab]", "|", "||", "|a|", "||a||", ":"),
    *("a:b", "a,b", "a\x00", "\x00", "\ud800", "é", "e\u0301", "%", "a%62", "{a}", "'", "\n"),
    *("None", "0", "_", "x" * 500, "a/b", "../a", "\\", "tag:a"),
]


def _alive(*functions: Lifted) -> list[bool]:
    """Tell which functions still have their entry for 1, without making one."""
    return [function.holds(1) for function in functions]


@needs(Capability.CLEAR)
def test_a_clear_forgets_everything(colour: Colour) -> None:
    f, g = colour.cached(), colour.cached(ttl=60)
    backend = colour.get_backend()
    f(1)
    f([1])
    g(1)
    backend.set("own", 1)
    assert colour.clears(4)
    assert backend.get("own", None) is None
    assert (f(1), f([1]), g(1)) == ([1, 3], [[1], 4], [1, 2])


@needs(Capability.CLEAR)
def test_clearing_nothing_is_no_error(colour: Colour) -> None:
    assert colour.clears(0)
    assert colour.get_backend().clear() in (0, -1)
    f = colour.cached()
    f(1)
    assert colour.clears(1)
    assert colour.clears(0)


@needs(Capability.CLEAR)
def test_a_clear_by_ttl_concerns_one_region(colour: Colour) -> None:
    f, g, lasting = colour.cached(ttl=60), colour.cached(ttl=90), colour.cached(ttl=None)
    f(1)
    g(1)
    lasting(1)
    assert colour.clears(1, ttl=60.0)
    assert _alive(f, g, lasting) == [False, True, True]
    assert colour.clears(1, ttl=inf)
    assert _alive(f, g, lasting) == [False, True, False]
    assert colour.clears(0, ttl=89)
    assert colour.clears(1)
    assert _alive(g) == [False]


@needs(Capability.CLEAR)
def test_a_backend_clears_its_own_region(colour: Colour) -> None:
    f, g = colour.cached(ttl=60), colour.cached(ttl=90)
    f(1)
    g(1)
    assert colour.get_backend(60).clear() in (1, -1)
    assert _alive(f, g) == [False, True]


@needs(Capability.TAGS)
def test_a_clear_by_tag_concerns_that_tag(colour: Colour) -> None:
    functions = [colour.cached(tag=tag) for tag in ("", *TAGS)]
    for function in functions:
        function(1)
    for tag, function in zip(TAGS, functions[1:]):
        assert function.holds(1)  # or the clear of another tag has taken it
        assert colour.clears(1, tag=tag)
        assert not function.holds(1)
        assert colour.clears(0, tag=tag)
    assert functions[0].holds(1)


@needs(Capability.TAGS)
def test_a_clear_by_tag_reaches_all_regions(colour: Colour) -> None:
    f, g = colour.cached(ttl=60, tag="users"), colour.cached(ttl=90, tag="users")
    other = colour.cached(ttl=60, tag="products")
    f(1)
    g(1)
    other(1)
    assert colour.clears(1, tag="users", ttl=60)
    assert _alive(f, g, other) == [False, True, True]
    f(1)
    assert colour.clears(2, tag="users")
    assert _alive(f, g, other) == [False, False, True]


@needs(Capability.TAGS)
def test_an_argument_that_spells_a_tag_is_not_one(colour: Colour) -> None:
    untagged, tagged = colour.cached(), colour.cached(tag="users")
    backend = colour.get_backend()
    spellings: list[Any] = ["users", "|users|", "||users||", ":users:", "tag:users", ["users"]]
    for x in spellings:
        untagged(x)
        backend.set(f"own {x}", 1)
    tagged(1)
    assert colour.clears(1, tag="users")
    for number, x in enumerate(spellings, 1):
        assert untagged(x) == [x, number]
        assert backend.get(f"own {x}") == 1
    assert colour.clears(0, tag="|users|")


@needs(Capability.TAGS)
def test_own_entries_have_tags_too(colour: Colour) -> None:
    backend = colour.get_backend()
    f = colour.cached(tag="a")
    f(1)
    backend.set("one", 1, tag="a")
    backend.set("two", 2, tag="b")
    backend.set("three", 3)
    backend.set("four", 4, ttl=10, tag="a")
    assert backend.clear(tag="a") in (3, -1)
    assert [backend.get(key, 0) for key in ("one", "two", "three", "four")] == [0, 2, 3, 0]
    assert f(1) == [1, 2]


@needs(Capability.TAGS)
def test_an_entry_of_a_function_may_have_a_tag_of_its_own(colour: Colour) -> None:
    backend = colour.get_backend()
    f = colour.cached(tag="a")
    f(1)
    f(2)
    backend.set(f.key(1), "other", tag="b")
    assert backend.clear(tag="b") in (1, -1)
    assert f.holds(2)
    assert f(1) == [1, 3]
    assert backend.clear(tag="a") in (2, -1)


@needs(Capability.TAGS)
def test_a_changed_tag_leaves_none_behind(colour: Colour) -> None:
    backend = colour.get_backend()
    backend.set("own", 1, tag="old")
    backend.set("own", 2, tag="new")
    assert backend.clear(tag="old") in (0, -1)
    assert backend.get("own") == 2
    assert backend.clear(tag="new") in (1, -1)
    assert backend.get("own", None) is None


@needs(Capability.COUNT)
def test_counts_are_exact(colour: Colour) -> None:
    f, g = colour.cached(), colour.cached()
    backend = colour.get_backend()
    for x in range(200):
        f(x)
        f(x)
    for x in range(10):
        g([x])
    backend.set("own", 1)
    assert backend.count() == 211
    assert (f.info().currsize, g.info().currsize) == (200, 10)
    function = f.key(1).rpartition(":")[0]
    assert backend.count(function=function) == 200
    assert backend.count(function="no such") == 0
    for x in range(50):
        f.invalidate(x)
    f.set(1, 1)
    f.refresh(2)
    f.refresh(100)
    assert f.info().currsize == 152
    assert backend.count() == 163


@needs(Capability.COUNT)
def test_functions_whose_names_begin_alike_count_apart(colour: Colour) -> None:
    names = ["name", "name2", "name:", "name:sub", "name_", "name%", "name*"]
    functions = [colour.cached(name=name) for name in names]
    for number, function in enumerate(functions, 1):
        for x in range(number):
            function(x)
    assert [function.info().currsize for function in functions] == list(range(1, 8))


@needs(Capability.COUNT | Capability.TAGS)
def test_tags_count_apart(colour: Colour) -> None:
    f, g = colour.cached(tag="a"), colour.cached(tag="ab")
    backend = colour.get_backend()
    f(1)
    f(2)
    g(1)
    backend.set("own", 1, tag="a")
    assert [backend.count(tag=tag) for tag in ("a", "ab", "b", "*")] == [3, 1, 0, 0]
    function = f.key(1).rpartition(":")[0]
    assert backend.count(tag="a", function=function) == 2
    assert backend.count(tag="ab", function=function) == 0
    colour.clear(tag="a")
    assert [backend.count(tag=tag) for tag in ("a", "ab")] == [0, 1]
    assert f.info().currsize == 0
    assert f(1) == [1, 3]
    assert f.info().currsize == 1


@needs(Capability.CLEAR | Capability.COUNT)
def test_a_clear_leaves_nothing_to_count(colour: Colour) -> None:
    f = colour.cached()
    f(1)
    f(2)
    colour.clear()
    assert colour.get_backend().count() == f.info().currsize == 0
    f(1)
    assert colour.get_backend().count() == f.info().currsize == 1


@needs(Capability.REGIONS | Capability.CLEAR)
def test_a_clear_reaches_what_this_process_never_used(colour: Colour) -> None:
    f = colour.cached(ttl=77)
    backend = colour.get_backend(78)
    f(1)
    backend.set("own", 1)
    cachu.clear_backends()
    # What a store keeps in this process may have gone with it.
    assert colour.clears(2) or Capability.PERSISTENT not in colour.capabilities
    assert colour.get_backend(78).get("own", None) is None
    assert f(1) == [1, 2]


@needs(Capability.REGIONS)
def test_a_backend_lists_its_regions(colour: Colour) -> None:
    colour.get_backend(77).set("own", 1)
    colour.get_backend(None).set("own", 1)
    colour.configure(key_prefix="p:")
    colour.get_backend(0.5).set("own", 1)
    mine = {region for region in colour.get_backend().regions() if region[0] == colour.package}
    assert {
        (colour.package, "", 77),
        (colour.package, "", inf),
        (colour.package, "p:", 0.5),
    } <= mine
