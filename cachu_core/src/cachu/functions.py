"""Decorated functions as their users see them: the twins, which take the function's parameters."""

from __future__ import annotations

from cachu import config, regions, switches
from cachu.backends.memory import AsyncMemoryBackend
from cachu.bindings import Binding
from cachu.entries import NO_VALUE
from cachu.namesakes import every
from cachu.wrappers.async_memory import AsyncMemoryCalls
from cachu.wrappers.async_stored import AsyncStoredCalls
from cachu.wrappers.memory import MemoryCalls
from cachu.wrappers.passing import AsyncPassingCalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any, ClassVar

    from cachu.backends import AsyncBackend, Backend
    from cachu.entries import CacheInfo
    from cachu.regions import LiveRegion


class Function(Binding):
    """A decorated function and its twins."""

    def key(self, /, *args: Any, **kwargs: Any) -> str:
        """Return the key of a call, as `get_backend(...).get()` takes it."""
        raw, args, bound = self._bound(args, kwargs)
        calls = self.calls()
        key: str = calls.callee.spelling.key(args, bound)
        if isinstance(calls, MemoryCalls):
            calls.alias(key, raw, args, bound)
        return key

    def get(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the cached result of a call, without running the function.

        Raises:
            KeyError: If there is none.
        """
        entry = self.find(*args, **kwargs)
        if entry is NO_VALUE:
            raise KeyError(self.key(*args, **kwargs))
        return entry.value

    def find(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the entry of a call, or `NO_VALUE`."""
        return self.calls().peek(*self._bound(args, kwargs))

    def set(self, value: Any, /, *args: Any, **kwargs: Any) -> None:
        """Keep *value* as the result of a call; see `cache_set`."""
        self.policy.refuse_used_up(value)
        self.calls().put(*self._bound(args, kwargs), value)

    def invalidate(self, /, *args: Any, **kwargs: Any) -> bool:
        """Forget the result of a call, and say whether there was one."""
        dropped: bool = self.calls().drop(*self._bound(args, kwargs))
        return dropped

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function and replace the cached result of the call."""
        bound = self._bound(args, kwargs)
        return self.calls().miss(*bound, True)

    def skip(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function past the cache: nothing is read, kept or counted."""
        return self.function(*args, **kwargs)

    def info(self) -> CacheInfo:
        """Return the statistics of the function."""
        return self._info(self.calls().size())


class AsyncFunction(Function):
    """A decorated coroutine function; its twins are coroutines too, but for `key`."""

    coroutine: ClassVar[bool] = True
    _calls_in_memory: ClassVar[Any] = AsyncMemoryCalls
    _calls_on_backend: ClassVar[Any] = AsyncStoredCalls
    _calls_to_nowhere: ClassVar[Any] = AsyncPassingCalls

    async def get(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the cached result of a call, without running the function.

        Raises:
            KeyError: If there is none.
        """
        entry = await self.find(*args, **kwargs)
        if entry is NO_VALUE:
            raise KeyError(self.key(*args, **kwargs))
        return entry.value

    async def set(self, value: Any, /, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Keep *value* as the result of a call; see `cache_set`."""
        self.policy.refuse_used_up(value)
        await self.calls().put(*self._bound(args, kwargs), value)

    async def invalidate(self, /, *args: Any, **kwargs: Any) -> bool:  # type: ignore[override]
        """Forget the result of a call, and say whether there was one."""
        dropped: bool = await self.calls().drop(*self._bound(args, kwargs))
        return dropped

    async def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function and replace the cached result of the call."""
        return await self.calls().miss(*self._bound(args, kwargs), True)

    async def skip(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function past the cache: nothing is read, kept or counted."""
        return await self.function(*args, **kwargs)

    async def info(self) -> CacheInfo:  # type: ignore[override]
        """Return the statistics of the function."""
        return self._info(await self.calls().size())

    async def _first(
        self, key: Hashable, args: tuple[Any, ...], kwargs: Any, overwrite: object = None
    ) -> Any:
        if switches.suspended and switches.is_disabled():
            return await self.function(*args, **(kwargs or {}))
        return await self.calls().miss(key, args, kwargs, overwrite)

    async def _refuse(self, args: tuple[Any, ...]) -> Any:
        return await super()._refuse(args)

    def _backend_of(self, region: LiveRegion) -> Backend | AsyncBackend:
        backend = region.async_guarded
        return backend.plain if isinstance(backend, AsyncMemoryBackend) else backend


def _rebind(package: str) -> None:
    for function in every():
        if function.package == package:
            function.unbind()


def _expose_all() -> None:
    for function in every():
        function.expose()


def _unbind_all() -> None:
    for function in every():
        function.unbind()


config.subscribe(_rebind)
switches.follow(_expose_all)
regions.follow(_unbind_all)
