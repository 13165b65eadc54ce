"""The call path of functions on a backend: files, servers, and whatever a plugin brings."""

from __future__ import annotations

import time
from _thread import get_ident

from cachu import switches
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import BackendError, CapabilityError
from cachu.flights import Flight

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
        creation = _Creation(self, self.callee.spelling.key(args, kwargs), args, kwargs)
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
            if creation.superfluous:
                backend.delete(creation.key)
        finally:
            creation.land()
        if not creation.ran:
            return self._hit(entry)
        if creation.error is not None:
            raise creation.release_error()
        return creation.value

    def _look(self, backend: Backend, creation: _Creation) -> CacheEntry | NoValue:
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
        self.region.flights.fence(name)
        entry = CacheEntry(value, time.time())
        self.region.backend.store(name, entry, self._policy.ttl, self._policy.tag)

    def drop(self, key: Hashable, args: Args, kwargs: Kwargs) -> bool:
        """Forget the entry of a call and say whether there was one."""
        name = self.callee.spelling.key(args, kwargs)
        self.region.flights.fence(name)
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
        from asyncio import get_running_loop

        backend = self.region.async_backend
        creation = _Creation(self, self.callee.spelling.key(args, kwargs), args, kwargs)
        creation.flight.loop = get_running_loop()
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
            if creation.superfluous:
                await backend.delete(creation.key)
        finally:
            creation.land()
        if not creation.ran:
            return self._hit(entry)
        if creation.error is not None:
            raise creation.release_error()
        return creation.value

    async def _look(  # type: ignore[override]
        self, backend: AsyncBackend, creation: _Creation
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
        self.region.flights.fence(name)
        entry = CacheEntry(value, time.time())
        await self.region.async_backend.store(name, entry, self._policy.ttl, self._policy.tag)

    async def drop(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs
    ) -> bool:
        """Forget the entry of a call and say whether there was one."""
        name = self.callee.spelling.key(args, kwargs)
        self.region.flights.fence(name)
        return await self.region.async_backend.delete(name)

    async def size(self) -> int:  # type: ignore[override]
        """Count the fresh entries of the function."""
        try:
            return await self.region.async_backend.count(function=self.callee.spelling.function)
        except CapabilityError:
            return UNKNOWN


class _Creation:
    """One run of the function on behalf of a backend, and how it went.

    Attributes:
        key: The key.
        flight: What others of this process wait for.
        boarded: Whether it has taken off, and so must land.
        alone: Whether it runs past the backend: a recursion, which must not wait for itself.
        force: Whether it overtakes whoever else makes the entry, wherever that is.
        replaces: Whether there was an entry before that must not be used.
        ran: Whether the function was run.
        value: What it returned.
        error: What it raised, kept so that it reaches the caller past the backend.
    """

    def __init__(self, calls: StoredCalls, key: str, args: Args, kwargs: Kwargs) -> None:
        self._callee = calls.callee
        self._flights = calls.region.flights
        self._args = args
        self._kwargs = kwargs or {}
        self._refused = False
        self.key = key
        self.flight = Flight()
        self.flight.owner = get_ident()
        self.boarded = False
        self.alone = False
        self.force = False
        self.replaces = False
        self.ran = False
        self.value: Any = None
        self.error: Any = None

    @property
    def superfluous(self) -> bool:
        """Whether an entry is left that the refused result ought to have replaced."""
        return self._refused and self.replaces and self._leads()

    def board(self) -> Flight | None:
        """Take the lead, or return who has it."""
        leader = self._flights.under_way.setdefault(self.key, self.flight)
        self.boarded = leader is self.flight
        return None if self.boarded else leader

    def overtake(self, leader: Flight | None = None) -> None:
        """Take the lead from *leader*, or from whoever has it."""
        self.replaces = self.replaces or leader is None
        self.boarded = self.force = True
        self._flights.overtake(self.key, self.flight, leader)

    def land(self) -> None:
        """End the flight, if it ever took off."""
        if self.boarded:
            self._flights.land(self.key, self.flight)

    def run(self) -> CacheEntry | NoValue:
        """Run the function; return an entry, or `NO_VALUE` if there is nothing to keep."""
        self._start()
        try:
            self.value = self._callee.function(*self._args, **self._kwargs)
            return self._entry()
        except BaseException as error:
            self.error = error
            return NO_VALUE

    async def run_async(self) -> CacheEntry | NoValue:
        """Run the coroutine function; otherwise as `run`."""
        self._start()
        self.flight.lead_task()
        try:
            self.value = await self._callee.function(*self._args, **self._kwargs)
            return self._entry()
        except BaseException as error:
            self.error = error
            return NO_VALUE

    def release_error(self) -> BaseException:
        """Return the error to raise, and let go of it: its traceback leads back to this object."""
        error, self.error = self.error, None
        return error  # type: ignore[no-any-return]

    def _start(self) -> None:
        self.ran = True
        self._callee.counters.misses += 1

    def _entry(self) -> CacheEntry | NoValue:
        kept = self._callee.policy.keep(self.value)
        self._refused = kept is NO_VALUE
        return NO_VALUE if self._refused or not self._leads() else CacheEntry(kept, time.time())

    def _leads(self) -> bool:
        """Tell whether nobody has taken the lead since."""
        return self._flights.under_way.get(self.key) is self.flight


def _never(entry: CacheEntry) -> bool:  # noqa: ARG001
    return False
