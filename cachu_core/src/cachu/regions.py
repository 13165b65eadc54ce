"""Finds the live backends of a region, and makes them when they are first needed.

A region is what one package keeps with one key prefix and one time to live. Plain and asynchronous
code get two views of one store.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock
from math import inf
from types import MappingProxyType
from weakref import WeakValueDictionary

from cachu import config, packages, plugins
from cachu.backends import AsyncBackend, Backend, Capability
from cachu.backends.guards import Guard
from cachu.backends.memory import AsyncMemoryBackend, MemoryBackend
from cachu.backends.null import AsyncNullBackend, NullBackend
from cachu.backends.stores import AsyncStore, Store
from cachu.backends.turns import Turns
from cachu.errors import BackendError, BrokenPluginError, ConfigurationError
from cachu.flights import Flights
from cachu.options import checked
from cachu.ttls import seconds, spell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from datetime import timedelta
    from typing import Any, Final

    from cachu.backends import RegionName
    from cachu.config import Config
    from cachu.keys.serializers import KeySerializer
    from cachu.locks import LockProvider

    Identity = tuple[str, str, float]

_lock = RLock()
_live: Final[dict[tuple[Any, ...], LiveRegion]] = {}
_retired: Final[list[LiveRegion]] = []
_flights: Final[WeakValueDictionary[tuple[str, Identity], Flights]] = WeakValueDictionary()
_turns: Final[WeakValueDictionary[tuple[str, Identity], Turns]] = WeakValueDictionary()
_guards: Final[WeakValueDictionary[tuple[Any, ...], Guard]] = WeakValueDictionary()
# These cannot fail.
_IN_PROCESS: Final = (MemoryBackend, AsyncMemoryBackend, NullBackend, AsyncNullBackend)


class Region:
    """What one package keeps with one key prefix and one time to live.

    Attributes:
        package: The package.
        ttl: Time to live, in seconds; `math.inf` for ever.
        config: The settings of the package.
        shared_package: What the package is called in a store that other programs see.
    """

    __slots__ = ("config", "package", "shared_package", "ttl")

    def __init__(
        self, package: str, ttl: float, settings: Config, shared_package: str | None = None
    ) -> None:
        self.package: str = package
        self.ttl: float = ttl
        self.config: Config = settings
        self.shared_package: str = shared_package or packages.shared_name(package)

    @property
    def key_prefix(self) -> str:
        """The key prefix that is configured."""
        return self.config.key_prefix

    @property
    def identity(self) -> Identity:
        """What tells this region from all others of this process."""
        return self.shared_package, self.key_prefix, self.ttl

    @property
    def namespace(self) -> str:
        """What tells this region from all others in a shared store: printable, without spaces."""
        package = packages.escape(self.shared_package)
        return f"{package}:{packages.escape(self.key_prefix)}:{spell(self.ttl)}"

    def __repr__(self) -> str:
        return f"<Region {self.namespace}>"


class LiveRegion:
    """The backends of one region, made when they are asked for.

    Attributes:
        name: The name of the backend.
        region: The region.
        flights: What is being computed in this process, for backends that keep bytes.
        turns: What is being stored and deleted there.
        guard: Counts what goes wrong there, for all regions of the package.
        serving: What cached functions call, once it was made; see `guarded`.
        async_serving: The same for coroutine functions.
        used: Whether a function or `get_backend` asked for it, and not just a clear that looks
            what there is.
    """

    def __init__(self, name: str, region: Region) -> None:
        self.name = name
        self.region = region
        place = (name, region.identity)
        # The same ones however many views of the region there are.
        self.flights: Flights = _flights.setdefault(place, Flights())
        self.turns: Turns = _turns.setdefault(place, Turns(self.flights))
        self.guard: Guard = _guards.setdefault(
            (name, region.package, *options_of(name, region.config)),
            Guard(name, region.package, used=False),
        )
        self.serving: Backend | None = None
        self.async_serving: AsyncBackend | None = None
        self.used: bool = False
        self._made: dict[str, Any] = {}

    def use(self) -> LiveRegion:
        """Take note that a function or `get_backend` asks for it, and return it."""
        self.used = True
        self.guard.use()
        return self

    @property
    def backend(self) -> Backend:
        """The backend for plain code."""
        backend: Backend = self._once("backend", self._make_backend)
        return backend

    @property
    def async_backend(self) -> AsyncBackend:
        """The backend for asynchronous code."""
        backend: AsyncBackend = self._once("async_backend", self._make_async_backend)
        return backend

    @property
    def guarded(self) -> Backend:
        """The backend as cached functions call it: its faults are `BackendError`s.

        One that cannot even be made is stood in for, and tried again with the next call.
        """
        try:
            with _lock:
                made: Backend = self._once("guarded", self._make_guarded)
                self.serving = made
        except BackendError as error:
            from cachu.backends.guarded import StandIn

            self.guard.reads.tell(error)
            return StandIn(error)
        return made

    @property
    def async_guarded(self) -> AsyncBackend:
        """The same for coroutine functions."""
        try:
            with _lock:
                made: AsyncBackend = self._once("async_guarded", self._make_async_guarded)
                self.async_serving = made
        except BackendError as error:
            from cachu.backends.guarded import AsyncStandIn

            self.guard.reads.tell(error)
            return AsyncStandIn(error)
        return made

    def listed(self) -> Iterable[RegionName]:
        """List the regions of the store, for a clear; of its faults only the caller is told.

        Raises:
            BackendError: If the store fails.
        """
        backend: Backend = self._once("guarded", self._make_guarded)
        return backend.regions()

    async def listed_async(self) -> Iterable[RegionName]:
        """List the regions of the store, in asynchronous code."""
        backend: AsyncBackend = self._once("async_guarded", self._make_async_guarded)
        return await backend.regions()

    @property
    def holds_resources(self) -> bool:
        """Whether something was made that must be closed one day; memory is just let go of."""
        in_memory = (MemoryBackend, AsyncMemoryBackend)
        return any(not isinstance(made, in_memory) for made in self._made.values())

    def clear(self, tag: str | None) -> int:
        """Clear the region; what is being computed now will not be kept."""
        with self.turns.clearing(self.region.config.lock_timeout):
            return self.guarded.clear(tag)

    async def clear_async(self, tag: str | None) -> int:
        """Clear the region, in asynchronous code."""
        async with self.turns.clearing(self.region.config.lock_timeout):
            return await self.async_guarded.clear(tag)

    def close(self) -> bool:
        """Close what plain code can.

        Returns:
            Whether that was all; what asynchronous code used of an asynchronous store is left to
            `close_async`, because it belongs to a loop of the application.
        """
        with _lock:
            made, self._made = self._made, {}
            self.serving = self.async_serving = None
        backend, other = made.get("backend"), made.get("asynchronous")
        if isinstance(other, AsyncMemoryBackend):
            backend, other = other.plain, None
        if other is not None and "async_backend" in made:
            self._made = {name: made[name] for name in ("asynchronous", "async_backend")}
        if backend is None:
            # Asynchronous code used it through worker threads.
            backend = made.get("plain")
        if backend is not None:
            backend.close()
        return not self._made

    async def close_async(self) -> None:
        """Close everything, in asynchronous code."""
        made = dict(self._made)
        try:
            self.close()
        finally:
            self._made = {}
            other = made.get("asynchronous")
            if other is not None and not isinstance(other, AsyncMemoryBackend):
                await other.close()

    def _once(self, what: str, make: Callable[[], Any]) -> Any:
        if what not in self._made:
            with _lock:
                if what not in self._made:
                    self._made[what] = make()
        return self._made[what]

    def _store(self) -> Any:
        return self._once("plain", self._make_store)

    def _async_store(self) -> Any:
        return self._once("asynchronous", self._make_async_store)

    def _make_store(self) -> Store | Backend | None:
        hook = "cachu_make_backend"
        made: Store | Backend | None = self._ask(hook, self.region, Store, Backend, type(None))
        if isinstance(made, Store) and Capability.CLEAR not in made.capabilities:
            from cachu.backends.clearable import ClearableStore

            registry = self._ask(hook, self._reserved(), Store)
            made = ClearableStore(made, registry, self.region.identity)
        return made

    def _make_async_store(self) -> AsyncStore | AsyncBackend | None:
        hook, kinds = "cachu_make_async_backend", (AsyncStore, AsyncBackend, type(None))
        made: AsyncStore | AsyncBackend | None = self._ask(hook, self.region, *kinds)
        if isinstance(made, AsyncStore) and Capability.CLEAR not in made.capabilities:
            from cachu.backends.async_clearable import AsyncClearableStore

            registry = self._ask(hook, self._reserved(), AsyncStore)
            made = AsyncClearableStore(made, registry, self.region.identity)
        return made

    def _reserved(self) -> Region:
        """Return the region in which a store of the same configuration lists its regions."""
        from cachu.backends.registries import RESERVED

        settings = self.region.config.overridden({"key_prefix": ""})
        return Region(self.region.package, inf, settings, RESERVED)

    def _ask(self, hook: str, region: Region, *kinds: type) -> Any:
        made = self.guard.reads.ask(plugins.optional, hook, self.name, region)
        if not isinstance(made, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
            raise BrokenPluginError(
                f"{hook} of the plugin {self.name!r} must return a {expected}, not {made!r}"
            )
        return made

    def _make_backend(self) -> Backend:
        made = self._store()
        if made is None:
            other = self._async_store()
            if isinstance(other, AsyncStore):
                from cachu.backends.bridges import LoopedStore

                made = LoopedStore(other)
            else:
                raise self._absent("sync", "async")
        if isinstance(made, Store):
            from cachu.backends.stored import StoreBackend

            made = StoreBackend(made, *self._packing("mutex"))
        made.ttl = self.region.ttl
        return made  # type: ignore[no-any-return]

    def _make_async_backend(self) -> AsyncBackend:
        made = self._async_store()
        if made is None:
            other = self._store()
            if isinstance(other, Store):
                from cachu.backends.bridges import ThreadedStore

                made = ThreadedStore(other)
            else:
                raise self._absent("async", "sync")
        if isinstance(made, AsyncStore):
            from cachu.backends.async_stored import AsyncStoreBackend

            made = AsyncStoreBackend(made, *self._packing("async_lock"))
        made.ttl = self.region.ttl
        return made  # type: ignore[no-any-return]

    def _make_guarded(self) -> Backend:
        made = self.backend
        if isinstance(made, _IN_PROCESS):
            return made
        from cachu.backends.guarded import GuardedBackend
        from cachu.backends.stored import StoreBackend

        return made if isinstance(made, StoreBackend) else GuardedBackend(made, self.guard)

    def _make_async_guarded(self) -> AsyncBackend:
        made = self.async_backend
        if isinstance(made, _IN_PROCESS):
            return made
        from cachu.backends.async_stored import AsyncStoreBackend
        from cachu.backends.guarded import AsyncGuardedBackend

        guards_itself = isinstance(made, AsyncStoreBackend)
        return made if guards_itself else AsyncGuardedBackend(made, self.guard)

    def _packing(self, method: str) -> tuple[Any, ...]:
        from cachu.serializers.envelope import Codec

        settings = self.region.config
        key = settings.secret_key
        serializer, name = settings.serializer, type(settings.serializer).__qualname__
        if isinstance(serializer, str):
            name = serializer
            serializer = plugins.make("cachu_make_value_serializer", name, self.region)  # type: ignore[assignment]
        secret = key.encode() if isinstance(key, str) else key
        codec = Codec(serializer, name, self.region.namespace, secret)  # type: ignore[arg-type]
        label = f"the {self.name} backend"
        locks = self._locks(method)
        return codec, label, locks, settings.lock_timeout, self.turns, self.guard

    def _locks(self, method: str) -> LockProvider | None:
        lock: Any = self.region.config.lock
        if isinstance(lock, str):
            lock = plugins.make("cachu_make_lock_provider", lock, self.region)
        elif lock is None:
            lock = plugins.optional("cachu_make_lock_provider", self.name, self.region)
        if lock is not None and not callable(getattr(lock, method, None)):
            kind = "plain" if method == "mutex" else "coroutine"
            raise ConfigurationError(
                f"lock has no {method}(), which {kind} functions need, in {lock!r}"
            )
        return lock  # type: ignore[no-any-return]

    def _absent(self, missing: str, present: str) -> ConfigurationError:
        return ConfigurationError(
            f"the {self.name!r} backend has no {missing} side, only an {present} Backend; its "
            "plugin must provide both, or a Store, which cachu can bridge"
        )


def live(
    name: str,
    package: str,
    ttl: float,
    overrides: Mapping[str, Any] = MappingProxyType({}),
    shared_package: str | None = None,
    configured: Config | None = None,
) -> LiveRegion:
    """Return the live region of *package* on the backend called *name*, as configured now.

    Functions with options of their own get a view of their own; the entries are the same. With
    *configured* those settings count instead of the package's own.
    """
    settings = (configured or config.get_config(package)).overridden(overrides)
    region = Region(package, ttl, settings, shared_package)
    own = tuple(
        (option, value if isinstance(value, (str, float)) else id(value))
        for option, value in sorted(overrides.items())
    )
    place = (name, region.identity, own, configured and configured.package)
    found = _live.get(place)
    if found is not None and found.region.config == settings:
        return found
    with _lock:
        found = _live.get(place)
        if found is None or found.region.config != settings:
            if found is not None and found.holds_resources:
                # Calls that are under way may still use it, so it is closed with the rest.
                _retired.append(found)
            found = _live[place] = LiveRegion(name, region)
    return found


def options_of(plugin: str, settings: Config) -> list[tuple[str, Any]]:
    """Return how a plugin is configured, as something to compare: objects by identity."""
    return [
        (option, value if isinstance(value, (str, int, float)) else id(value))
        for option, value in sorted(settings.options.items())
        if option.startswith(plugins.prefix(plugin))
    ]


def key_serializer(spec: object, region: Region) -> KeySerializer:
    """Return the key serializer that *spec*, a name or the thing itself, stands for."""
    if isinstance(spec, str):
        return plugins.make("cachu_make_key_serializer", spec, region)  # type: ignore[return-value]
    return spec  # type: ignore[return-value]


def all_live() -> list[LiveRegion]:
    """Return the regions that this process has used, of all packages and backends."""
    with _lock:
        return list(_live.values())


def get_backend(
    backend: str | None = None,
    ttl: float | timedelta | None = 300,
    package: str | None = None,
) -> Backend:
    """Return the backend of a region, to reach cached values directly.

    Args:
        backend: Its name, by default the package's configured one.
        ttl: The time to live of the region, as given to `@cache`: seconds, a `timedelta`, or None
            for the entries that never expire. 300 by default.
        package: The package, by default the calling one.

    Returns:
        A view of the same entries that cached functions of that package, backend and ttl use.

    Raises:
        ConfigurationError: If the backend is unknown, or the ttl is not positive.
        PluginError: If its plugin cannot be loaded.
    """
    return _region_for(backend, ttl, package).backend


def get_async_backend(
    backend: str | None = None,
    ttl: float | timedelta | None = 300,
    package: str | None = None,
) -> Coroutine[Any, Any, AsyncBackend]:
    """Return, when awaited, the backend of a region for asynchronous code; see `get_backend`."""
    found = _region_for(backend, ttl, package)

    async def made() -> AsyncBackend:
        return found.async_backend

    return made()


def clear_backends() -> None:
    """Close what the backends hold open and drop what is in memory; shared data stays.

    Cached functions go on working: their next call opens what it needs. What coroutine functions
    use of a backend that is asynchronous by itself is closed by `await clear_async_backends()`.

    Raises:
        Exception: What a backend raised first; all the others were closed nevertheless.
    """
    errors: list[Exception] = []
    for region in _forget():
        try:
            if not region.close():
                _retired.append(region)
        except Exception as error:  # the others are to be closed all the same
            errors.append(error)
    _stop_private_loop()
    if errors:
        raise errors[0]


async def clear_async_backends() -> None:
    """Close and drop as `clear_backends` does, for both colours, in asynchronous code."""
    errors: list[Exception] = []
    regions = _forget()
    try:
        while regions:
            try:
                await regions[-1].close_async()
            except Exception as error:  # the others are to be closed all the same
                errors.append(error)
            regions.pop()
    finally:
        _retired.extend(regions)  # when this was cancelled
        _stop_private_loop()
    if errors:
        raise errors[0]


def follow(callback: Callable[[], None]) -> None:
    """Have *callback* called when all live regions were let go of."""
    _followers.append(callback)


_followers: Final[list[Callable[[], None]]] = []


def _forget() -> list[LiveRegion]:
    with _lock:
        regions = [*_live.values(), *_retired]
        _live.clear()
        _retired.clear()
    for callback in _followers:
        callback()
    return regions


def _stop_private_loop() -> None:
    bridges = sys.modules.get("cachu.backends.bridges")
    if bridges is not None:
        bridges.stop_private_loop()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()
    for flights in _flights.values():
        flights.after_fork()
    for turns in _turns.values():
        turns.after_fork()
    for guard in _guards.values():
        guard.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _region_for(
    backend: str | None, ttl: float | timedelta | None, package: str | None
) -> LiveRegion:
    owner = packages.caller_package() if package is None else packages.named(package)
    life = seconds(ttl)
    if life <= 0:
        raise ConfigurationError(f"a region's ttl must be positive, got {ttl!r}")
    name = config.get_config(owner).backend if backend is None else backend
    checked("backend", name)
    return live(name, owner, life).use()
