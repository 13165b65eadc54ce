"""The functions that reach cached values from outside, in both colours."""

from __future__ import annotations

from cachu import clearing
from cachu.entries import NO_VALUE, CacheInfo
from cachu.errors import ConfigurationError
from cachu.functions import AsyncFunction, Function
from cachu.wrappers.compiled import UNSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import timedelta
    from typing import Any


def cache_get(
    function: Callable[..., Any], /, *args: Any, default: Any = UNSET, **kwargs: Any
) -> Any:
    """Return the cached result of a call, without running the function.

    Args:
        function: A function decorated with `@cache`, or a bound method.
        *args: The positional arguments of the call.
        default: What to return if nothing is cached.
        **kwargs: The keyword arguments of the call.

    Raises:
        KeyError: If nothing is cached and there is no *default*.
        ConfigurationError: If *function* is not cached, or is a coroutine function.
    """
    target, args = _target(function, args, "cache_get")
    entry = target.find(*args, **kwargs)
    if entry is not NO_VALUE:
        return entry.value
    if default is UNSET:
        raise KeyError(target.key(*args, **kwargs))
    return default


def cache_set(function: Callable[..., Any], value: Any, /, *args: Any, **kwargs: Any) -> None:
    """Keep *value* as the result of a call; arguments as for `cache_get`.

    If it cannot be stored, an older result is forgotten.

    Raises:
        BackendError: If that fails, too, so that the older result may still be there.
        ConfigurationError: If *function* is not cached, or is a coroutine function.
    """
    target, args = _target(function, args, "cache_set")
    target.set(value, *args, **kwargs)


def cache_delete(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> bool:
    """Forget the result of a call and say whether there was one; arguments as for `cache_get`."""
    target, args = _target(function, args, "cache_delete")
    return target.invalidate(*args, **kwargs)


def cache_info(function: Callable[..., Any], /) -> CacheInfo:
    """Return the hits, the misses and the current size of a cached function."""
    target, _ = _target(function, (), "cache_info")
    return target.info()


def cache_clear(
    tag: str | None = None,
    backend: str | None = None,
    ttl: float | timedelta | None = None,
    package: str | None = None,
) -> int:
    """Forget all entries that fit.

    Works from a process that never called the functions, too, wherever a backend is shared. What
    is being computed while it runs will not be kept.

    Args:
        tag: Only entries with this tag, by default all.
        backend: Only this backend, by default every one that is installed.
        ttl: Only entries of this time to live, as given to `@cache`; `math.inf` for those that
            never expire. By default all.
        package: Only entries of this package, by default the calling one; "*" for all packages.

    Returns:
        How many entries were removed, or -1 if a backend did not count them.

    Raises:
        ConfigurationError: If an argument is wrong or the backend is unknown.
        BackendError: If a backend failed, so that what it has may still be served; all others are
            cleared.
    """
    return clearing.clear(clearing.Scope(tag, backend, ttl, package))


async def async_cache_get(
    function: Callable[..., Any], /, *args: Any, default: Any = UNSET, **kwargs: Any
) -> Any:
    """Return the cached result of a call of a coroutine function; see `cache_get`."""
    target, args = _async_target(function, args, "cache_get")
    entry = await target.find(*args, **kwargs)
    if entry is not NO_VALUE:
        return entry.value
    if default is UNSET:
        raise KeyError(target.key(*args, **kwargs))
    return default


async def async_cache_set(
    function: Callable[..., Any], value: Any, /, *args: Any, **kwargs: Any
) -> None:
    """Keep *value* as the result of a call of a coroutine function; see `cache_set`."""
    target, args = _async_target(function, args, "cache_set")
    await target.set(value, *args, **kwargs)


async def async_cache_delete(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> bool:
    """Forget the result of a call of a coroutine function; see `cache_delete`."""
    target, args = _async_target(function, args, "cache_delete")
    return await target.invalidate(*args, **kwargs)


async def async_cache_info(function: Callable[..., Any], /) -> CacheInfo:
    """Return the statistics of a coroutine function; see `cache_info`."""
    target, _ = _async_target(function, (), "cache_info")
    return await target.info()


def async_cache_clear(
    tag: str | None = None,
    backend: str | None = None,
    ttl: float | timedelta | None = None,
    package: str | None = None,
) -> Coroutine[Any, Any, int]:
    """Forget, when awaited, all entries that fit; see `cache_clear`.

    The calling package is that of whoever wrote the call, even if another one awaits it.
    """
    return clearing.clear_async(clearing.Scope(tag, backend, ttl, package))


def _target(
    function: Any, args: tuple[Any, ...], operation: str
) -> tuple[Function, tuple[Any, ...]]:
    target, args = _decorated(function, args)
    if isinstance(target, AsyncFunction):
        raise ConfigurationError(
            f"{target.identity} is a coroutine function: use await async_{operation}(...)"
        )
    return target, args


def _async_target(
    function: Any, args: tuple[Any, ...], operation: str
) -> tuple[AsyncFunction, tuple[Any, ...]]:
    target, args = _decorated(function, args)
    if not isinstance(target, AsyncFunction):
        raise ConfigurationError(
            f"{target.identity} is not a coroutine function: use {operation}(...)"
        )
    return target, args


def _decorated(function: Any, args: tuple[Any, ...]) -> tuple[Function, tuple[Any, ...]]:
    """Return the decorated function behind *function*, a bound method's instance put in front."""
    target = getattr(function, "__cachu__", None)
    if not isinstance(target, Function):
        raise ConfigurationError(
            f"{function!r} is not cached; decorate it with @cachu.cache or @cachu.async_cache"
        )
    if hasattr(function, "__self__") and hasattr(function, "__func__"):
        args = (function.__self__, *args)
    return target, args
