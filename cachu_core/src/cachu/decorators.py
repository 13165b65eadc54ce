"""The two decorators."""

from __future__ import annotations

from cachu import packages
from cachu.errors import ConfigurationError
from cachu.functions import AsyncFunction, Function
from cachu.namesakes import innermost, label
from cachu.options import checked
from cachu.policies import Policy
from cachu.ttls import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Sequence
    from datetime import timedelta
    from typing import Any, ParamSpec, TypeVar

    from cachu.cached import AsyncDecorator, Cached, Decorator
    from cachu.entries import CacheEntry
    from cachu.keys.serializers import KeySerializer
    from cachu.locks import LockProvider
    from cachu.serializers import Serializer

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")

if not TYPE_CHECKING:

    def overload(function):
        """Leave typing out of `import cachu`."""
        return function

else:
    from typing import overload


_GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200
_OVERRIDES = ("backend", "key_serializer", "serializer", "lock", "lock_timeout", "fail_open")


@overload
def cache(function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
@overload
def cache(function: staticmethod[P, R], /) -> staticmethod[P, R]: ...  # type: ignore[overload-overlap]
@overload
def cache(function: Callable[P, R], /) -> Cached[P, R]: ...
@overload
def cache(
    ttl: float | timedelta | None = 300,
    *,
    backend: str | None = None,
    tag: str = "",
    exclude: Collection[str] = (),
    cache_if: Callable[[Any], object] | None = None,
    validate: Callable[[CacheEntry], object] | None = None,
    package: str | None = None,
    name: str | None = None,
    copy: bool = False,
    key_serializer: str | KeySerializer | None = None,
    serializer: str | Serializer | None = None,
    lock: str | LockProvider | None = None,
    lock_timeout: float | timedelta | None = None,
    fail_open: bool | None = None,
) -> Decorator: ...
def cache(*given: Any, **options: Any) -> Any:  # noqa: D417  described one by one
    """Cache what a function returns, by its arguments.

    Works with and without parentheses, on functions, methods, class methods, static methods and
    other callables; on a coroutine function it is `async_cache`. All options but *ttl* are passed
    by name. A wrong one is a `ConfigurationError` at once.

    Args:
        ttl: How long a result stays fresh: seconds, a `timedelta`, or None for ever. 300 by
            default; zero or less means that nothing is kept.
        backend: The name of a backend, by default the package's configured one.
        tag: A group to clear together: `cache_clear(tag=...)`.
        exclude: Names of parameters that do not count for the key.
        cache_if: Called with a result; only if it answers true the result is kept.
        validate: Called with a `CacheEntry`; only if it answers true the entry is used.
        package: Whose configuration to follow, by default that of the function's package.
        name: What the function is called in keys, by default its module and qualified name.
            Functions with one name share their entries.
        copy: Whether every caller gets a deep copy of its own from the memory backend.
        key_serializer: As for `configure`, for this function alone.
        serializer: As for `configure`, for this function alone.
        lock: As for `configure`, for this function alone.
        lock_timeout: As for `configure`, for this function alone.
        fail_open: As for `configure`, for this function alone.

    Returns:
        The decorated function, with `key`, `get`, `set`, `invalidate`, `refresh`, `skip` and
        `info` as attributes, which take its own parameters.
    """
    return _decorate(None, given, options)


@overload
def async_cache(function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
@overload
def async_cache(function: staticmethod[P, R], /) -> staticmethod[P, R]: ...  # type: ignore[overload-overlap]
@overload
def async_cache(
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> Cached[P, Coroutine[Any, Any, R]]: ...
@overload
def async_cache(
    ttl: float | timedelta | None = 300,
    *,
    backend: str | None = None,
    tag: str = "",
    exclude: Collection[str] = (),
    cache_if: Callable[[Any], object] | None = None,
    validate: Callable[[CacheEntry], object] | None = None,
    package: str | None = None,
    name: str | None = None,
    copy: bool = False,
    key_serializer: str | KeySerializer | None = None,
    serializer: str | Serializer | None = None,
    lock: str | LockProvider | None = None,
    lock_timeout: float | timedelta | None = None,
    fail_open: bool | None = None,
) -> AsyncDecorator: ...
def async_cache(*given: Any, **options: Any) -> Any:
    """Cache what a coroutine function returns; takes what `cache` takes."""
    return _decorate(AsyncFunction, given, options)


def _decorate(colour: type[Function] | None, given: Sequence[Any], options: dict[str, Any]) -> Any:
    if not given:  # by name, it is a time to live and never the function
        return _Decorator(colour, options.pop("ttl", 300), options)
    if len(given) > 1:
        raise TypeError("cache() takes one positional argument, the ttl; pass the others by name")
    if "ttl" in options:
        raise TypeError("cache() got multiple values for argument 'ttl'")
    ttl = given[0]
    if callable(ttl) or isinstance(ttl, (classmethod, staticmethod)):
        return _Decorator(colour, 300, options)(ttl)
    if hasattr(ttl, "__get__"):
        raise ConfigurationError(
            f"a {type(ttl).__name__} cannot be cached; cache the function inside: put @cache below"
        )
    return _Decorator(colour, ttl, options)


class _Decorator:
    """A decorator with its options, checked."""

    def __init__(self, colour: type[Function] | None, ttl: Any, options: dict[str, Any]) -> None:
        self._colour = colour
        self._ttl = seconds(ttl)
        given = {**_DEFAULTS, **options}
        unknown = options.keys() - _DEFAULTS.keys()
        if unknown:
            raise _unknown_option(min(unknown))
        for option, (expected, accepts) in _CHECKS.items():
            if not accepts(given[option]):
                got = given[option]
                message = f"{option} must be {expected}, got {got!r} ({type(got).__name__})"
                raise ConfigurationError(message)
        self._given = given
        self._package = None if given["package"] is None else packages.named(given["package"])
        self._overrides = {
            option: checked(option, given[option], load=False)
            for option in _OVERRIDES
            if given[option] is not None
        }

    def __call__(self, function: Any) -> Any:
        if isinstance(function, (classmethod, staticmethod)):
            return type(function)(self(function.__func__))
        if not callable(function):
            raise ConfigurationError(f"only something callable can be cached, not {function!r}")
        given = self._given
        policy = Policy(
            label(function),
            self._ttl,
            given["tag"],
            given["cache_if"],
            given["validate"],
            copy=given["copy"],
        )
        made = self._colour_of(function)(
            function,
            frozenset(given["exclude"]),
            policy,
            self._package or _package_of(function),
            given["name"],
            self._overrides,
        )
        return made.wrapper()

    def _colour_of(self, function: Any) -> type[Function]:
        flags = _flags(function)
        if flags & (_GENERATOR | _ASYNC_GENERATOR) and not flags & _ITERABLE_COROUTINE:
            raise ConfigurationError(
                f"{label(function)} is a generator function, and a generator can be consumed only "
                "once; have it return a list, or cache the function that consumes it"
            )
        coroutine = bool(flags & (_COROUTINE | _ITERABLE_COROUTINE))
        if self._colour is None:
            return AsyncFunction if coroutine else Function
        if not coroutine and not _wraps_coroutine(function):
            raise ConfigurationError(
                f"{label(function)} is not a coroutine function; use @cache for it"
            )
        return self._colour


def _flags(function: Any) -> int:
    """Return the flags of the code that a call of *function* runs."""
    function = innermost(function)
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None and not isinstance(function, type):
        code = getattr(type(function).__call__, "__code__", None)
    return 0 if code is None else int(code.co_flags)


def _wraps_coroutine(function: Any) -> bool:
    """Tell whether *function* stands for a coroutine function, by mark or by `__wrapped__`."""
    from inspect import iscoroutinefunction, unwrap

    return iscoroutinefunction(function) or bool(_flags(unwrap(function)) & _COROUTINE)


def _package_of(function: Any) -> str:
    function = innermost(function)
    module = getattr(function, "__module__", None)
    return packages.package_of(module) if module else packages.caller_package()


def _unknown_option(option: str) -> ConfigurationError:
    from cachu.settings import did_you_mean

    hint = did_you_mean(option, {"ttl", *_DEFAULTS})
    return ConfigurationError(f"cache() has no option {option!r}.{hint and ' ' + hint}")


def _is_names(value: object) -> bool:
    return isinstance(value, (set, frozenset, list, tuple)) and all(
        isinstance(name, str) for name in value
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    return value is None or (isinstance(value, str) and value != "")


def _is_callback(value: object) -> bool:
    return value is None or callable(value)


_DEFAULTS: dict[str, Any] = {
    "tag": "",
    "exclude": (),
    "cache_if": None,
    "validate": None,
    "package": None,
    "name": None,
    "copy": False,
    **dict.fromkeys(_OVERRIDES),
}
_CHECKS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "tag": ("a str", _is_text),
    "exclude": ("a set of parameter names", _is_names),
    "cache_if": ("callable or None", _is_callback),
    "validate": ("callable or None", _is_callback),
    "name": ("a non-empty str or None", _is_name),
    "copy": ("a bool", lambda value: isinstance(value, bool)),
}
