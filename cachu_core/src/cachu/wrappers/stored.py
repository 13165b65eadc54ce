"""The call path of functions on a backend: files, servers, and whatever a plugin brings.

A backend that fails never costs a caller the function's result, unless `fail_open=False` asks for
that: the function runs as if nothing were cached.
"""

from __future__ import annotations

import time

from cachu import switches
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import BackendError, BrokenPluginError, CapabilityError
from cachu.wrappers.creation import Creation, copied
from cachu.wrappers.known_keys import KnownKeys
from cachu.wrappers.near_rows import NearRows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from cachu.backends import Backend
    from cachu.flights import Flight
    from cachu.regions import LiveRegion
    from cachu.serializers.held import Near
    from cachu.wrappers.callee import Callee
    from cachu.wrappers.memory import Args, Kwargs


# The size of a function on a backend that cannot count.
UNKNOWN = -1


class StoredCalls:
    """Finds, makes, sets and deletes the entries of one function on one backend.

    Args:
        callee: The function.
        region: The region.
        expose: Refers to what shows the wrapper that the mode has changed.

    Attributes:
        mode: How the wrapper may find hits by itself; in no way, until the store watches an entry.
        near: What it finds them in.
    """

    def __init__(
        self, callee: Callee, region: LiveRegion, expose: Callable[[], Callable[[], None] | None]
    ) -> None:
        self.callee = callee
        self.region = region
        self._expose = expose
        self._run = callee.function
        self._counters = callee.counters
        self._policy = callee.policy
        keys = KnownKeys(callee)
        self._key = keys.key
        self.mode: str = "direct"
        self.near: NearRows = NearRows(keys)
        self._timeout = callee.lock_timeout
        self._fail_open = region.region.config.fail_open
        # Whether every fresh entry will do.
        self._trusting = callee.policy.validate is None

    def miss(self, key: Hashable, args: Args, kwargs: Kwargs, overwrite: object = None) -> Any:
        """Answer a call."""
        if switches.suspended and switches.is_disabled():
            return self._run(*args, **(kwargs or {}))
        region = self.region
        name = self._key(key, args, kwargs)
        backend = region.serving
        if backend is None:
            backend = region.guarded
        landings = region.flights.landings
        entry: CacheEntry | NoValue = NO_VALUE
        fault = None
        if not overwrite:
            try:
                entry = backend.load(name, self._policy.tag)
            except BackendError as error:
                fault = error
            if entry is not NO_VALUE and (self._trusting or self._policy.accepts(entry)):
                self._counters.hits += 1
                if type(entry) is not CacheEntry:
                    self._keep(key, entry)
                return entry.value
        creation = self._creation(name, args, kwargs, entry, fault)
        value = self._make(backend, creation, landings, overwrite)
        if creation.error is not None:
            raise creation.release_error()  # here, where the traceback stays short
        return value

    def _make(self, backend: Backend, creation: Creation, landings: int, overwrite: object) -> Any:
        """Return the value of a call that found nothing; an error is left in the creation."""
        entry: CacheEntry | NoValue = NO_VALUE
        try:
            if overwrite:
                creation.overtake()
            else:
                entry = self._take_off(backend, creation, landings)
                if entry is not NO_VALUE:
                    return self._hit(entry)
            if creation.alone:
                creation.run()
            else:
                entry = self._create(backend, creation, self._usable(overwrite))
                creation.settle(entry)
            if creation.end_turn() or creation.superfluous:
                try:
                    backend.delete(creation.key)
                except BackendError as error:
                    self._fault(error, creation)
        finally:
            creation.land()
        if not creation.ran:
            return self._hit(entry)
        return creation.value

    def _take_off(
        self, backend: Backend, creation: Creation, landings: int
    ) -> CacheEntry | NoValue:
        """Return an entry that somebody else made, or `NO_VALUE` once the creation may run.

        Args:
            backend: Where to look.
            creation: What is to take off.
            landings: How many flights had landed before we looked for an entry.
        """
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
            elif leader.is_ours():
                creation.alone = True
                return NO_VALUE
            else:
                give_up = give_up or time.time() + self._timeout
                if not leader.wait(give_up):
                    creation.overtake(leader)
                    return NO_VALUE
                entry = self._handed(creation.handed_by(leader))
                if entry is not NO_VALUE:
                    return entry
            landings = flights.landings
            entry = self._look(backend, creation)
            if entry is not NO_VALUE or creation.boarded:
                return entry

    def _look(self, backend: Backend, creation: Creation) -> CacheEntry | NoValue:
        """Look for an entry that will do."""
        if creation.past:
            return NO_VALUE
        try:
            entry = backend.load(creation.key, self._policy.tag)
        except BackendError as error:
            self._fault(error, creation)
            return NO_VALUE
        return self._accepted(entry, creation)

    def _create(
        self, backend: Backend, creation: Creation, usable: Callable[[CacheEntry], bool]
    ) -> CacheEntry | NoValue:
        """Have the backend find an entry or make one; or make one past it, if it fails."""
        if not creation.past:
            ttl, tag = self._policy.ttl, self._policy.tag
            try:
                return backend.get_or_create(
                    creation.key, creation.run, usable, ttl, tag, force=creation.force
                )
            except BackendError as error:
                self._fault(error, creation)
        if not creation.ran:
            creation.run()
        creation.hand_over()
        return NO_VALUE

    def peek(self, key: Hashable, args: Args, kwargs: Kwargs) -> CacheEntry | NoValue:
        """Return the entry of a call if there is one that may be used; counts nothing."""
        name = self._key(key, args, kwargs)
        try:
            entry = self.region.guarded.load(name, self._policy.tag)
        except BackendError as error:
            self._fault(error)
            return NO_VALUE
        return self._accepted(entry)

    def put(self, key: Hashable, args: Args, kwargs: Kwargs, value: Any) -> None:
        """Keep *value* as what the call returns; if that fails, nothing older is kept either.

        Raises:
            BackendError: If that fails, too, so that what is out of date may still be there.
        """
        name = self._key(key, args, kwargs)
        entry = CacheEntry(value, time.time())
        backend = self.region.guarded
        with self.region.turns.setting(name, self._timeout):
            try:
                backend.store(name, entry, self._policy.ttl, self._policy.tag)
            except BackendError as error:
                self._fault(error)
                backend.delete(name)

    def drop(self, key: Hashable, args: Args, kwargs: Kwargs) -> bool:
        """Forget the entry of a call and say whether there was one.

        Raises:
            BackendError: If that failed; nobody is to believe that it is gone.
        """
        name = self._key(key, args, kwargs)
        with self.region.turns.deleting(name, self._timeout):
            return self.region.guarded.delete(name)

    def size(self) -> int:
        """Count the fresh entries of the function."""
        try:
            return self.region.guarded.count(function=self.callee.spelling.function)
        except CapabilityError:
            return UNKNOWN
        except BackendError as error:
            self._fault(error)
            return UNKNOWN

    def _keep(self, raw: Hashable, entry: CacheEntry) -> None:
        """Have the wrapper answer this call by itself from now on, if the store watches."""
        near: Near | None = getattr(entry, "near", None)
        if near is None or not self._trusting:
            return
        self.near.keep(raw, near)
        if self.mode != "near":
            self.mode = "near"
            expose = self._expose()
            if expose is not None:
                expose()

    def _creation(
        self,
        key: str,
        args: Args,
        kwargs: Kwargs,
        found: CacheEntry | NoValue,
        fault: BackendError | None,
    ) -> Creation:
        """Return what makes an entry in the place of *found*, or past a backend that failed."""
        creation = Creation(self.callee, self.region, key, args, kwargs)
        creation.replaces = found is not NO_VALUE
        if fault is not None:
            self._fault(fault, creation)
        return creation

    def _accepted(
        self, entry: CacheEntry | NoValue, creation: Creation | None = None
    ) -> CacheEntry | NoValue:
        """Return *entry* if it will do; if not, *creation* is to replace it."""
        if entry is NO_VALUE or self._policy.accepts(entry):
            return entry
        if creation is not None:
            creation.replaces = True
        return NO_VALUE

    def _fault(self, error: BackendError, creation: Creation | None = None) -> None:
        """Count a fault of the backend, and go on past it; or raise it, if that is wanted."""
        self._counters.faults += 1
        # What the function itself raised matters more.
        if not self._fail_open and (creation is None or creation.error is None):
            raise error
        if creation is not None:
            creation.past = True

    def _handed(self, entry: CacheEntry | NoValue) -> CacheEntry | NoValue:
        """Return a copy of what was handed over, if it will do."""
        entry = self._accepted(entry)
        return NO_VALUE if entry is NO_VALUE else copied(entry)

    def _usable(self, overwrite: object) -> Callable[[CacheEntry], bool]:
        return _never if overwrite else self._policy.accepts

    def _hit(self, entry: CacheEntry | NoValue) -> Any:
        if entry is NO_VALUE:
            raise BrokenPluginError(
                f"get_or_create of the {self.region.name} backend neither found an entry nor ran "
                "what makes one"
            )
        self._counters.hits += 1
        return entry.value


def _never(entry: CacheEntry) -> bool:  # noqa: ARG001
    return False
