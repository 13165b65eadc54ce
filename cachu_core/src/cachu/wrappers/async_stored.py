"""The call path of coroutine functions on a backend; what they decide is decided in `stored`."""

from __future__ import annotations

import time

from cachu import switches
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import BackendError, CapabilityError
from cachu.wrappers.stored import UNKNOWN, StoredCalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from cachu.backends import AsyncBackend
    from cachu.flights import Flight
    from cachu.wrappers.creation import Creation
    from cachu.wrappers.memory import Args, Kwargs


class AsyncStoredCalls(StoredCalls):
    """The same for coroutine functions."""

    async def miss(
        self, key: Hashable, args: Args, kwargs: Kwargs, overwrite: object = None
    ) -> Any:
        """Answer a call."""
        if switches.suspended and switches.is_disabled():
            return await self._run(*args, **(kwargs or {}))
        region = self.region
        name = self._key(key, args, kwargs)
        backend = region.async_serving
        if backend is None:
            backend = region.async_guarded
        landings = region.flights.landings
        entry: CacheEntry | NoValue = NO_VALUE
        fault = None
        if not overwrite:
            try:
                entry = await backend.load(name, self._policy.tag)
            except BackendError as error:
                fault = error
            if entry is not NO_VALUE and (self._trusting or self._policy.accepts(entry)):
                self._counters.hits += 1
                if type(entry) is not CacheEntry:
                    self._keep(key, entry)
                return entry.value
        creation = self._creation(name, args, kwargs, entry, fault)
        value = await self._make(backend, creation, landings, overwrite)
        if creation.error is not None:
            raise creation.release_error()  # here, where the traceback stays short
        return value

    async def _make(  # type: ignore[override]
        self, backend: AsyncBackend, creation: Creation, landings: int, overwrite: object
    ) -> Any:
        """Return the value of a call that found nothing; an error is left in the creation."""
        creation.flight.asynchronous = True
        entry: CacheEntry | NoValue = NO_VALUE
        try:
            if overwrite:
                creation.overtake()
            else:
                entry = await self._take_off(backend, creation, landings)
                if entry is not NO_VALUE:
                    return self._hit(entry)
            if creation.alone:
                await creation.run_async()
            else:
                entry = await self._create(backend, creation, self._usable(overwrite))
                creation.settle(entry)
            if creation.end_turn() or creation.superfluous:
                try:
                    await backend.delete(creation.key)
                except BackendError as error:
                    self._fault(error, creation)
        finally:
            creation.land()
        if not creation.ran:
            return self._hit(entry)
        return creation.value

    async def _take_off(  # type: ignore[override]
        self, backend: AsyncBackend, creation: Creation, landings: int
    ) -> CacheEntry | NoValue:
        """Return an entry that somebody else made, or `NO_VALUE` once the creation may run."""
        flights = self.region.flights
        give_up = 0.0
        leader: Flight | None = None
        while True:
            waited_for, leader = leader, creation.board()
            if leader is None:
                entry = self._handed(creation.succeed(waited_for))
                if entry is not NO_VALUE:
                    return entry
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
                entry = self._handed(creation.handed_by(leader))
                if entry is not NO_VALUE:
                    return entry
            landings = flights.landings
            entry = await self._look(backend, creation)
            if entry is not NO_VALUE or creation.boarded:
                return entry

    async def _look(  # type: ignore[override]
        self, backend: AsyncBackend, creation: Creation
    ) -> CacheEntry | NoValue:
        """Look for an entry that will do."""
        if creation.past:
            return NO_VALUE
        try:
            entry = await backend.load(creation.key, self._policy.tag)
        except BackendError as error:
            self._fault(error, creation)
            return NO_VALUE
        return self._accepted(entry, creation)

    async def _create(  # type: ignore[override]
        self, backend: AsyncBackend, creation: Creation, usable: Callable[[CacheEntry], bool]
    ) -> CacheEntry | NoValue:
        """Have the backend find an entry or make one; or make one past it, if it fails."""
        if not creation.past:
            ttl, tag = self._policy.ttl, self._policy.tag
            try:
                return await backend.get_or_create(
                    creation.key, creation.run_async, usable, ttl, tag, force=creation.force
                )
            except BackendError as error:
                self._fault(error, creation)
        if not creation.ran:
            await creation.run_async()
        creation.hand_over()
        return NO_VALUE

    async def peek(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs
    ) -> CacheEntry | NoValue:
        """Return the entry of a call if there is one that may be used; counts nothing."""
        name = self._key(key, args, kwargs)
        try:
            entry = await self.region.async_guarded.load(name, self._policy.tag)
        except BackendError as error:
            self._fault(error)
            return NO_VALUE
        return self._accepted(entry)

    async def put(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs, value: Any
    ) -> None:
        """Keep *value* as what the call returns; see `StoredCalls.put`."""
        name = self._key(key, args, kwargs)
        entry = CacheEntry(value, time.time())
        backend = self.region.async_guarded
        async with self.region.turns.setting(name, self._timeout):
            try:
                await backend.store(name, entry, self._policy.ttl, self._policy.tag)
            except BackendError as error:
                self._fault(error)
                await backend.delete(name)

    async def drop(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs
    ) -> bool:
        """Forget the entry of a call and say whether there was one; raises as `StoredCalls`."""
        name = self._key(key, args, kwargs)
        async with self.region.turns.deleting(name, self._timeout):
            return await self.region.async_guarded.delete(name)

    async def size(self) -> int:  # type: ignore[override]
        """Count the fresh entries of the function."""
        try:
            return await self.region.async_guarded.count(function=self.callee.spelling.function)
        except CapabilityError:
            return UNKNOWN
        except BackendError as error:
            self._fault(error)
            return UNKNOWN
