"""One object per decorated function: its options, its statistics, and its way into the cache.

Decorating binds nothing. The first call binds the function to the region that the configuration
names, and puts the call path of that region's backend into the wrapper. Whatever changes that
afterwards (a new configuration, a clear, `disable()`) reaches into the wrapper, so that a hit
never has to ask.
"""

from __future__ import annotations

import os
from _thread import RLock
from functools import partial, update_wrapper
from itertools import count
from weakref import ref

from cachu import config, packages, regions, switches
from cachu.backends.memory import AsyncMemoryBackend, MemoryBackend
from cachu.backends.null import AsyncNullBackend, NullBackend
from cachu.entries import NO_VALUE, CacheInfo
from cachu.errors import CachuWarning
from cachu.keys import names
from cachu.keys.spelling import Spelling, unlike
from cachu.wrappers import compiled, counters
from cachu.wrappers.callee import Callee
from cachu.wrappers.memory import AsyncMemoryCalls, MemoryCalls
from cachu.wrappers.parameters import Parameters
from cachu.wrappers.passing import AsyncPassingCalls, PassingCalls
from cachu.wrappers.stored import AsyncStoredCalls, StoredCalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping
    from types import FunctionType
    from typing import Any, ClassVar, Final

    from cachu.backends import AsyncBackend, Backend
    from cachu.backends.memory import Shelf
    from cachu.policies import Policy
    from cachu.regions import LiveRegion

    Calls = MemoryCalls | StoredCalls | PassingCalls

_lock = RLock()
_serial: Final = count()
_functions: Final[dict[int, ref[Function]]] = {}
TWINS: Final = ("key", "get", "set", "invalidate", "refresh", "skip", "info")


class Function:
    """A decorated function.

    Args:
        function: What was decorated.
        exclude: The names of parameters that do not count.
        policy: What its entries are like.
        package: Whose configuration it follows.
        name: Its name in keys, or None for its module and qualified name.
        overrides: The options of `configure` that its decorator was given.
    """

    coroutine: ClassVar[bool] = False
    _calls_in_memory: ClassVar[Any] = MemoryCalls
    _calls_on_backend: ClassVar[Any] = StoredCalls
    _calls_to_nowhere: ClassVar[Any] = PassingCalls

    def __init__(
        self,
        function: Callable[..., Any],
        exclude: Collection[str],
        policy: Policy,
        package: str,
        name: str | None,
        overrides: Mapping[str, Any],
    ) -> None:
        self.function = function
        self.policy = policy
        self.package = package
        self.identity: str = label(function) if name is None else name
        self.named: bool = name is not None
        self._parameters = Parameters.of(function, exclude)
        self._overrides = overrides
        self._counters = counters.counters()
        self._warned = False
        self._epoch = 0
        self._calls: Calls | None = None
        self._bind_call: Callable[..., compiled.Bound] | None = None
        self._own_identity: str | None = None
        self._shelves: list[Shelf] = []
        self._mode = "direct"

    def wrapper(self) -> FunctionType:
        """Make what takes the place of the decorated function; to be called once.

        Only the wrapper keeps this object alive, never the other way round, so that a function
        that is let go of is freed with its entries at once.
        """
        made, self._hits = compiled.wrap(self.function, self._parameters, coroutine=self.coroutine)
        made.__globals__["refuse"] = self._refuse
        update_wrapper(made, self.function)
        for twin in TWINS:
            made.__dict__[twin] = getattr(self, twin)
        made.__dict__["__cachu__"] = self
        self._wrapper = ref(made)
        self.expose()
        serial = next(_serial)
        _functions[serial] = ref(self, lambda _: _functions.pop(serial, None))
        return made

    @property
    def backend(self) -> str:
        """The name of the backend that its decorator or the configuration names."""
        backend: str = self._overrides.get("backend") or config.get_config(self.package).backend
        return backend

    # What callers of the twins see: the parameters of the function itself.

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
        """Keep *value* as the result of a call."""
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

    # Binding

    def calls(self) -> Any:
        """Return the call path of the region that the configuration names now."""
        while True:
            calls, epoch = self._calls, self._epoch
            if calls is not None:
                return calls
            made = self._make_calls()
            with _lock:
                if self._epoch == epoch and self._calls is None:
                    self._calls = made
                    self.expose()

    def unbind(self) -> None:
        """Have the next call bind the function anew."""
        with _lock:
            self._epoch += 1
            self._calls = None
            self.expose()

    def expose(self) -> None:
        """Show the wrapper the call path and the table that count now."""
        with _lock:
            wrapper, calls = self._wrapper(), self._calls
            if wrapper is None:
                return
            namespace = wrapper.__globals__
            mode: str = "direct"
            entries: Any = {}
            if calls is None:
                namespace["miss"] = self._first
            else:
                mode, namespace["miss"] = calls.mode, calls.miss
                if mode != "direct" and not switches.suspended:
                    entries = calls.shelf.table.entries  # type: ignore[union-attr]
            namespace["entries"] = entries
            namespace["touch"] = getattr(entries, "move_to_end", None)
            if mode != self._mode:
                self._mode = mode
                wrapper.__code__ = compiled.wrapper_code(
                    self._parameters,
                    mode,
                    coroutine=self.coroutine,
                    name=wrapper.__name__,
                    qualname=wrapper.__qualname__,
                )

    def spell(self, raw: Hashable) -> str:
        """Return the key of the call with the raw key *raw*."""
        spelled: str = self.calls().callee.spelling.spell(self._parameters.of_raw(raw))
        return spelled

    def _first(
        self, key: Hashable, args: tuple[Any, ...], kwargs: Any, overwrite: object = None
    ) -> Any:
        if switches.suspended and switches.is_disabled():
            return self.function(*args, **(kwargs or {}))
        return self.calls().miss(key, args, kwargs, overwrite)

    def _make_calls(self) -> Calls:
        settings = config.get_config(self.package)
        region = regions.live(self.backend, self.package, self.policy.ttl, self._overrides)
        backend = NullBackend() if self.policy.ttl <= 0 else self._backend_of(region)
        memory = isinstance(backend, MemoryBackend)
        identity = self.identity
        if not self.named:
            identity = self._tell_apart(backend) if memory else self._warn_of_namesakes(backend)
        part = names.function_part(settings.key_prefix, self.package, identity)
        callee = self._callee(part, region)
        if isinstance(backend, MemoryBackend):
            shelf = self._shelf(backend, part)
            layout = (self._parameters.keyed, self.policy.tag) if self._parameters.raw else None
            shelf.join(self, layout, self.policy.tag)
            return self._calls_in_memory(callee, shelf)  # type: ignore[no-any-return]
        if isinstance(backend, (NullBackend, AsyncNullBackend)):
            return self._calls_to_nowhere(callee)  # type: ignore[no-any-return]
        return self._calls_on_backend(callee, region)  # type: ignore[no-any-return]

    def _callee(self, part: str, region: LiveRegion) -> Callee:
        settings = region.region.config
        serializer = regions.key_serializer(settings.key_serializer, region.region)
        parameters = self._parameters
        spelling = Spelling(
            part,
            parameters.keyed,
            parameters.receiver,
            parameters.variadic,
            parameters.arguments,
            serializer,
        )
        return Callee(
            self.function,
            parameters,
            self.policy,
            spelling,
            self._counters,
            settings.lock_timeout,
        )

    def _backend_of(self, region: LiveRegion) -> Backend | AsyncBackend:
        return region.backend

    def _shelf(self, backend: MemoryBackend, part: str) -> Shelf:
        """Return the function's place in memory; those of other configurations stay, if in use."""
        shelf = backend.shelf(part)
        with _lock:
            self._shelves = [other for other in self._shelves if other.count()]
            if shelf not in self._shelves:
                self._shelves.append(shelf)
        return shelf

    def _tell_apart(self, _backend: object) -> str:
        """Return an identity that no other living function has, for entries in memory."""
        with _lock:
            if self._own_identity is None:
                taken = {other._own_identity for other in self._namesakes()}  # noqa: SLF001
                self._own_identity = unlike(self.identity, taken)
            return self._own_identity

    def _warn_of_namesakes(self, backend: object) -> str:
        """Warn if another living function has the same identity, and so the same entries."""
        keeps = not isinstance(backend, (NullBackend, AsyncNullBackend))
        if keeps and not self._warned and any(map(self._rivals, self._namesakes())):
            self._warned = True
            import warnings

            warnings.warn(
                f"two functions called {self.identity!r} are cached on a backend that keeps "
                f"entries by name ({type(backend).__name__}), so each may get the other's "
                "results; give them a name= of their own",
                CachuWarning,
                stacklevel=packages.depth_of_caller(),
            )
        return self.identity

    def _namesakes(self) -> list[Function]:
        return [
            other
            for other in every()
            if other is not self
            and other.package == self.package
            and other.identity == self.identity
            and not other.named
        ]

    def _rivals(self, other: Function) -> bool:
        """Tell whether another function would be given our entries, without being ours."""
        same_region = other.backend == self.backend and other.policy.ttl == self.policy.ttl
        return same_region and innermost(other.function) is not innermost(self.function)

    def _info(self, size: int) -> CacheInfo:
        hits, misses = self._counters.total()
        return CacheInfo(counters.counted(self._hits) + hits, misses, size)

    def _refuse(self, args: tuple[Any, ...]) -> Any:
        """Have the function itself refuse more positional arguments than it takes."""
        # The last two are what was passed in the place of the control arguments, if it was.
        for _ in range(2):
            if args[-1] is None:
                args = args[:-1]
        return self.function(*args)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> compiled.Bound:
        if self._bind_call is None:
            self._bind_call = compiled.binder(self.function, self._parameters)
        return self._bind_call(*args, **kwargs)


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
        """Keep *value* as the result of a call."""
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
        backend = region.async_backend
        return backend.plain if isinstance(backend, AsyncMemoryBackend) else backend


def every() -> list[Function]:
    """Return all decorated functions that are alive."""
    alive = (reference() for reference in list(_functions.values()))
    return [function for function in alive if function is not None]


def innermost(function: Any) -> Any:
    """Return the function inside a partial."""
    while isinstance(function, partial):
        function = function.func
    return function


def label(function: Callable[..., Any]) -> str:
    """Return the module and qualified name of a function, through partials and instances."""
    function = innermost(function)
    module = getattr(function, "__module__", None) or "builtins"
    name = getattr(function, "__qualname__", None)
    return f"{module}.{name or type(function).__qualname__}"


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


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()
    switches.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
