"""What ties a decorated function to the region of its configuration, and its wrapper to both.

Decorating binds nothing. The first call binds the function to the region that the configuration
names, and puts the call path of that region's backend into the wrapper. Whatever changes that
afterwards (a new configuration, a clear, `disable()`) reaches into the wrapper, so that a hit
never has to ask.
"""

from __future__ import annotations

import os
from _thread import RLock
from functools import update_wrapper
from weakref import WeakMethod, ref

from cachu import config, counters, making, namesakes, regions, switches
from cachu.backends.memory import MemoryBackend
from cachu.backends.null import AsyncNullBackend, NullBackend
from cachu.entries import CacheInfo
from cachu.keys import names
from cachu.keys.spelling import Spelling
from cachu.loads import loads
from cachu.wrappers import compiled
from cachu.wrappers.callee import Callee
from cachu.wrappers.memory import MemoryCalls
from cachu.wrappers.parameters import Parameters
from cachu.wrappers.passing import PassingCalls
from cachu.wrappers.stored import StoredCalls

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
TWINS: Final = ("key", "get", "set", "invalidate", "refresh", "skip", "info")


class Binding:
    """A decorated function, bound to a region when it is called.

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
        self.identity: str = namesakes.label(function) if name is None else name
        self.named: bool = name is not None
        self._parameters = Parameters.of(function, exclude)
        self._overrides = overrides
        self._counters = counters.counters()
        self.warned: bool = False
        self._epoch = 0
        self._calls: Calls | None = None
        self._bind_call: Callable[..., compiled.Bound] | None = None
        self.own_identity: str | None = None
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
        namesakes.register(self)
        return made

    @property
    def backend(self) -> str:
        """The name of the backend that its decorator or the configuration names."""
        backend: str = self._overrides.get("backend") or config.get_config(self.package).backend
        return backend

    def calls(self) -> Any:
        """Return the call path of the region that the configuration names now."""
        while True:
            calls, epoch = self._calls, self._epoch
            if calls is not None:
                return calls
            with loads:
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
            touch: object = None
            if calls is None:
                namespace["miss"] = self._first
            else:
                mode, namespace["miss"] = calls.mode, calls.miss
                if switches.suspended or mode == "direct":
                    entries = {}
                elif isinstance(calls, StoredCalls):
                    entries = calls.near.entries
                else:
                    table = calls.shelf.table  # type: ignore[union-attr]
                    entries, touch = table.entries, table.toucher()
            namespace["entries"] = entries
            namespace["touch"] = touch
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
        found = regions.live(self.backend, self.package, self.policy.ttl, self._overrides)
        region = found.use()
        backend = NullBackend() if self.policy.ttl <= 0 else self._backend_of(region)
        memory, identity = isinstance(backend, MemoryBackend), self.identity
        if not self.named:
            if memory:
                identity = namesakes.tell_apart(self)
            else:
                namesakes.warn(self, backend)
        part = names.function_part(settings.key_prefix, self.package, identity)
        callee = self._callee(part, region)
        if isinstance(backend, MemoryBackend):
            shelf = self._shelf(backend, part)
            layout = (self._parameters.keyed, self.policy.tag) if self._parameters.raw else None
            shelf.join(self, layout, self.policy.tag)
            return self._calls_in_memory(callee, shelf)  # type: ignore[no-any-return]
        if isinstance(backend, (NullBackend, AsyncNullBackend)):
            return self._calls_to_nowhere(callee)  # type: ignore[no-any-return]
        return self._calls_on_backend(callee, region, WeakMethod(self.expose))  # type: ignore[no-any-return]

    def _callee(self, part: str, region: LiveRegion) -> Callee:
        settings = region.region.config
        serializer = making.key_serializer(settings.key_serializer, region.region)
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

    def reset_counts(self) -> None:
        """Count from zero again."""
        counters.reset(self._hits)
        self._counters.reset()

    def _backend_of(self, region: LiveRegion) -> Backend | AsyncBackend:
        return region.guarded

    def _shelf(self, backend: MemoryBackend, part: str) -> Shelf:
        """Return the function's place in memory; those of other configurations stay, if in use."""
        shelf = backend.shelf(part)
        with _lock:
            self._shelves = [other for other in self._shelves if other.count()]
            if shelf not in self._shelves:
                self._shelves.append(shelf)
        return shelf

    def _info(self, size: int) -> CacheInfo:
        hits, misses, faults = self._counters.total()
        return CacheInfo(counters.counted(self._hits) + hits, misses, size, faults)

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


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()
    switches.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
