"""Settings that change at run time take effect at the next call (S4-S6, K1, K9)."""

from __future__ import annotations

import gc
import math
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import cachu
from cachu import plugins
from cachu.backends import Capability
from cachu.backends.stores import Store
from cachu.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Colour


def runs(f: Any, *args: Any) -> bool:
    """Tell whether a call runs the function."""
    before = len(f.calls)
    f(*args)
    return len(f.calls) > before


class DictStore(Store):
    """Bytes in a dict."""

    capabilities = Capability.CLEAR | Capability.COUNT

    def __init__(self, kept: dict[str, bytes]) -> None:
        self.kept = kept

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        return self.kept.get(key)

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        self.kept[key] = data

    def delete(self, key: str) -> bool:
        return self.kept.pop(key, None) is not None

    def clear(self, tag: str | None = None) -> int:
        removed = len(self.kept)
        self.kept.clear()
        return removed

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        return sum(function in (None, key.rpartition(":")[0]) for key in self.kept)


class DictPlugin:
    def __init__(self) -> None:
        self.kept: dict[str, dict[str, bytes]] = {}

    @hookimpl
    def cachu_make_backend(self, name: str, region: Any) -> Store | None:
        if name != "dict_of_bytes":
            return None
        return DictStore(self.kept.setdefault(region.namespace, {}))


@pytest.fixture
def stored() -> Iterator[dict[str, dict[str, bytes]]]:
    """What the backend "dict_of_bytes" keeps, by region and key."""
    gc.collect()  # functions of earlier tests have the same names
    plugin = DictPlugin()
    plugins.register(plugin, "dict_of_bytes")
    yield plugin.kept
    cachu.configure(backend=cachu.DEFAULT)
    cachu.clear_backends()
    plugins.unregister("dict_of_bytes")


def test_s6_a_key_prefix_takes_effect_at_the_next_call(colour: Colour) -> None:
    f = colour.define("x")
    f(1)
    cachu.configure(key_prefix="v2:")
    assert f.counts[2] == 0
    assert runs(f, 1)
    assert not runs(f, 1)
    assert f.key(1).startswith("v2:")
    assert cachu.get_backend("memory").get(f.key(1)) == {"x": 1}
    cachu.configure(key_prefix=cachu.DEFAULT)
    assert not f.key(1).startswith("v2:")
    assert not runs(f, 1)
    assert cachu.cache_clear() == 1
    cachu.configure(key_prefix="v2:")
    assert not runs(f, 1)


@pytest.mark.parametrize("prefix", ["%", ":", "a:b:", "é", "'\"\\ \n", "x" * 500, "*", "[a-z]?"])
def test_k9_any_text_may_be_a_prefix(colour: Colour, prefix: str) -> None:
    cachu.configure(key_prefix=prefix)
    f = colour.define("x", tag="t")
    f(1)
    f((1,))
    assert f.key(1).startswith(prefix)
    assert cachu.get_backend("memory").get(f.key(1)) == {"x": 1}
    assert cachu.get_backend("memory").delete(f.key((1,))) is True
    assert cachu.cache_clear(tag="t") == 1


def test_s6_the_default_backend_is_not_frozen(colour: Colour, stored: Any) -> None:
    f = colour.define("x, y=2")
    pinned = colour.define("x", backend="memory")
    f(1)
    pinned(1)
    cachu.configure(backend="dict_of_bytes")
    assert runs(f, 1)
    assert not runs(f, 1)
    assert not runs(pinned, 1)
    (region,) = stored.values()
    assert list(region) == [f.key(1)]
    assert cachu.get_backend().get(f.key(1)) == {"x": 1, "y": 2}
    assert f.counts == (1, 2, 1)
    cachu.configure(backend="null")
    assert runs(f, 1)
    assert runs(f, 1)
    cachu.configure(backend="dict_of_bytes")
    assert not runs(f, 1)
    cachu.configure(backend="memory")
    f(1)
    assert pinned.counts == (1, 1, 1)


def test_s6_a_key_serializer_takes_effect_at_the_next_call(colour: Colour) -> None:
    f = colour.define("x, y=2")
    own = colour.define("x", key_serializer="digest")
    digest, own_key = f.key("user", y=7), own.key("user")
    cachu.configure(key_serializer="text")
    assert "user" in f.key("user")
    assert own.key("user") == own_key
    f("user")
    assert cachu.get_backend("memory").get(f.key("user")) == {"x": "user", "y": 2}
    seen: list[Any] = []

    def serializer(arguments: Any) -> str:
        seen.append(dict(arguments))
        return "of my own: 100%"

    cachu.configure(key_serializer=serializer)
    key = f.key([1])
    assert seen[-1] == {"x": [1], "y": 2}
    f([1])
    assert cachu.get_backend("memory").get(key) == {"x": [1], "y": 2}
    cachu.configure(key_serializer=cachu.DEFAULT)
    assert f.key("user", y=7) == digest


def test_s6_a_key_serializer_that_returns_no_text(colour: Colour) -> None:
    f = colour.define("x", key_serializer=lambda arguments: 5)
    with pytest.raises(cachu.ConfigurationError, match="must return a str, not 5"):
        f.key([1])


def test_s6_a_lock_timeout_takes_effect_at_the_next_call(colour: Colour) -> None:
    f = colour.define("x")
    f(1)
    assert cachu.configure(lock_timeout=1).lock_timeout == 1
    assert not runs(f, 1)


def test_s5_packages_do_not_see_each_others_entries(colour: Colour) -> None:
    made = [colour.define("x", package=package) for package in ("one", "two")]
    for f in made:
        f(1)
    cachu.configure(package="one", key_prefix="v2:")
    assert [runs(f, 1) for f in made] == [True, False]
    assert cachu.cache_clear() == 0
    assert cachu.cache_clear(package="one") == 1
    assert [f.counts[2] for f in made] == [0, 1]
    assert cachu.get_backend("memory", package="two").count() == 1
    assert cachu.get_backend("memory").get(made[1].key(1)) is cachu.NO_VALUE
    made[0](1)
    assert cachu.cache_clear(backend="memory", package="*") == 2


def test_s5_the_package_is_that_of_the_functions_module(colour: Colour) -> None:
    library = colour.define("x", namespace={"__name__": "library_a.service"})
    cachu.configure(package="library_a", key_prefix="lib_a:")
    assert library.key(1).startswith("lib_a:library_a:")
    library(1)
    assert cachu.cache_clear() == 0
    assert cachu.cache_clear(backend="memory", ttl=300, package="library_a") == 1
    borrowed = colour.define("x", package="library_a")
    assert borrowed.key(1).startswith("lib_a:library_a:")


def test_s5_names_that_look_alike_stay_apart(colour: Colour) -> None:
    pairs = [("a", "b:f"), ("a:b", "f"), ("a%3Ab", "f"), ("a.b", "f")]
    made = [colour.define("x", package=package, name=name) for package, name in pairs]
    assert len({f.key(1) for f in made}) == len(pairs)
    for f in made:
        f(1)
    assert [f.counts for f in made] == [(0, 1, 1)] * len(pairs)


@pytest.mark.parametrize(
    "options",
    [
        {"backend": "memmory"},
        {"backend": 3},
        {"key_prefix": 3},
        {"key_serializer": "txet"},
        {"serializer": "pickel"},
        {"lock_timeout": -1},
        {"lock_timeout": math.nan},
        {"fail_open": "no"},
        {"memory_maxsize": 0},
        {"memory_maxsize": "5"},
        {"memory_maxsiez": 5},
        {"ttl": 5},
        {"key_prefix": "v9:", "memory_maxsize": 0},
        {"package": ""},
    ],
    ids=repr,
)
def test_s6_wrong_options_change_nothing(colour: Colour, options: dict[str, Any]) -> None:
    cachu.configure(key_prefix="v1:", memory_maxsize=100)
    before, all_before = cachu.get_config(), cachu.get_all_configs()
    f = colour.define("x")
    f(1)
    key = f.key(1)
    with pytest.raises(cachu.ConfigurationError):
        cachu.configure(**options)
    assert cachu.get_config() == before
    assert cachu.get_all_configs() == all_before
    assert not runs(f, 1)
    assert f.key(1) == key


def test_k1_two_functions_of_one_identity_on_a_shared_store_are_warned_about(
    colour: Colour, stored: Any
) -> None:
    one, two = (colour.define("x", "return factor", {"factor": n}, "twins") for n in (1, 2))
    plain = [one.plain, two.plain]
    del one, two
    gc.collect()
    f, g = (cachu.cache(backend="dict_of_bytes")(function) for function in plain)
    for cached in (f, g):
        with pytest.warns(cachu.CachuWarning, match=r"twins.*name="):
            colour.run(cached(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colour.run(g(2))
        named = cachu.cache(backend="dict_of_bytes", name="another")(plain[0])
        assert colour.run(named(1)) == 1


def test_k1_a_partial_and_its_function_on_a_shared_store(colour: Colour, stored: Any) -> None:
    plain = colour.define("a, b=2").plain
    f = cachu.cache(backend="dict_of_bytes", name="whole")(plain)
    g = cachu.cache(backend="dict_of_bytes", name="whole")(partial(plain, 1))
    colour.run(f(1, 2))
    assert colour.run(g()) == {"a": 1, "b": 2}
    assert colour.run(g(b=2)) == {"a": 1, "b": 2}
    assert tuple(colour.run(g.info())) == (2, 0, 1)


def test_s4_colours_share_a_store(stored: Any, sync: Colour) -> None:
    other = type(sync)("async")
    plain = cachu.cache(backend="dict_of_bytes", name="coloured")(sync.define("x").plain)
    asynchronous = cachu.cache(backend="dict_of_bytes", name="coloured")(other.define("x").plain)
    assert other.run(asynchronous(1)) == {"x": 1}
    assert plain(1) == {"x": 1}
    assert tuple(plain.info()) == (1, 0, 1)
    assert plain.key(1) == asynchronous.key(1)
    assert other.run(cachu.async_cache_clear(backend="dict_of_bytes")) == 1
    with pytest.raises(KeyError):
        plain.get(1)
    other.close()


@pytest.mark.parametrize("value", [1, (1,), "text", None, {"a": [1]}])
def test_d3_the_twins_on_a_store(colour: Colour, stored: Any, value: Any) -> None:
    f = colour.define("x, *more, y=1, **rest", backend="dict_of_bytes")
    assert f(value) == f(value) == f(value, y=1) == {"x": value, "more": (), "y": 1, "rest": {}}
    assert f.counts == (2, 1, 1)
    f.set("kept", value, 2, z=3)
    assert f.get(value, 2, z=3) == "kept"
    assert cachu.get_backend("dict_of_bytes").get(f.key(value, 2, z=3)) == "kept"
    assert f.refresh(value, 2, z=3)["more"] == (2,)
    assert f.invalidate(value, 2, z=3) is True
    assert f.invalidate(value, 2, z=3) is False
    with pytest.raises(KeyError):
        f.get(value, 2, z=3)
    assert f(value, _skip_cache=True) is not f(value)
    assert f.counts == (3, 2, 1)


def test_k3_lookalikes_on_a_store(colour: Colour, stored: Any) -> None:
    f = colour.define("x", backend="dict_of_bytes")
    values = [1, True, 1.0, "1", b"1", 0.0, -0.0, (1,), (True,)]
    for _ in range(2):
        for value in values:
            assert repr(f(value)) == repr({"x": value})
    assert f.counts == (len(values), len(values), len(values))


def test_d2_tracebacks_on_a_store_are_short_too(colour: Colour, stored: Any) -> None:
    f = colour.define("x", body="raise LookupError(x)", backend="dict_of_bytes")
    for call in (f, f, f.refresh):
        with pytest.raises(LookupError) as raised:
            call(1)
        files = [str(entry.frame.code.path) for entry in raised.traceback]
        ours = list(filter(colour.is_ours, files))
        assert len(ours) <= 3, ours
        assert raised.value.__context__ is None
