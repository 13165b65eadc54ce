"""The backends of one region while they are in use: made when first needed, closed together.

Plain and asynchronous code get two views of one store.
"""

from __future__ import annotations

import os
from _thread import RLock

from cachu.backends.memory import AsyncMemoryBackend, MemoryBackend
from cachu.errors import BackendError
from cachu.loads import loads
from cachu.making import Maker
from cachu.sharing import Shared, options_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cachu.backends import AsyncBackend, Backend, RegionName
    from cachu.backends.guards import Guard
    from cachu.backends.turns import Turns
    from cachu.flights import Flights
    from cachu.region import Region

_lock = RLock()


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
        shared = Shared(name, region)
        self.flights: Flights = shared.flights
        self.turns: Turns = shared.turns
        self.guard: Guard = shared.guard
        self.serving: Backend | None = None
        self.async_serving: AsyncBackend | None = None
        self.used: bool = False
        self._maker = Maker(name, region, shared)
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
        serving = self.serving
        if serving is not None:
            return serving
        try:
            with loads, _lock:
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
        serving = self.async_serving
        if serving is not None:
            return serving
        try:
            with loads, _lock:
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

    @property
    def stands_in_for(self) -> tuple[Any, ...] | None:
        """What another region must have in common to close all that this one has open."""
        stores = [self._made[name] for name in ("plain", "asynchronous") if self._made.get(name)]
        if not all(getattr(store, "shares_all", False) for store in stores):
            return None
        options = options_of(self.name, self.region.config)
        return (self.name, self.region.package, *options, frozenset(self._made))

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
            with loads, _lock:
                if what not in self._made:
                    self._made[what] = make()
        return self._made[what]

    def _store(self) -> Any:
        return self._once("plain", self._maker.store)

    def _async_store(self) -> Any:
        return self._once("asynchronous", self._maker.async_store)

    def _make_backend(self) -> Backend:
        made = self._store()
        if made is None:
            made = self._maker.looped(self._async_store())
        return self._maker.backend(made)

    def _make_async_backend(self) -> AsyncBackend:
        made = self._async_store()
        if made is None:
            made = self._maker.threaded(self._store())
        return self._maker.async_backend(made)

    def _make_guarded(self) -> Backend:
        return self._maker.guarded(self.backend)

    def _make_async_guarded(self) -> AsyncBackend:
        return self._maker.async_guarded(self.async_backend)


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
