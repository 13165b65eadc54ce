"""The types of decorated functions, for type checkers.

At run time a decorated function is a plain function with a few attributes, so that it binds to
instances, pickles and introspects like any other. These classes say what it can do; nothing is
ever an instance of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from cachu.entries import CacheInfo

__all__ = ["AsyncCached", "AsyncDecorator", "Cached", "Decorator"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
S = TypeVar("S")


class Cached(Protocol[P, R]):
    """A cached function with the parameters *P* that returns *R*."""

    __name__: str
    __qualname__: str
    __module__: str
    __doc__: str | None

    @property
    def __wrapped__(self) -> Callable[P, R]:
        """The decorated function itself."""
        ...

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(self, *args: Any, _skip_cache: bool, **kwargs: Any) -> R: ...
    @overload
    def __call__(self, *args: Any, _overwrite_cache: bool, **kwargs: Any) -> R: ...
    @overload  # under @classmethod, where type checkers do not bind the class
    def __call__(
        self: Cached[Concatenate[type[S], Q], R], *args: Q.args, **kwargs: Q.kwargs
    ) -> R: ...

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Cached[P, R]: ...
    @overload
    def __get__(
        self: Cached[Concatenate[S, Q], R], instance: S, owner: type[Any] | None = None, /
    ) -> CachedMethod[Q, R]: ...

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the key of a call."""
        ...

    def get(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached result of a call; KeyError if there is none."""
        ...

    def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Keep *value* as the result of a call."""
        ...

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result of a call."""
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function and replace the cached result."""
        ...

    def skip(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function past the cache."""
        ...

    def info(self) -> CacheInfo:
        """Return the statistics of the function."""
        ...


class CachedMethod(Protocol[P, R_co]):
    """A cached method, bound to an instance; its twins are reached through the class."""

    @property
    def __self__(self) -> object:
        """The instance."""
        ...

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(self, *args: Any, _skip_cache: bool, **kwargs: Any) -> R_co: ...
    @overload
    def __call__(self, *args: Any, _overwrite_cache: bool, **kwargs: Any) -> R_co: ...


class AsyncCached(Protocol[P, R]):
    """A cached coroutine function with the parameters *P* whose coroutines return *R*."""

    __name__: str
    __qualname__: str
    __module__: str
    __doc__: str | None

    @property
    def __wrapped__(self) -> Callable[P, Coroutine[Any, Any, R]]:
        """The decorated function itself."""
        ...

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...
    @overload
    def __call__(self, *args: Any, _skip_cache: bool, **kwargs: Any) -> Coroutine[Any, Any, R]: ...
    @overload
    def __call__(
        self, *args: Any, _overwrite_cache: bool, **kwargs: Any
    ) -> Coroutine[Any, Any, R]: ...
    @overload  # under @classmethod, where type checkers do not bind the class
    def __call__(
        self: AsyncCached[Concatenate[type[S], Q], R], *args: Q.args, **kwargs: Q.kwargs
    ) -> Coroutine[Any, Any, R]: ...

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> AsyncCached[P, R]: ...
    @overload
    def __get__(
        self: AsyncCached[Concatenate[S, Q], R], instance: S, owner: type[Any] | None = None, /
    ) -> CachedMethod[Q, Coroutine[Any, Any, R]]: ...

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the key of a call."""
        ...

    async def get(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached result of a call; KeyError if there is none."""
        ...

    async def set(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Keep *value* as the result of a call."""
        ...

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result of a call."""
        ...

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function and replace the cached result."""
        ...

    async def skip(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function past the cache."""
        ...

    async def info(self) -> CacheInfo:
        """Return the statistics of the function."""
        ...


class Decorator(Protocol):
    """What `cache(...)` returns."""

    @overload
    def __call__(self, function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
    @overload
    def __call__(self, function: staticmethod[P, R], /) -> staticmethod[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCached[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Cached[P, R]: ...


class AsyncDecorator(Protocol):
    """What `async_cache(...)` returns."""

    @overload
    def __call__(self, function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
    @overload
    def __call__(self, function: staticmethod[P, R], /) -> staticmethod[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCached[P, R]: ...
