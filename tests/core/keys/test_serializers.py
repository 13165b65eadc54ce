"""From arguments to the last part of a key: `digest` and `text` (K3, K4, K8)."""

from __future__ import annotations

import datetime as dt
import enum
import pickle
import string
import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cachu.errors import UncacheableArgumentError
from cachu.keys.canonical import encode
from cachu.keys.serializers import KeySerializer, digest, text

# A machine may be as slow as it likes.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SERIALIZERS = pytest.mark.parametrize("serialize", [digest, text])

LEAVES = st.one_of(
    st.none() | st.booleans() | st.floats() | st.complex_numbers() | st.dates() | st.decimals(),
    st.integers() | st.sampled_from([0, 1, 10**60, 10**60 + 1, 16**200, -(16**200)]),
    st.text(st.characters(exclude_categories=())) | st.binary() | st.binary().map(bytearray),
    st.sampled_from(
        ["1", "'", '"', "a', 'b", "1, b=2", "a" * 500, "a" * 501, b"a" * 500, len, int]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(st.integers(0, 3) | st.text(max_size=2)),
        st.sets(st.integers(0, 3) | st.text(max_size=2)),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
    ),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(st.sampled_from(["a", "b", "ab", "a=1", "kwargs", "é"]), VALUES)


class Level(enum.Enum):
    HIGH = 1


class Odd:
    def __cache_key__(self) -> object:
        return 1


class Asking:
    def __cache_key__(self) -> object:
        return digest({"inner": threading.Lock()})


Odd.__qualname__ = "Odd: ('x'), ="
globals()[Odd.__qualname__] = Odd


def expected(arguments):
    return [(name, encode(value)) for name, value in arguments.items()]


@UNTIMED
@given(st.lists(ARGUMENTS, min_size=2, max_size=4))
def test_k3_keys_are_equal_if_and_only_if_names_and_canonical_bytes_are(many):
    for one in many:
        for other in many:
            same = expected(one) == expected(other)
            assert (digest(one) == digest(other)) == same
            assert (text(one) == text(other)) == same


@SERIALIZERS
def test_k3_names_and_values_do_not_run_into_each_other(serialize):
    different = [
        {},
        {"a": 1, "b": 2},
        {"a": 2, "b": 1},
        {"ab": 1},
        {"a": (1, 2)},
        {"a": "1, b=2"},
        {"a": {"b": 1}},
        {"a": "b", "c": "d"},
        {"a": "bc", "d": ""},
        {"a": 1},
        {"b": 1},
        {"a": True},
        {"a": "1"},
    ]
    assert len({serialize(arguments) for arguments in different}) == len(different)


@SERIALIZERS
def test_k2_variadic_arguments_have_their_own_names(serialize):
    assert serialize({"args": ("a",), "kwargs": {}}) != serialize(
        {"args": (), "kwargs": {"a": "a"}}
    )
    one, other = {"kwargs": {"a": 1, "b": 2}}, {"kwargs": {"b": 2, "a": 1}}
    assert serialize(one) == serialize(other)


def test_k4_digests_never_change():
    assert digest({}) == "cae66941d9efbd404e4d88758ea67670"
    assert digest({"user_id": 7, "limit": 20}) == "715ffcca3e5238e0eaec361dac884c4e"


def test_k8_no_argument_can_be_read_in_a_digest():
    key = digest({"api_key": "sk-secret", "user": "alice"})
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("arguments", "readable"),
    [
        ({}, ""),
        ({"user_id": 7, "limit": 20}, "user_id=7, limit=20"),
        ({"a": None, "b": True, "c": -1.5}, "a=None, b=True, c=-1.5"),
        ({"name": "J\xf6rg\n"}, r"name='J\xf6rg\n'"),
        ({"a": b"\x00a", "b": bytearray(b"a")}, r"a=b'\x00a', b=bytearray(b'a')"),
        ({"a": (1,), "b": (), "c": [1, [2]]}, "a=(1,), b=(), c=[1, [2]]"),
        (
            {"a": {1}, "b": set(), "c": {}, "d": frozenset()},
            "a={1}, b=set(), c={}, d=frozenset({})",
        ),
        ({"a": {"x": 1}}, "a={'x': 1}"),
        ({"a": 1 - 2j}, "a=complex(1.0, -2.0)"),
        ({"a": len}, "a=<builtins:len>"),
        ({"a": dt.date(2024, 1, 2)}, "a=datetime:date(2024, 1, 2)"),
        ({"not a name": 1}, "'not a name'=1"),
    ],
)
def test_k8_text_can_be_read(arguments, readable):
    assert text(arguments) == readable


def test_k8_text_names_the_classes_of_objects():
    assert text({"level": Level.HIGH}) == f"level={__name__}:Level.enum('HIGH',)"
    assert text({"odd": Odd()}).startswith('odd="')


@UNTIMED
@given(ARGUMENTS)
def test_k8_text_is_printable_ascii(arguments):
    assert set(text(arguments)) <= set(string.printable) - set("\n\r\t\v\f")


@pytest.mark.parametrize("unit", ["a", b"a"])
def test_k8_text_cuts_what_is_long_without_mixing_it_up(unit):
    lengths = (100, 200, 100_000, 100_001)
    texts = {text({"x": unit * length}) for length in lengths}
    assert len(texts) == len(lengths)
    assert max(map(len, texts)) < 200


def test_k8_text_takes_integers_that_the_interpreter_refuses_to_spell():
    assert len(text({"x": 10**100_000})) < 200
    different = (10**100_000, -(10**100_000), 10**100_000 + 1)
    assert len({text({"x": number}) for number in different}) == 3


@SERIALIZERS
def test_k4_the_error_names_the_parameter_and_the_ways_out(serialize):
    with pytest.raises(UncacheableArgumentError) as caught:
        serialize({"user_id": 7, "guard": [threading.Lock()], "limit": 20})
    assert caught.value.parameter == "guard"
    for words in ("'guard'", "exclude=", "__cache_key__", "key_serializer"):
        assert words in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


@SERIALIZERS
def test_k4_the_error_names_the_outermost_parameter(serialize):
    with pytest.raises(UncacheableArgumentError) as caught:
        serialize({"outer": Asking()})
    assert caught.value.parameter == "outer"


def test_a_function_is_a_key_serializer():
    chosen: KeySerializer = digest
    assert chosen({"a": 1}) == digest({"a": 1})


def test_importing_keys_costs_nearly_nothing():
    heavy = "typing inspect dataclasses enum decimal datetime uuid pathlib logging hashlib numpy"
    code = (
        "import sys, cachu.keys.serializers as s, cachu.keys.connections\n"
        "from cachu.keys.canonical import encode\n"
        "encode((None, 1, 'a', [2.5], {'k': {1}}))\n"
        f"print(*sorted(set({heavy!r}.split()) & set(sys.modules)))"
    )
    # Without `site`, which may have imported anything; the path is handed over instead.
    start = f"import sys; sys.path[:] = {sys.path!r}; import types\n"
    stub = (
        "sys.modules['cachu'] = types.ModuleType('cachu'); sys.modules['cachu'].__path__ = {!r}\n"
    )
    import cachu

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + stub.format(list(cachu.__path__)) + code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
