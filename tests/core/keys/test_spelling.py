"""The short way to the default key gives what the long way gives (K2, K5, K6, K7)."""

from __future__ import annotations

import functools
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

import cachu
from cachu.errors import UncacheableArgumentError
from cachu.keys.serializers import digest

if TYPE_CHECKING:
    from collections.abc import Callable


class Repo:
    def get(self, x: object, *more: object) -> None: ...

    @classmethod
    def made(cls, x: object) -> None: ...


class Tenant(Repo):
    def __cache_key__(self) -> object:
        return "tenant"


def nothing() -> None: ...


def defaulted(x: object, y: object = (1, 2)) -> None: ...


def mixed(x: object, /, y: object, *more: object, z: object = 3, **options: object) -> None: ...


def keywords(*, a: object = 1, b: object = 2) -> None: ...


def hidden(_x: object, y: object, *_more: object, _z: object = 3, **_rest: object) -> None: ...


def variadic(*args: object, **kwargs: object) -> None: ...


CONNECTION = sqlite3.connect(":memory:")
CONNECTION.close()
PLACED = functools.partial
CALLS: list[tuple[Callable[..., Any], list[tuple[tuple[Any, ...], dict[str, Any]]]]] = [
    (nothing, [((), {})]),
    (defaulted, [((1,), {}), (((1, "a"),), {"y": None}), ((CONNECTION,), {"y": CONNECTION})]),
    (mixed, [((1, 2), {}), ((1, 2, 3, CONNECTION), {"z": 4, "q": 5}), ((1,), {"y": 2, "x": 3})]),
    (keywords, [((), {}), ((), {"b": 1}), ((), {"b": CONNECTION, "a": {}})]),
    (hidden, [((1, 2), {}), ((1, 2, 3), {"_z": 4, "q": 5})]),
    (variadic, [((), {}), ((1, True), {}), ((CONNECTION, 1), {"k": CONNECTION, "l": 1.0})]),
    (Repo.get, [((Repo(), 1), {}), ((Tenant(), 1, 2), {}), ((Repo, (1,)), {})]),
    (Repo.made.__func__, [((Repo, 1), {}), ((Tenant, 1), {})]),
    (PLACED(defaulted, 1), [((), {}), ((2,), {})]),
    (PLACED(mixed, (), {}, z=1), [((), {}), ((3,), {"q": 4})]),
    (PLACED(mixed, 1), [((2,), {}), ((2, 3), {"z": 4}), ((2, 3, 4), {"q": 5})]),
    # The first call replaces a keyword that the others have from the partial.
    (PLACED(variadic, k=None), [((), {"k": 1}), ((), {}), ((), {"l": 1}), ((1,), {})]),
    (PLACED(variadic, ()), [((), {}), ((1,), {}), ((), {"k": 1})]),
]


def spelled_out(arguments: Any) -> str:
    return digest(arguments)


@pytest.mark.parametrize(("function", "calls"), CALLS)
def test_k2_the_default_key_of_a_call_is_the_digest_of_its_arguments(function, calls):
    short = cachu.cache(name="f")(function)
    long = cachu.cache(name="f", key_serializer=spelled_out)(function)
    for args, kwargs in [*calls, *reversed(calls)]:
        assert short.key(*args, **kwargs) == long.key(*args, **kwargs)


def test_k5_what_is_excluded_is_skipped_wherever_it_stands():
    for name in ("x", "y", "more", "z", "options"):
        short = cachu.cache(name="f", exclude={name})(mixed)
        long = cachu.cache(name="f", exclude={name}, key_serializer=spelled_out)(mixed)
        for args, kwargs in (((1, 2), {}), ((1, 2, 3), {"z": 4, "q": 5})):
            assert short.key(*args, **kwargs) == long.key(*args, **kwargs)


def test_k4_the_error_names_the_parameter_wherever_it_stands():
    f = cachu.cache()(mixed)
    lock = threading.Lock()
    places = {
        "x": ((lock, 2), {}),
        "y": ((1, lock), {}),
        "more": ((1, 2, lock), {}),
        "z": ((1, 2), {"z": lock}),
        "options": ((1, 2), {"q": lock}),
    }
    for name, (args, kwargs) in places.items():
        with pytest.raises(UncacheableArgumentError) as caught:
            f.key(*args, **kwargs)
        assert caught.value.parameter == name
