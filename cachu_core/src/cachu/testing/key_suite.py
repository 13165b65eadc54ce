"""The tests that every key serializer has to pass.

    import pytest
    from cachu.testing.key_suite import *

    @pytest.fixture
    def cachu_key_serializer():
        return "mine"  # what configure(key_serializer=...) takes: a name or a callable

The fixture `cachu_arguments` returns the arguments that must have different keys; override it if
the serializer is for fewer kinds, or for more.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from threading import Lock
from typing import Any

import pytest

import cachu
from cachu import catalogue, plugins
from cachu.testing.suite.gates import tell
from cachu.testing.suite.keys import HOSTILE

__all__ = [
    "cachu_arguments",
    "keys_of",
    "test_arguments_of_several_parameters_do_not_run_together",
    "test_calls_are_cached_under_their_keys",
    "test_different_arguments_have_different_keys",
    "test_equal_arguments_have_equal_keys",
    "test_hostile_text_has_keys_of_its_own",
    "test_keys_are_text",
    "test_keys_are_the_same_in_other_processes",
    "test_parameters_are_told_apart_by_name",
    "test_what_has_no_stable_form_is_refused",
]


@pytest.fixture
def cachu_arguments() -> list[Any]:
    """Arguments of one parameter, each of which must have a key of its own."""
    return [
        *(None, True, False, 0, 1, -1, 2, 2**70, 0.0, 1.0, -0.0, 1.5, float("inf")),
        *("", "1", "True", "None", "a", "A", b"", b"1", b"a", "é", "e\u0301"),
        *((), (1,), (True,), (1, 2), (2, 1), ((1,), 2), (1, (2,)), [], [1], [1, 2], [[1], 2]),
        *({}, {"a": 1}, {"a": True}, {"b": 1}, {1: "a"}, {"a": {"b": 1}}, set(), {1}, {1, 2}),
        *(frozenset({1}), Decimal(1), Decimal("1.0"), date(2024, 2, 29)),
        *(datetime(2024, 2, 29, tzinfo=timezone.utc), ["a", "b"], ["ab"], ["a,b"], "a, b"),
    ]


@pytest.fixture
def keys_of(request: pytest.FixtureRequest, cachu_key_serializer: Any) -> Callable[..., str]:
    """Return the key of a call, under the serializer."""
    shown = cachu_key_serializer
    tell(request, f"key serializer {getattr(shown, '__qualname__', shown)!r}")
    return _keys(cachu_key_serializer)


def _keys(serializer: Any) -> Callable[..., str]:
    @cachu.cache(key_serializer=serializer, package="cachu_key_suite", name="function")
    def function(first: Any = None, second: Any = None, *args: Any, **kwargs: Any) -> None: ...

    return function.key


def _distinct(keys: list[str], calls: list[Any]) -> None:
    seen: dict[str, Any] = {}
    for key, call in zip(keys, calls):
        assert key not in seen, f"{seen[key]!r} and {call!r} have one key: {key!r}"
        seen[key] = call


def test_keys_are_text(keys_of: Callable[..., str], cachu_arguments: list[Any]) -> None:
    for argument in cachu_arguments:
        assert type(keys_of(argument)) is str


def test_equal_arguments_have_equal_keys(
    keys_of: Callable[..., str], cachu_arguments: list[Any]
) -> None:
    for argument in cachu_arguments:
        assert keys_of(argument) == keys_of(argument) == keys_of(first=argument)
    assert keys_of({"a": 1, "b": 2}) == keys_of({"b": 2, "a": 1})
    assert keys_of({"a", "b", "c"}) == keys_of({"c", "b", "a"})


def test_different_arguments_have_different_keys(
    keys_of: Callable[..., str], cachu_arguments: list[Any]
) -> None:
    _distinct([keys_of(argument) for argument in cachu_arguments], cachu_arguments)


def test_hostile_text_has_keys_of_its_own(keys_of: Callable[..., str]) -> None:
    _distinct([keys_of(text) for text in HOSTILE], HOSTILE)


def test_arguments_of_several_parameters_do_not_run_together(keys_of: Callable[..., str]) -> None:
    calls: list[Any] = [("a", "b"), ("ab", ""), ("", "ab"), ("a", "b,"), ("a,", "b"), ("a:b",)]
    calls += [("a, second='b'", ""), ("a'", "b"), ("a", "'b"), ("first", "second"), ("b", "a")]
    calls += [("a\x00", "b"), ("a", "\x00b")]
    _distinct([keys_of(*call) for call in calls], calls)


def test_parameters_are_told_apart_by_name(keys_of: Callable[..., str]) -> None:
    calls: list[dict[str, Any]] = [{"first": 1}, {"second": 1}, {"third": 1}, {"fourth": 1}]
    calls += [{"kwargs": {"third": 1}}, {"first": {"third": 1}}]
    keys = [*(keys_of(**call) for call in calls), keys_of(None, None, 1), keys_of(None, None, (1,))]
    _distinct(keys, [*calls, "args 1", "args (1,)"])


def test_keys_are_the_same_in_other_processes(
    keys_of: Callable[..., str], cachu_key_serializer: Any
) -> None:
    name = cachu_key_serializer
    if not isinstance(name, str) or name not in {*catalogue.BUILT_IN, *plugins.installed()}:
        pytest.skip("it is no installed plugin, which other processes would find")
    source = (
        "from cachu.testing.key_suite import _keys, SAMPLE\n"
        f"print(ascii([_keys({name!r})(*each) for each in SAMPLE]))"
    )
    ours = ascii([keys_of(*each) for each in SAMPLE])
    for seed in ("1", "2"):
        theirs = subprocess.run(  # noqa: S603  of our own
            [sys.executable, "-c", source],
            env=_environment(seed),
            check=True,
            capture_output=True,
            text=True,
        )
        assert theirs.stdout.strip() == ours


def test_what_has_no_stable_form_is_refused(keys_of: Callable[..., str]) -> None:
    for argument in (lambda: None, Lock()):
        with pytest.raises(cachu.UncacheableArgumentError):
            keys_of(argument)


def test_calls_are_cached_under_their_keys(
    keys_of: Callable[..., str], cachu_key_serializer: Any
) -> None:
    assert keys_of(1)
    runs: list[Any] = []

    @cachu.cache(key_serializer=cachu_key_serializer, package="cachu_key_suite")
    def function(x: Any) -> list[Any]:
        runs.append(x)
        return [x, len(runs)]

    @cachu.cache(key_serializer=cachu_key_serializer, package="cachu_key_suite", backend="memory")
    async def coroutine(x: Any) -> Any: ...

    arguments: list[Any] = [1, True, 1.0, "1", [1], [True], {"a": 1}]
    for _ in range(2):
        for number, x in enumerate(arguments, 1):
            assert function(x) == [x, number]
    assert len(runs) == len(arguments)
    assert coroutine.key(1).rpartition(":")[2] == function.key(1).rpartition(":")[2]


def _environment(seed: str) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONHASHSEED": seed}


SAMPLE: list[Any] = [
    *((1,), (True,), ("text",), ({"b", "a", "c"},), ({"b": 1, "a": {"x", "y"}},), (b"\x00",)),
    *((1, "two", 3.0), (None, (1, [2, {"three"}])), (frozenset({"é", "e\u0301"}),)),
]
"""Arguments whose keys are compared between processes that hash text differently."""
