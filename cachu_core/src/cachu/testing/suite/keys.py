"""Keys are any text, and different keys never meet."""

from __future__ import annotations

from typing import Any

from cachu.testing.suite.colours import Colour

HOSTILE = [
    *("", " ", "a", "A", "a ", " a", "a\n", "\t", "\x00", "a\x00", "a\x00b", "\x7f", "\ud800"),
    *("\udfff", "\ud800\udc00x", "\U00010000", "é", "e\u0301", "\u2028", "\ufeff", "ß", "SS"),
    *("*", "?", "[a-z]", "a*", "\\*", "\\", "/", "//", ".", "..", "../a", "/etc/passwd", "~"),
    *(":", "a:", ":a", "a:b", "a:b:", "::", "a%3Ab", "a%3ab", "%", "%25", "|", "||", "a||b"),
    *("{a}", "{", "}", "{}a", "'", '"', "a'; DROP TABLE entries; --", "%s", "$1", "${a}", "\r\n"),
    *("CON", "nul", "a.db", "-a", "--", "#", "a#b", "None", "NULL", "0", "00", "0.0", "x" * 255),
    *("x" * 256, "x" * 4096, "x" * 1_000_000, "x" * 999_999 + "y", "é" * 300),
]


def test_keys_of_any_text(colour: Colour) -> None:
    backend = colour.get_backend()
    for index, key in enumerate(HOSTILE):
        backend.set(key, index)
    assert [backend.get(key) for key in HOSTILE] == list(range(len(HOSTILE)))


def test_a_delete_concerns_one_key(colour: Colour) -> None:
    backend = colour.get_backend()
    for key in HOSTILE:
        backend.set(key, key == "a")
    for key in HOSTILE:
        if key != "a":
            assert backend.delete(key) is True
            assert not backend.get(key)
    assert backend.get("a") is True


def test_a_function_knows_its_hostile_arguments_apart(colour: Colour) -> None:
    f = colour.cached()
    for key in HOSTILE:
        f(key)
    assert f.runs == len(HOSTILE)
    for number, key in enumerate(HOSTILE, 1):
        assert f(key) == [key, number]
    assert f.runs == len(HOSTILE)


def test_equal_arguments_of_different_types_are_different(colour: Colour) -> None:
    arguments: list[Any] = [1, True, 1.0, "1", b"1", (1,), (True,), [1], 0, False, 0.0, -0.0, None]
    f = colour.cached(lambda x: f"{type(x).__name__} {x!r}")
    for x in [*arguments, *arguments]:
        assert f(x) == f"{type(x).__name__} {x!r}"
    assert f.runs == len(arguments)


def test_own_keys_never_meet_those_of_functions(colour: Colour) -> None:
    f, g = colour.cached(), colour.cached()
    backend = colour.get_backend()
    f(1)
    own = [f.key(1)[:-1], f.key(1) + " ", f.key(1).rpartition(":")[0], f"{f.key(1)}:", "1", "x=1"]
    for key in own:
        backend.set(key, "own")
    assert f(1) == [1, 1]
    assert g(1) == [1, 1]
    assert {backend.get(key) for key in own} == {"own"}
    assert len({f.key(1), f.key("1"), f.key(2), g.key(1), *own}) == 4 + len(own)


def test_positional_and_keyword_are_one_entry(colour: Colour) -> None:
    f = colour.cached()
    assert f(1) == f(x=1) == [1, 1]
    assert f.key(1) == f.key(x=1)


def test_a_functions_key_is_what_the_backend_takes(colour: Colour) -> None:
    f = colour.cached()
    backend = colour.get_backend()
    f(1)
    assert backend.get(f.key(1)) == [1, 1]
    backend.set(f.key(1), "changed")
    assert f(1) == "changed"
    backend.set(f.key("new"), "made")
    assert f("new") == "made"
    assert backend.delete(f.key(1)) is True
    assert f(1) == [1, 2]
    assert backend.get(f.key(1)) == [1, 2]


def test_a_key_is_known_before_the_first_call(colour: Colour) -> None:
    f = colour.cached()
    colour.get_backend().set(f.key([1, 2]), "early")
    assert f([1, 2]) == "early"
    assert f.runs == 0


def test_the_key_prefix_may_change_at_run_time(colour: Colour) -> None:
    f = colour.cached()
    assert f(1) == [1, 1]
    first = f.key(1)
    colour.configure(key_prefix="v2:")
    assert f.key(1) != first
    assert f(1) == [1, 2]
    assert f(1) == [1, 2]
    colour.configure(key_prefix="v1:")
    assert f(1) == [1, 3]
    colour.configure(key_prefix="v2:")
    assert f(1) == [1, 2]
    colour.configure(key_prefix="")
    assert f.key(1) == first
    assert f(1) == [1, 1]


def test_a_change_of_configuration_loses_nothing(colour: Colour) -> None:
    f = colour.cached()
    assert f(1) == [1, 1]
    colour.configure(lock_timeout=7)
    assert f(1) == [1, 1]
    assert f.runs == 1
