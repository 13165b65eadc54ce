"""The types of decorated functions, for type checkers.

At run time a decorated function is a plain function with a few attributes, so that it binds to
instances, pickles and introspects like any other. These classes say what it can do; nothing is
ever an instance of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from cachu.entries import CacheInfo

__all__ = ["AsyncDecorator", "Cached", "CachedMethod", "Decorator"]

F_co = TypeVar("F_co", covariant=True)
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
# Covariant although `set` takes one, so that a coroutine function's twins can be told by its type.
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")
T = TypeVar("T")
V = TypeVar("V")


class _Wrapper(Protocol[F_co]):
    """What has a function: for mypy to look at the first parameter, it has to be a callable's."""

    @property
    def __wrapped__(self) -> F_co: ...


class Cached(Protocol[P, R_co]):  # type: ignore[misc]
    """A cached function, with parameters *P* and result *R_co*.

    What it makes of a coroutine function is awaited, and so are all methods of that but `key`.
    """

    __name__: str
    __qualname__: str
    __module__: str
    __doc__: str | None

    @property
    def __wrapped__(self) -> Callable[P, R_co]:
        """The decorated function itself."""
        ...

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(self, *args: Any, _skip_cache: bool, **kwargs: Any) -> R_co: ...
    @overload
    def __call__(self, *args: Any, _overwrite_cache: bool, **kwargs: Any) -> R_co: ...
    @overload  # under @classmethod, where type checkers do not bind the class
    def __call__(
        self: _Wrapper[Callable[Concatenate[type[Any], Q], R]], *args: Q.args, **kwargs: Q.kwargs
    ) -> R: ...

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Cached[P, R_co]: ...
    @overload
    def __get__(
        self: _Wrapper[Callable[Concatenate[S, ...], object]],
        instance: S,
        owner: type[Any] | None = None,
        /,
    ) -> CachedMethod[P, R_co]: ...
    @overload  # a class method, through an instance
    def __get__(
        self: _Wrapper[Callable[Concatenate[type[S], ...], object]],
        instance: S,
        owner: type[Any] | None = None,
        /,
    ) -> CachedMethod[P, R_co]: ...
    @overload  # a static method, through an instance
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Cached[P, R_co]: ...

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the key of a call, as `get_backend(...).get()` takes it."""
        ...

    def get(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return the cached result of a call, without running the function; else KeyError."""
        ...

    @overload
    def set(  # type: ignore[overload-overlap]
        self: Cached[P, Coroutine[Any, Any, V]], value: V, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, None]: ...
    @overload
    def set(self, value: R_co, /, *args: P.args, **kwargs: P.kwargs) -> None: ...  # type: ignore[misc]
    def set(self, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Keep *value* as the result of a call, as if the function had returned it."""
        ...

    @overload
    def invalidate(  # type: ignore[overload-overlap]
        self: Cached[P, Coroutine[Any, Any, V]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, bool]: ...
    @overload
    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def invalidate(self, *args: Any, **kwargs: Any) -> Any:
        """Forget the cached result of a call and say whether there was one."""
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function and replace the cached result of the call."""
        ...

    def skip(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function past the cache: nothing is read, kept or counted."""
        ...

    @overload
    def info(  # type: ignore[overload-overlap]
        self: Cached[P, Coroutine[Any, Any, V]],
    ) -> Coroutine[Any, Any, CacheInfo]: ...
    @overload
    def info(self) -> CacheInfo: ...
    def info(self) -> Any:
        """Return the hits, the misses and the current size."""
        ...


class CachedMethod(Protocol[P, R_co]):
    """A cached method, bound to an instance: what `repository.find` is.

    It can be called. The methods of `Cached` are reached through the class, with the instance as
    the first argument: `Repository.find.invalidate(repository, 7)`.
    """

    # *P* has the instance, too. Taken off only where it is used, it leaves a method its type
    # variables.

    @property
    def __self__(self) -> object:
        """The instance."""
        ...

    @overload
    def __call__(
        self: CachedMethod[Concatenate[Any, Q], R], *args: Q.args, **kwargs: Q.kwargs
    ) -> R: ...
    @overload
    def __call__(self, *args: Any, _skip_cache: bool, **kwargs: Any) -> R_co: ...
    @overload
    def __call__(self, *args: Any, _overwrite_cache: bool, **kwargs: Any) -> R_co: ...


class Decorator(Protocol):
    """What `cache(...)` returns."""

    @overload
    def __call__(self, function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: staticmethod[P, R], /
    ) -> staticmethod[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Cached[P, R]: ...


class AsyncDecorator(Protocol):
    """What `async_cache(...)` returns."""

    @overload
    def __call__(self, function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: staticmethod[P, R], /
    ) -> staticmethod[P, R]: ...
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Cached[P, Coroutine[Any, Any, R]]: ...
