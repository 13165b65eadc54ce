"""Who sees whose entries: colours do, packages never."""

from __future__ import annotations

from cachu.backends import Capability
from cachu.testing.suite.colours import Both, Colour, Lifted
from cachu.testing.suite.gates import needs


def _pair(both: Both) -> tuple[Lifted, Lifted]:
    plain, asynchronous = both
    return plain.cached(name="shared"), asynchronous.cached(name="shared")


def test_colours_share_the_entries_of_one_name(both: Both) -> None:
    f, g = _pair(both)
    assert f.key(1) == g.key(1)
    assert f(1) == g(1) == [1, 1]
    assert g(2) == f(2) == [2, 1]
    assert f.invalidate(2) is True
    assert g(2) == [2, 2]
    g.set("set", 1)
    assert f(1) == "set"
    assert (f.runs, g.runs) == (1, 2)


def test_colours_share_what_is_set_by_key(both: Both) -> None:
    plain, asynchronous = both
    f, g = _pair(both)
    plain.get_backend().set(g.key(1), "plain")
    assert g(1) == f(1) == "plain"
    asynchronous.get_backend().set(f.key(2), "async")
    assert f(2) == g(2) == "async"
    plain.get_backend().set("own", 1)
    assert asynchronous.get_backend().get("own") == 1
    assert asynchronous.get_backend().delete("own") is True
    assert plain.get_backend().get("own", None) is None


def test_each_colour_reads_the_others_functions(both: Both) -> None:
    plain, asynchronous = both
    f, g = plain.cached(), asynchronous.cached()
    f(1)
    g(1)
    assert asynchronous.get_backend().get(f.key(1)) == [1, 1]
    assert plain.get_backend().get(g.key(1)) == [1, 1]
    assert plain.get_backend().delete(g.key(1)) is True
    assert g(1) == [1, 2]


@needs(Capability.CLEAR)
def test_a_clear_reaches_both_colours(both: Both) -> None:
    f, g = both.plain.cached(), both.asynchronous.cached()
    for colour in both:
        f(1)
        g(1)
        assert colour.clears(2)
        before = f.runs, g.runs
        f(1)
        g(1)
        assert (f.runs, g.runs) == (before[0] + 1, before[1] + 1)


@needs(Capability.COUNT)
def test_both_colours_count_the_same(both: Both) -> None:
    plain, asynchronous = both
    f, g = _pair(both)
    f(1)
    g(2)
    assert plain.get_backend().count() == asynchronous.get_backend().count() == 2
    assert f.info().currsize == g.info().currsize == 2


def test_packages_see_nothing_of_each_other(colour: Colour) -> None:
    other = colour.beside()
    f, g = colour.cached(name="same"), other.cached(name="same")
    colour.get_backend().set("own", "mine")
    try:
        assert f(1) == [1, 1]
        assert g(1) == [1, 1]
        assert g.runs == 1
        assert f.key(1) != g.key(1)
        assert other.get_backend().get("own", None) is None
        assert other.get_backend().get(f.key(1), None) is None
        assert other.get_backend().delete("own") is False
        f.invalidate(1)
        assert f(1) == [1, 2]
        assert g(1) == [1, 1]
        assert colour.get_backend().get("own") == "mine"
    finally:
        other.close()


@needs(Capability.CLEAR | Capability.COUNT | Capability.TAGS)
def test_a_clear_concerns_one_package(colour: Colour) -> None:
    other = colour.beside()
    f, g = colour.cached(name="same", tag="t"), other.cached(name="same", tag="t")
    try:
        f(1)
        g(1)
        assert colour.clears(1)
        assert colour.clears(0)
        assert g(1) == [1, 1]
        assert other.get_backend().count() == 1
        f(1)
        assert other.clears(1, tag="t")
        assert f(1) == [1, 2]
        assert colour.get_backend().count() == 1
    finally:
        other.close()


@needs(Capability.CLEAR)
def test_package_names_that_look_alike(colour: Colour) -> None:
    names = [f"{colour.package}{end}" for end in ("*", ".a", ":a", "%3Aa", "/a", "|", "A", "a")]
    packages = [type(colour)(colour.options, name) for name in names]
    functions = [package.cached(name="same") for package in packages]
    try:
        for function in functions:
            assert function(1) == [1, 1]
            assert function.runs == 1
        assert packages[0].clears(1)
        assert functions[0](1) == [1, 2]
        assert [function(1) for function in functions[1:]] == [[1, 1]] * (len(names) - 1)
    finally:
        for package in packages:
            package.clear()


def test_key_prefixes_see_nothing_of_each_other(colour: Colour) -> None:
    backend = colour.get_backend()
    backend.set("own", "without")
    colour.configure(key_prefix="p:")
    assert colour.get_backend().get("own", None) is None
    colour.get_backend().set("own", "with")
    colour.configure(key_prefix="")
    assert colour.get_backend().get("own") == "without"
