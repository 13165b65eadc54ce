"""The call path of functions on a backend: files, servers, and whatever a plugin brings."""

from __future__ import annotations

import time
from _thread import get_ident

from cachu import switches
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.flights import Flight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from cachu.regions import LiveRegion
    from cachu.wrappers.callee import Callee
    from cachu.wrappers.memory import Args, Kwargs


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
        backend, flights = self.region.backend, self.region.flights
        creation = _Creation(self, self.callee.spelling.key(args, kwargs), args, kwargs)
        creation.flight.owner = get_ident()
        give_up, force = 0.0, bool(overwrite)
        while not overwrite:
            landings = flights.landings
            entry = backend.load(creation.key, self._policy.tag)
            if entry is not NO_VALUE and self._policy.accepts(entry):
                return self._hit(entry)
            creation.replaces = creation.replaces or entry is not NO_VALUE
            leader = flights.under_way.setdefault(creation.key, creation.flight)
            if leader is creation.flight:
                if flights.landings != landings and self._look_again(backend, creation):
                    return self._hit(creation.found)
                break
            if leader.is_ours():
                creation.run()
                return creation.outcome()
            give_up = give_up or time.time() + self._timeout
            if not leader.wait(give_up):
                flights.overtake(creation.key, creation.flight, leader)
                force = True
                break
        else:
            creation.overtake()
        try:
            entry = backend.get_or_create(
                creation.key,
                creation.run,
                self._usable(overwrite),
                self._policy.ttl,
                self._policy.tag,
                force=force,
            )
            if creation.superfluous:
                backend.delete(creation.key)
        finally:
            flights.land(creation.key, creation.flight)
        return creation.outcome() if creation.ran else self._hit(entry)

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
        return self.region.backend.count(function=self.callee.spelling.function)

    def _look_again(self, backend: Any, creation: _Creation) -> Any:
        """Look again, in the lead, because somebody landed between our look and our take-off."""
        try:
            return self._ends(creation, backend.load(creation.key, self._policy.tag))
        except BaseException:
            self.region.flights.land(creation.key, creation.flight)
            raise

    def _ends(self, creation: _Creation, entry: CacheEntry | NoValue) -> bool:
        """Land before the run if *entry* will do."""
        if entry is NO_VALUE or not self._policy.accepts(entry):
            creation.replaces = creation.replaces or entry is not NO_VALUE
            return False
        creation.found = entry
        self.region.flights.land(creation.key, creation.flight)
        return True

    def _usable(self, overwrite: object) -> Callable[[CacheEntry], bool]:
        return _never if overwrite else self._policy.accepts

    def _hit(self, entry: CacheEntry | NoValue) -> Any:
        self._counters.hits += 1
        return entry.value if entry is not NO_VALUE else None


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

        backend, flights = self.region.async_backend, self.region.flights
        creation = _Creation(self, self.callee.spelling.key(args, kwargs), args, kwargs)
        creation.flight.owner, creation.flight.loop = get_ident(), get_running_loop()
        give_up, force = 0.0, bool(overwrite)
        while not overwrite:
            landings = flights.landings
            entry = await backend.load(creation.key, self._policy.tag)
            if entry is not NO_VALUE and self._policy.accepts(entry):
                return self._hit(entry)
            creation.replaces = creation.replaces or entry is not NO_VALUE
            leader = flights.under_way.setdefault(creation.key, creation.flight)
            if leader is creation.flight:
                if flights.landings != landings and await self._look_again(backend, creation):
                    return self._hit(creation.found)
                break
            if leader.is_ours_async():
                await creation.run_async()
                return creation.outcome()
            give_up = give_up or time.time() + self._timeout
            if not await leader.wait_async(give_up):
                flights.overtake(creation.key, creation.flight, leader)
                force = True
                break
        else:
            creation.overtake()
        try:
            entry = await backend.get_or_create(
                creation.key,
                creation.run_async,
                self._usable(overwrite),
                self._policy.ttl,
                self._policy.tag,
                force=force,
            )
            if creation.superfluous:
                await backend.delete(creation.key)
        finally:
            flights.land(creation.key, creation.flight)
        return creation.outcome() if creation.ran else self._hit(entry)

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
        return await self.region.async_backend.count(function=self.callee.spelling.function)

    async def _look_again(self, backend: Any, creation: _Creation) -> Any:
        try:
            return self._ends(creation, await backend.load(creation.key, self._policy.tag))
        except BaseException:
            self.region.flights.land(creation.key, creation.flight)
            raise


class _Creation:
    """One run of the function on behalf of a backend, and how it went.

    Attributes:
        key: The key.
        flight: What others of this process wait for.
        found: The entry that made a run unnecessary after all.
        replaces: Whether there was an entry before that must not be used.
        ran: Whether the backend asked for the run at all.
    """

    def __init__(self, calls: StoredCalls, key: str, args: Args, kwargs: Kwargs) -> None:
        self._calls = calls
        self._args = args
        self._kwargs = kwargs or {}
        self._value: Any = None
        # What the function raises reaches the caller past the backend, which only stores.
        self._error: BaseException | None = None
        self._refused = False
        self.key = key
        self.flight = Flight()
        self.found: CacheEntry | NoValue = NO_VALUE
        self.replaces = False
        self.ran = False

    @property
    def superfluous(self) -> bool:
        """Whether an entry is left that the refused result ought to have replaced."""
        return self._refused and self.replaces and self._leads()

    def overtake(self) -> None:
        """Take the lead from whoever has it."""
        self.replaces = True
        self._calls.region.flights.overtake(self.key, self.flight)

    def run(self) -> CacheEntry | NoValue:
        """Run the function; return an entry, or `NO_VALUE` if there is nothing to keep."""
        self._start()
        try:
            self._value = self._calls.callee.function(*self._args, **self._kwargs)
            return self._entry()
        except BaseException as error:
            self._error = error
            return NO_VALUE

    async def run_async(self) -> CacheEntry | NoValue:
        """Run the coroutine function; otherwise as `run`."""
        self._start()
        self.flight.lead_task()
        try:
            self._value = await self._calls.callee.function(*self._args, **self._kwargs)
            return self._entry()
        except BaseException as error:
            self._error = error
            return NO_VALUE

    def outcome(self) -> Any:
        """Return what the function returned, or raise what it raised."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # no cycle through the traceback
        return self._value

    def _start(self) -> None:
        self.ran = True
        self._calls.callee.counters.misses += 1

    def _entry(self) -> CacheEntry | NoValue:
        kept = self._calls.callee.policy.keep(self._value)
        self._refused = kept is NO_VALUE
        return NO_VALUE if self._refused or not self._leads() else CacheEntry(kept, time.time())

    def _leads(self) -> bool:
        """Tell whether nobody has taken the lead since."""
        return self._calls.region.flights.under_way.get(self.key) is self.flight


def _never(entry: CacheEntry) -> bool:  # noqa: ARG001
    return False
