"""The call path of functions on a backend: files, servers, and whatever a plugin brings."""

from __future__ import annotations

import time

from cachu import switches
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import BackendError, CapabilityError
from cachu.wrappers.creation import Creation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from cachu.backends import AsyncBackend, Backend
    from cachu.regions import LiveRegion
    from cachu.wrappers.callee import Callee
    from cachu.wrappers.memory import Args, Kwargs


# The size of a function on a backend that cannot count.
UNKNOWN = -1


class StoredCalls:
    """Finds, makes, sets and deletes the entries of one function on one backend."""

    mode = "direct"

    def __init__(self, callee: Callee, region: LiveRegion) -> None:
        self.callee = callee
        self.region = region
        self._run = callee.function
        self._counters = callee.counters
        self._policy = callee.policy
        self._timeout = callee.lock_timeout

    def miss(self, key: Hashable, args: Args, kwargs: Kwargs, overwrite: object = None) -> Any:
        """Answer a call."""
        if switches.suspended and switches.is_disabled():
            return self._run(*args, **(kwargs or {}))
        backend = self.region.backend
        creation = Creation(
            self.callee, self.region, self.callee.spelling.key(args, kwargs), args, kwargs
        )
        entry: CacheEntry | NoValue = NO_VALUE
        try:
            if overwrite:
                creation.overtake()
            else:
                entry = self._look(backend, creation)
                if entry is not NO_VALUE:
                    return self._hit(entry)
            if creation.alone:
                creation.run()
            else:
                entry = backend.get_or_create(
                    creation.key,
                    creation.run,
                    self._usable(overwrite),
                    self._policy.ttl,
                    self._policy.tag,
                    force=creation.force,
                )
            if creation.end_turn() or creation.superfluous:
                backend.delete(creation.key)
        finally:
            creation.land()
        if not creation.ran:
            return self._hit(entry)
        if creation.error is not None:
            raise creation.release_error()
        return creation.value

    def _look(self, backend: Backend, creation: Creation) -> CacheEntry | NoValue:
        """Look for an entry that will do, until there is one or the creation may run."""
        flights = self.region.flights
        give_up = 0.0
        while True:
            landings = flights.landings
            entry = backend.load(creation.key, self._policy.tag)
            if entry is not NO_VALUE:
                if self._policy.accepts(entry):
                    return entry
                creation.replaces = True
            if creation.boarded:
                return NO_VALUE
            leader = creation.board()
            if leader is None:
                if flights.landings == landings:
                    return NO_VALUE
                # Somebody landed between our look and our take-off: look again, in the lead.
            elif leader.is_ours():
                creation.alone = True
                return NO_VALUE
            else:
                give_up = give_up or time.time() + self._timeout
                if not leader.wait(give_up):
                    creation.overtake(leader)
                    return NO_VALUE

    def peek(self, key: Hashable, args: Args, kwargs: Kwargs) -> CacheEntry | NoValue:
        """Return the entry of a call if there is one that may be used; counts nothing."""
        entry = self.region.backend.load(self.callee.spelling.key(args, kwargs), self._policy.tag)
        return entry if entry is not NO_VALUE and self._policy.accepts(entry) else NO_VALUE

    def put(self, key: Hashable, args: Args, kwargs: Kwargs, value: Any) -> None:
        """Keep *value* as what the call returns."""
        name = self.callee.spelling.key(args, kwargs)
        entry = CacheEntry(value, time.time())
        with self.region.turns.setting(name, self._timeout):
            self.region.backend.store(name, entry, self._policy.ttl, self._policy.tag)

    def drop(self, key: Hashable, args: Args, kwargs: Kwargs) -> bool:
        """Forget the entry of a call and say whether there was one."""
        name = self.callee.spelling.key(args, kwargs)
        with self.region.turns.deleting(name, self._timeout):
            return self.region.backend.delete(name)

    def size(self) -> int:
        """Count the fresh entries of the function."""
        try:
            return self.region.backend.count(function=self.callee.spelling.function)
        except CapabilityError:
            return UNKNOWN

    def _usable(self, overwrite: object) -> Callable[[CacheEntry], bool]:
        return _never if overwrite else self._policy.accepts

    def _hit(self, entry: CacheEntry | NoValue) -> Any:
        if entry is NO_VALUE:
            raise BackendError(
                f"get_or_create of the {self.region.name} backend neither found an entry nor ran "
                "what makes one"
            )
        self._counters.hits += 1
        return entry.value


class AsyncStoredCalls(StoredCalls):
    """The same for coroutine functions."""

    async def miss(
        self,
        key: Hashable,
        args: Args,
        kwargs: Kwargs,
        overwrite: object = None,
    ) -> Any:
        """Answer a call."""
        if switches.suspended and switches.is_disabled():
            return await self._run(*args, **(kwargs or {}))
        backend = self.region.async_backend
        creation = Creation(
            self.callee, self.region, self.callee.spelling.key(args, kwargs), args, kwargs
        )
        creation.flight.asynchronous = True
        entry: CacheEntry | NoValue = NO_VALUE
        try:
            if overwrite:
                creation.overtake()
            else:
                entry = await self._look(backend, creation)
                if entry is not NO_VALUE:
                    return self._hit(entry)
            if creation.alone:
                await creation.run_async()
            else:
                entry = await backend.get_or_create(
                    creation.key,
                    creation.run_async,
                    self._usable(overwrite),
                    self._policy.ttl,
                    self._policy.tag,
                    force=creation.force,
                )
            if creation.end_turn() or creation.superfluous:
                await backend.delete(creation.key)
        finally:
            creation.land()
        if not creation.ran:
            return self._hit(entry)
        if creation.error is not None:
            raise creation.release_error()
        return creation.value

    async def _look(  # type: ignore[override]
        self, backend: AsyncBackend, creation: Creation
    ) -> CacheEntry | NoValue:
        """Look for an entry that will do, until there is one or the creation may run."""
        flights = self.region.flights
        give_up = 0.0
        while True:
            landings = flights.landings
            entry = await backend.load(creation.key, self._policy.tag)
            if entry is not NO_VALUE:
                if self._policy.accepts(entry):
                    return entry
                creation.replaces = True
            if creation.boarded:
                return NO_VALUE
            leader = creation.board()
            if leader is None:
                if flights.landings == landings:
                    return NO_VALUE
                # Somebody landed between our look and our take-off: look again, in the lead.
            elif leader.is_ours_async():
                creation.alone = True
                return NO_VALUE
            else:
                give_up = give_up or time.time() + self._timeout
                if not await leader.wait_async(give_up):
                    creation.overtake(leader)
                    return NO_VALUE

    async def peek(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs
    ) -> CacheEntry | NoValue:
        """Return the entry of a call if there is one that may be used; counts nothing."""
        name = self.callee.spelling.key(args, kwargs)
        entry = await self.region.async_backend.load(name, self._policy.tag)
        return entry if entry is not NO_VALUE and self._policy.accepts(entry) else NO_VALUE

    async def put(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs, value: Any
    ) -> None:
        """Keep *value* as what the call returns."""
        name = self.callee.spelling.key(args, kwargs)
        entry = CacheEntry(value, time.time())
        async with self.region.turns.setting(name, self._timeout):
            await self.region.async_backend.store(name, entry, self._policy.ttl, self._policy.tag)

    async def drop(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs
    ) -> bool:
        """Forget the entry of a call and say whether there was one."""
        name = self.callee.spelling.key(args, kwargs)
        async with self.region.turns.deleting(name, self._timeout):
            return await self.region.async_backend.delete(name)

    async def size(self) -> int:  # type: ignore[override]
        """Count the fresh entries of the function."""
        try:
            return await self.region.async_backend.count(function=self.callee.spelling.function)
        except CapabilityError:
            return UNKNOWN


def _never(entry: CacheEntry) -> bool:  # noqa: ARG001
    return False
