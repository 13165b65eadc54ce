"""Makes what a region needs from its plugin: stores, the backends over them, locks, serializers."""

from __future__ import annotations

from math import inf

from cachu import plugins
from cachu.backends import AsyncBackend, Backend, Capability
from cachu.backends.memory import AsyncMemoryBackend, MemoryBackend
from cachu.backends.null import AsyncNullBackend, NullBackend
from cachu.backends.stores import AsyncStore, Store
from cachu.errors import BrokenPluginError, ConfigurationError
from cachu.region import Region

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from cachu.keys.serializers import KeySerializer
    from cachu.locks import LockProvider
    from cachu.sharing import Shared

# These cannot fail.
_IN_PROCESS: Final = (MemoryBackend, AsyncMemoryBackend, NullBackend, AsyncNullBackend)


class Maker:
    """Makes things for one region on one backend, each time that it is asked to."""

    __slots__ = ("_name", "_region", "_shared")

    def __init__(self, name: str, region: Region, shared: Shared) -> None:
        self._name = name
        self._region = region
        self._shared = shared

    def store(self) -> Store | Backend | None:
        """Return what the plugin makes for plain code, None if it makes nothing."""
        hook = "cachu_make_backend"
        made: Store | Backend | None = self._ask(hook, self._region, Store, Backend, type(None))
        if isinstance(made, Store) and Capability.CLEAR not in made.capabilities:
            from cachu.backends.clearable import ClearableStore

            registry = self._ask(hook, self._reserved(), Store)
            made = ClearableStore(made, registry, self._region.identity)
        return made

    def async_store(self) -> AsyncStore | AsyncBackend | None:
        """Return what the plugin makes for asynchronous code, None if it makes nothing."""
        hook, kinds = "cachu_make_async_backend", (AsyncStore, AsyncBackend, type(None))
        made: AsyncStore | AsyncBackend | None = self._ask(hook, self._region, *kinds)
        if isinstance(made, AsyncStore) and Capability.CLEAR not in made.capabilities:
            from cachu.backends.async_clearable import AsyncClearableStore

            registry = self._ask(hook, self._reserved(), AsyncStore)
            made = AsyncClearableStore(made, registry, self._region.identity)
        return made

    def looped(self, other: AsyncStore | AsyncBackend | None) -> Store:
        """Return a store for plain code that is an asynchronous one, in a loop of its own.

        Raises:
            ConfigurationError: If *other* is none.
        """
        if not isinstance(other, AsyncStore):
            raise self._absent("sync", "async")
        from cachu.backends.bridges import LoopedStore

        return LoopedStore(other)

    def threaded(self, other: Store | Backend | None) -> AsyncStore:
        """Return a store for asynchronous code that is a plain one, in worker threads.

        Raises:
            ConfigurationError: If *other* is none.
        """
        if not isinstance(other, Store):
            raise self._absent("async", "sync")
        from cachu.backends.bridges import ThreadedStore

        return ThreadedStore(other)

    def backend(self, made: Store | Backend) -> Backend:
        """Return the backend over a store, or the one that the plugin made by itself."""
        if isinstance(made, Store):
            from cachu.backends.stored import StoreBackend

            made = StoreBackend(made, *self._packing("mutex"))
        made.ttl = self._region.ttl
        return made

    def async_backend(self, made: AsyncStore | AsyncBackend) -> AsyncBackend:
        """Return the same for asynchronous code."""
        if isinstance(made, AsyncStore):
            from cachu.backends.async_stored import AsyncStoreBackend

            made = AsyncStoreBackend(made, *self._packing("async_lock"))
        made.ttl = self._region.ttl
        return made

    def guarded(self, made: Backend) -> Backend:
        """Return *made*, past a guard if it may fail and does not guard itself."""
        if isinstance(made, _IN_PROCESS):
            return made
        from cachu.backends.guarded import GuardedBackend
        from cachu.backends.stored import StoreBackend

        return made if isinstance(made, StoreBackend) else GuardedBackend(made, self._shared.guard)

    def async_guarded(self, made: AsyncBackend) -> AsyncBackend:
        """Return the same for asynchronous code."""
        if isinstance(made, _IN_PROCESS):
            return made
        from cachu.backends.async_stored import AsyncStoreBackend
        from cachu.backends.guarded import AsyncGuardedBackend

        guards_itself = isinstance(made, AsyncStoreBackend)
        return made if guards_itself else AsyncGuardedBackend(made, self._shared.guard)

    def _reserved(self) -> Region:
        """Return the region in which a store of the same configuration lists its regions."""
        from cachu.backends.registries import RESERVED

        settings = self._region.config.overridden({"key_prefix": ""})
        return Region(self._region.package, inf, settings, RESERVED)

    def _ask(self, hook: str, region: Region, *kinds: type) -> Any:
        made = self._shared.guard.reads.ask(plugins.optional, hook, self._name, region)
        if not isinstance(made, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
            raise BrokenPluginError(
                f"{hook} of the plugin {self._name!r} must return a {expected}, not {made!r}"
            )
        return made

    def _packing(self, method: str) -> tuple[Any, ...]:
        from cachu.serializers.envelope import Codec

        settings = self._region.config
        key = settings.secret_key
        serializer, kind = settings.serializer, type(settings.serializer)
        # Two classes of one name are not one serializer.
        name = f"{kind.__module__}.{kind.__qualname__}"
        if isinstance(serializer, str):
            name = serializer
            serializer = plugins.make("cachu_make_value_serializer", name, self._region)  # type: ignore[assignment]
        secret = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
        codec = Codec(serializer, name, self._region.namespace, secret)  # type: ignore[arg-type]
        label = f"the {self._name} backend"
        locks = self._locks(method)
        return codec, label, locks, settings.lock_timeout, self._shared.turns, self._shared.guard

    def _locks(self, method: str) -> LockProvider | None:
        lock: Any = self._region.config.lock
        if isinstance(lock, str):
            lock = plugins.make("cachu_make_lock_provider", lock, self._region)
        elif lock is None:
            lock = plugins.optional("cachu_make_lock_provider", self._name, self._region)
        if lock is not None and not callable(getattr(lock, method, None)):
            kind = "plain" if method == "mutex" else "coroutine"
            raise ConfigurationError(
                f"lock has no {method}(), which {kind} functions need, in {lock!r}"
            )
        return lock  # type: ignore[no-any-return]

    def _absent(self, missing: str, present: str) -> ConfigurationError:
        return ConfigurationError(
            f"the {self._name!r} backend has no {missing} side, only an {present} Backend; its "
            "plugin must provide both, or a Store, which cachu can bridge"
        )


def key_serializer(spec: object, region: Region) -> KeySerializer:
    """Return the key serializer that *spec*, a name or the thing itself, stands for."""
    if isinstance(spec, str):
        return plugins.make("cachu_make_key_serializer", spec, region)  # type: ignore[return-value]
    return spec  # type: ignore[return-value]
