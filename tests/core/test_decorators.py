"""What may be decorated, what is left of it, and what is refused (D1, D2, V4-V6, O)."""

from __future__ import annotations

import asyncio
import copy
import doctest
import importlib
import inspect
import linecache
import logging
import math
import pickle
import subprocess
import sys
import textwrap
import traceback
import types
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import cachu

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Colour


@cachu.cache
def documented(x: int, *, y: str = "b") -> tuple[int, str]:
    """Return both."""
    return x, y


@cachu.async_cache(ttl=60)
async def documented_async(x: int) -> int:
    """Return it."""
    return x


class Callable1:
    def __call__(self, x: int) -> tuple[str, int]:
        return "called", x


class AsyncCallable1:
    async def __call__(self, x: int) -> tuple[str, int]:
        return "called", x


async def coroutine_function(x: int) -> int:
    return x


def plain_function(x: int) -> int:
    return x


# D1


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda x: x, (1,)),
        (plain_function, (1,)),
        (partial(plain_function, 1), ()),
        (partial(plain_function, x=1), ()),
        (partial(partial(pow, 2), 3), ()),
        (math.gcd, (4, 6)),
        (sorted, ([2, 1],)),
        (Callable1(), (1,)),
        (Callable1().__call__, (1,)),
        ("abc".upper, ()),
        (complex, (1, 2)),
        (types.SimpleNamespace, ()),
        (cachu.cache(plain_function), (1,)),
        (partial(cachu.cache(plain_function), 1), ()),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
@pytest.mark.parametrize("decorate", [cachu.cache, cachu.cache(), cachu.cache(60)])
def test_d1_whatever_can_be_called(
    decorate: Any, function: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    try:
        f = decorate(function)
    except cachu.ConfigurationError as error:
        # Some builtins have no signature in some versions of Python.
        with pytest.raises(ValueError, match="signature"):
            inspect.signature(function)
        assert "Wrap it in a function" in str(error)  # noqa: PT017
        return
    assert f(*args) == function(*args)
    assert f(*args) is f(*args)
    assert tuple(f.info()) == (2, 1, 1)
    assert not inspect.iscoroutinefunction(f)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (coroutine_function, (1,)),
        (partial(coroutine_function, 1), ()),
        (partial(partial(coroutine_function), x=1), ()),
        (AsyncCallable1(), (1,)),
        (AsyncCallable1().__call__, (1,)),
        (cachu.cache(coroutine_function), (1,)),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
@pytest.mark.parametrize(
    "decorate", [cachu.cache, cachu.cache(ttl=60), cachu.async_cache, cachu.async_cache(60)]
)
def test_d1_whatever_makes_a_coroutine(decorate: Any, function: Any, args: Any) -> None:
    f = decorate(function)
    assert inspect.iscoroutinefunction(f)
    assert asyncio.iscoroutinefunction(f) if sys.version_info < (3, 14) else True

    async def main() -> None:
        expected = await function(*args)
        for _ in range(3):
            assert await f(*args) == expected
        assert tuple(await f.info()) == (2, 1, 1)

    asyncio.run(main())


def test_d1_two_levels_of_cache_count_apart(colour: Colour) -> None:
    plain = colour.define("x, *, y=1").plain
    inner = cachu.cache(ttl=600)(plain)
    outer = cachu.cache(ttl=60)(inner)
    assert colour.run(outer(1)) == colour.run(outer(1, y=1)) == {"x": 1, "y": 1}
    assert colour.run(outer.invalidate(1))
    colour.run(outer(1))
    assert tuple(colour.run(inner.info())) == (1, 1, 1)
    assert tuple(colour.run(outer.info())) == (1, 2, 1)


# D2


def test_d2_a_decorated_function_looks_like_itself() -> None:
    for f in (documented, documented_async):
        original = f.__wrapped__
        assert isinstance(f, types.FunctionType)
        for attribute in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
            assert getattr(f, attribute) == getattr(original, attribute)
        assert inspect.signature(f) == inspect.signature(original)
        assert inspect.getsource(f) == inspect.getsource(original)
        assert inspect.iscoroutinefunction(f) is inspect.iscoroutinefunction(original)
        assert f.__code__.co_name == original.__name__


@pytest.mark.parametrize("f", [documented, documented_async], ids=["sync", "async"])
def test_d2_it_pickles_and_copies_as_the_function_that_it_is(f: Any) -> None:
    sys.modules.setdefault(__name__, types.ModuleType(__name__)).__dict__[f.__name__] = f
    assert pickle.loads(pickle.dumps(f)) is f
    assert copy.copy(f) is f
    assert copy.deepcopy([f])[0] is f


def test_d2_attributes_of_the_function_are_kept() -> None:
    def f() -> None: ...

    f.mark = "here"
    assert cachu.cache(f).mark == "here"


def test_d2_doctest_finds_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
        import cachu

        @cachu.cache
        def f(x):
            '''
            >>> f(1)
            2
            '''
            return x + 1

        class C:
            @cachu.cache
            def method(self, x):
                '''
                >>> C().method(1)
                2
                '''
                return x + 1
        """
    (tmp_path / "with_doctests.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("with_doctests")
    assert doctest.testmod(module) == (0, 2)


def cachu_frames(colour: Colour, error: BaseException) -> list[traceback.FrameSummary]:
    return [f for f in traceback.extract_tb(error.__traceback__) if colour.is_ours(f.filename)]


@pytest.mark.parametrize("options", [{}, {"ttl": None}, {"ttl": 0}, {"copy": True}], ids=repr)
def test_d2_tracebacks_are_short_and_show_the_wrapper(colour: Colour, options: Any) -> None:
    f = colour.define("x, *, y=1", body="raise LookupError(x)", **options)
    calls = {
        "first": f,
        "later": f,
        "other": partial(f, y=2),
        "skip": f.skip,
        "refresh": f.refresh,
        "_skip_cache": partial(f, _skip_cache=True),
        "_overwrite_cache": partial(f, _overwrite_cache=True),
    }
    for name, call in calls.items():
        with pytest.raises(LookupError) as raised:
            call(1)
        frames = cachu_frames(colour, raised.value)
        assert len(frames) <= 3, name
        assert all(frame.line for frame in frames), name
        assert raised.value.__context__ is None
        assert raised.value.__cause__ is None
        assert traceback.extract_tb(raised.value.__traceback__)[-1].line == "raise LookupError(x)"
    with cachu.disabled(), pytest.raises(LookupError) as raised:
        f(1)
    assert len(cachu_frames(colour, raised.value)) <= 3


def test_d2_the_source_of_a_wrapper_can_be_seen(sync: Colour) -> None:
    f = sync.define("x")
    for bound in (False, True):
        if bound:
            f(1)
        filename = f.cached.__code__.co_filename
        assert filename.startswith("<cachu ")
        assert linecache.getline(filename, f.cached.__code__.co_firstlineno).lstrip()[:4] == "def "
        linecache.checkcache()
        assert linecache.getline(filename, 1)


INTERNAL = (
    "table entries miss value deadline time type hits surplus p0 p1 t0 t1 function touch refuse "
    "created call make UNSET key args kwargs cls self fn default name raw types flight seen where"
)


@pytest.mark.parametrize("word", INTERNAL.split())
@pytest.mark.parametrize("ttl", [300, None])
def test_d2_parameters_may_be_called_like_something_inside(
    colour: Colour, word: str, ttl: int | None
) -> None:
    shapes = [
        (f"zz, {word}, *, w=1", (1, 2), (1,), {word: 2}),
        (f"zz, {word}=3", (1, 2), (1,), {word: 2}),
        (f"*, {word}", None, (), {word: 2}),
        (f"zz, *{word}", (1, 2), (1, 2), {}),
        (f"zz, **{word}", None, (1,), {word: 2}),
        (f"zz=0, *, {word}=2, **more", (), (), {word: 2}),
    ]
    for signature, args, other_args, kwargs in shapes:
        f = colour.define(signature, ttl=ttl)
        expected = colour.run(f.plain(*other_args, **kwargs))
        f.calls.clear()
        if args is not None:
            assert f(*args) == expected
        for _ in range(2):
            assert f(*other_args, **kwargs) == expected
        assert f.get(*other_args, **kwargs) == expected
        assert len(f.calls) == 1
        assert f(*other_args, **kwargs, _skip_cache=True) == expected
        assert f(*other_args, **kwargs, _overwrite_cache=True) == expected
        assert len(f.calls) == 3


@pytest.mark.parametrize("signature", ["x", "x, *, y=1", "x, *more", "x, **more", "x, /", "*, x"])
def test_control_keywords(colour: Colour, signature: str) -> None:
    """README: `_skip_cache` neither reads nor writes, `_overwrite_cache` executes and writes."""
    g = colour.define(signature, body="return object()")
    given = [{"x": n} if signature.startswith("*") else n for n in range(3)]

    def f(n: int, **control: Any) -> Any:
        return g(**given[n], **control) if signature.startswith("*") else g(n, **control)

    first = f(1)
    assert f(1, _skip_cache=True) is not first
    assert f(1, _skip_cache=False) is first
    assert f(1, _skip_cache=None) is first
    assert f(1, _overwrite_cache=False) is first
    assert f(1, _overwrite_cache=None, _skip_cache=0) is first
    second = f(1, _overwrite_cache=True)
    assert second is not first
    assert f(1) is second
    assert f(1, _overwrite_cache=True, _skip_cache=True) is not second
    assert f(1) is second
    assert f(2, _skip_cache=True) is not f(2)
    assert g.counts == (6, 3, 2)


def test_v5_overwriting_with_a_result_that_is_refused_deletes(colour: Colour) -> None:
    results = iter([1, None, 2, None])
    f = colour.define(
        "x",
        "return next(results)",
        {"results": results},
        cache_if=lambda result: result is not None,
    )
    assert f(0) == 1
    assert f(0, _overwrite_cache=True) is None
    assert f.counts == (0, 2, 0)
    assert f(0) == 2
    assert f.refresh(0) is None
    assert f.counts == (0, 4, 0)


def test_v5_an_invalid_entry_whose_successor_is_refused_goes(colour: Colour) -> None:
    results = iter([1, None])
    f = colour.define(
        "x",
        "return next(results)",
        {"results": results},
        cache_if=lambda result: result is not None,
        validate=lambda entry: False,
    )
    assert f(0) == 1
    assert cachu.get_backend("memory").get(f.key(0)) == 1
    with pytest.raises(KeyError):
        f.get(0)
    assert f(0) is None
    assert cachu.get_backend("memory").get(f.key(0)) is cachu.NO_VALUE


@pytest.mark.parametrize("option", ["cache_if", "validate"])
def test_v4_a_callback_that_raises_is_logged_once(
    colour: Colour, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    def callback(_: object) -> bool:
        raise LookupError("in the callback")

    f = colour.define("x", **{option: callback})
    with caplog.at_level(logging.DEBUG, "cachu"):
        for _ in range(4):
            assert f(1) == {"x": 1}
    assert len(f.calls) == 4
    assert [record.name for record in caplog.records] == ["cachu"]
    assert option in caplog.text


def test_v4_errors_are_not_cached(colour: Colour) -> None:
    f = colour.define("x", body="raise LookupError(x)")
    for _ in range(2):
        with pytest.raises(LookupError):
            f(1)
    assert f.counts == (0, 2, 0)


@pytest.mark.parametrize("value", [None, False, 0, "", (), [], {}, float("nan"), cachu.NO_VALUE])
def test_v1_empty_results_are_cached(colour: Colour, value: Any) -> None:
    f = colour.define("x", "return value", {"value": value})
    for _ in range(3):
        assert f(1) is value
    expected = (0, 3, 0) if value is cachu.NO_VALUE else (2, 1, 1)
    assert f.counts == expected


# V6


@pytest.mark.parametrize("decorate", [cachu.cache, cachu.cache(ttl=0), cachu.async_cache])
def test_v6_generator_functions_are_refused_at_once(decorate: Any) -> None:
    def generator() -> Any:
        yield 1

    async def async_generator() -> Any:
        yield 1

    class Yielding:
        def __call__(self) -> Any:
            yield 1

    for function in (generator, async_generator, partial(generator), Yielding()):
        with pytest.raises(cachu.ConfigurationError, match=r"generator.*list"):
            decorate(function)


@pytest.mark.parametrize("ttl", [300, 0])
def test_v6_a_generator_as_result_is_refused(colour: Colour, ttl: int) -> None:
    f = colour.define("x", body="return (n for n in range(x))", ttl=ttl)
    for _ in range(2):
        with pytest.raises(cachu.UncacheableResultError, match=r"function.*generator.*list"):
            f(3)
    assert len(f.calls) == 2
    assert list(f(3, _skip_cache=True)) == [0, 1, 2]
    assert f.counts[2] == 0


@pytest.mark.parametrize(
    "body",
    ["iter([x])", "iter({x: x}.items())", "iter({x})", "map(str, [x])", "zip([x])", "reversed([])"],
)
def test_v6_an_iterator_as_result_is_refused(colour: Colour, body: str) -> None:
    """V6: only its first user could consume it, as with a generator."""
    f = colour.define("x", body=f"return {body}")
    for _ in range(2):
        with pytest.raises(cachu.UncacheableResultError, match=r"function.*iterator.*list"):
            f(3)
    assert f.counts[2] == 0


def test_v6_a_coroutine_as_result_is_refused() -> None:
    f = cachu.cache(lambda: coroutine_function(1))
    with pytest.raises(cachu.UncacheableResultError, match=r"coroutine.*async_cache"):
        f()
    assert tuple(f.info()) == (0, 1, 0)


@pytest.mark.parametrize("decorator", [cachu.cache, cachu.async_cache])
def test_ttl_is_given_once(decorator: Any) -> None:
    with pytest.raises(TypeError, match="multiple values for argument 'ttl'"):
        decorator(300, ttl=60)
    with pytest.raises(TypeError, match="by name"):
        decorator(300, "memory")


# Bad input: nothing is made, and the message helps.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ttl": "300"}, r"ttl.*'300'"),
        ({"ttl": True}, "ttl"),
        ({"ttl": math.nan}, "ttl"),
        ({"ttl": -math.inf}, "ttl"),
        ({"ttl": [1]}, "ttl"),
        ({"ttl": len}, r"ttl must be .*built-in function len"),  # not the function to decorate
        ({"ttl": staticmethod(len)}, "ttl must be"),
        ({"tag": None}, "tag must be"),
        ({"tag": 1}, "tag must be"),
        ({"exclude": "x"}, "exclude must be"),
        ({"exclude": {1}}, "exclude must be"),
        ({"exclude": None}, "exclude must be"),
        ({"exclude": {"y"}}, r"'y'.*has: x"),
        ({"cache_if": True}, "cache_if must be callable"),
        ({"validate": "yes"}, "validate must be callable"),
        ({"name": ""}, "name must be"),
        ({"name": b"x"}, "name must be"),
        ({"package": ""}, "package must be"),
        ({"package": 1}, "package must be"),
        ({"copy": 1}, "copy must be"),
        ({"backend": ""}, "backend must be"),
        ({"backend": 3}, "backend must be"),
        ({"key_serializer": 3}, "key_serializer must be"),
        ({"serializer": object()}, "serializer must be"),
        ({"lock": 3}, "lock must be"),
        ({"lock_timeout": 0}, "lock_timeout must be"),
        ({"lock_timeout": math.inf}, "lock_timeout must be"),
        ({"fail_open": 1}, "fail_open must be"),
        ({"tttl": 3}, r"'tttl'.*'ttl'"),
        ({"tags": "x"}, r"'tags'.*tag"),
        ({"key_prefix": "x"}, "'key_prefix'"),
        ({"memory_maxsize": 3}, "'memory_maxsize'"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("decorator", [cachu.cache, cachu.async_cache])
def test_a_wrong_option_is_refused_at_decoration(
    decorator: Any, options: dict[str, Any], message: str
) -> None:
    async def function(x: int) -> int:
        return x

    configs = cachu.get_all_configs()
    with pytest.raises(cachu.ConfigurationError, match=message) as raised:
        decorator(**options)(function)
    assert isinstance(raised.value, ValueError)
    assert cachu.get_all_configs() == configs
    assert not hasattr(function, "__cachu__")


@pytest.mark.parametrize("thing", [None, 3, "name", object()])
def test_what_cannot_be_called_is_refused(thing: Any) -> None:
    with pytest.raises(cachu.ConfigurationError, match="callable"):
        cachu.cache()(thing)


def test_async_cache_on_a_plain_function_says_what_to_use() -> None:
    with pytest.raises(cachu.ConfigurationError, match=r"plain_function.*@cache"):
        cachu.async_cache(plain_function)


@pytest.mark.parametrize("name", ["_skip_cache", "_overwrite_cache"])
@pytest.mark.parametrize("signature", ["{}", "x, {}=1", "*, {}=1", "*{}", "**{}"])
def test_a_parameter_called_like_a_control_keyword_is_refused(
    colour: Colour, signature: str, name: str
) -> None:
    with pytest.raises(cachu.ConfigurationError, match=name):
        colour.define(signature.format(name))


def test_an_unknown_backend_is_reported_by_the_call(colour: Colour) -> None:
    f = colour.define("x", backend="memmory")
    with pytest.raises(cachu.UnknownPluginError, match="memory"):
        f(1)
    assert f.calls == []


def test_c4_decorating_and_calling_is_safe_in_optimised_mode() -> None:
    script = textwrap.dedent(
        """
        import cachu
        @cachu.cache
        def f(x): return x
        for _ in range(3): f(1)
        print(*f.info())
        """
    )
    done = subprocess.run(
        [sys.executable, "-OO", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["2", "1", "1"]
