"""One run of a function on behalf of a backend: who leads it, and how it went.

If the backend fails meanwhile, nobody finds there what the leader made. So it hands that over to
those who wait, who would otherwise run the function one after the other. Only those may take it
who called before the function began: whoever came later may have come after a clear on another
host, and the next run is for all of them.
"""

from __future__ import annotations

import time
from _thread import get_ident
from itertools import count

from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.flights import Flight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

    from cachu.backends.turns import Turn
    from cachu.regions import LiveRegion
    from cachu.wrappers.callee import Callee
    from cachu.wrappers.memory import Args, Kwargs

# Puts calls and runs in order. No clock does: clocks may be stopped, and some tick seldom.
_order: Final[Iterator[int]] = count(1)


class Legacy:
    """What one run of the function leaves to those who wait.

    Attributes:
        handed: The entry that they may use though it could not be stored.
        began: When the function began to run, in the order of calls and runs; 0 if it did not.
    """

    handed: CacheEntry | NoValue = NO_VALUE
    began: int = 0


class LedFlight(Flight, Legacy):
    """A flight that may bring home something for those who wait.

    Attributes:
        heir: What one leaves who had waited for this flight, and had to run the function then. Not
            their flight: a task remembers the one that it led, which would lead to all that came
            after it.
    """

    heir: Legacy | None = None


class Creation:
    """One run of the function on behalf of a backend, and how it went.

    Attributes:
        key: The key.
        flight: What others of this process wait for.
        boarded: Whether it has taken off, and so must land.
        alone: Whether it runs past the backend: a recursion, which must not wait for itself.
        force: Whether it overtakes whoever else makes the entry, wherever that is.
        past: Whether it goes past the backend, because that has failed.
        replaces: Whether there was an entry before that must not be used.
        ran: Whether the function was run.
        value: What it returned.
        error: What it raised, kept so that it reaches the caller past the backend.
    """

    def __init__(
        self, callee: Callee, region: LiveRegion, key: str, args: Args, kwargs: Kwargs
    ) -> None:
        self._callee = callee
        self._flights = region.flights
        self._turns = region.turns
        self._turn: Turn | None = None
        self._patience = callee.lock_timeout
        self._args = args
        self._kwargs = kwargs or {}
        self._refused = False
        self._legacy: Legacy | None = None  # for those who waited for the same flight
        self._called = next(_order)
        self.key = key
        self._kept: CacheEntry | NoValue = NO_VALUE
        self.flight: LedFlight = LedFlight()
        self.flight.owner = get_ident()
        self.boarded: bool = False
        self.alone = False
        self.force: bool = False
        self.past: bool = False
        self.replaces: bool = False
        self.ran: bool = False
        self.value: Any = None
        self.error: Any = None

    @property
    def superfluous(self) -> bool:
        """Whether an entry is left that a result which is not kept ought to have replaced."""
        lost = self.past and self.force  # an older entry may be fresh, though it was to be replaced
        return (self._refused or lost) and self.replaces and self._leads()

    def board(self) -> Flight | None:
        """Take the lead, or return who has it."""
        leader = self._flights.under_way.setdefault(self.key, self.flight)
        self.boarded = leader is self.flight
        return None if self.boarded else leader

    def overtake(self, leader: Flight | None = None) -> None:
        """Take the lead from *leader*, or from whoever has it."""
        self.replaces = self.replaces or leader is None
        self.boarded = self.force = True
        if leader is not None:
            # The time for waiting is used up.
            self._patience = 0.0
        self._flights.overtake(self.key, self.flight, leader)

    def end_turn(self) -> bool:
        """Let others change the entry; say whether somebody did so already, without waiting."""
        turn = self._turn
        if turn is None:
            return False
        self._turns.end(self.key, turn)
        self._turn = None
        return turn.passed

    def settle(self, entry: CacheEntry | NoValue) -> None:
        """Take note of what the backend kept: nothing of what cannot be turned into bytes."""
        if entry is NO_VALUE and not self.past:
            self._refused = self._refused or self._kept is not NO_VALUE

    def hand_over(self) -> None:
        """Leave what was made to those who wait, unless somebody changed the entry meanwhile."""
        legacy = self._legacy
        wanted = self.flight.wakers or legacy is not None
        if wanted and self._kept is not NO_VALUE and self._leads():
            # A copy, made now: our own caller may change its value before they wake.
            self.flight.handed = copied(self._kept)
            if legacy is not None:
                legacy.handed = self.flight.handed

    def handed_by(self, leader: Flight | Legacy | None) -> CacheEntry | NoValue:
        """Return what *leader* could not store, if it handed that over to calls like this one."""
        if isinstance(leader, Legacy) and leader.began > self._called:
            return leader.handed
        return NO_VALUE

    def succeed(self, leader: Flight | None) -> CacheEntry | NoValue:
        """Run the function after *leader*, in vain waited for, unless its heir did so already.

        Returns:
            What the heir handed over, before this call even saw that there was one.
        """
        if not isinstance(leader, LedFlight):
            return NO_VALUE
        entry = self.handed_by(leader.heir)
        if entry is NO_VALUE:
            leader.heir = self._legacy = Legacy()
        return entry

    def land(self) -> None:
        """End the flight, if it ever took off."""
        self.end_turn()
        if self.boarded:
            self._flights.land(self.key, self.flight)

    def __del__(self) -> None:
        """Land after all, if a signal interrupted that."""
        if getattr(self, "error", self) is not self and (self._turn is not None or self._leads()):
            self.boarded = True
            self.land()

    def run(self) -> CacheEntry | NoValue:
        """Run the function; return an entry, or `NO_VALUE` if there is nothing to keep."""
        self._start()
        try:
            self.value = self._callee.function(*self._args, **self._kwargs)
            entry = self._entry()
            if entry is not NO_VALUE and not self.past:
                turn = self._turn = self._turns.creating()
                if not self._turns.await_turn(self.key, turn, self._patience):
                    self._turn = None
            return self._cleared(entry)
        except BaseException as error:
            self.error = error
            return NO_VALUE

    async def run_async(self) -> CacheEntry | NoValue:
        """Run the coroutine function; otherwise as `run`."""
        self._start()
        self.flight.lead_task()
        try:
            self.value = await self._callee.function(*self._args, **self._kwargs)
            entry = self._entry()
            if entry is not NO_VALUE and not self.past:
                turn = self._turn = self._turns.creating(task=True)
                if not await self._turns.await_turn_async(self.key, turn, self._patience):
                    self._turn = None
            return self._cleared(entry)
        except BaseException as error:
            self.error = error
            return NO_VALUE

    def release_error(self) -> BaseException:
        """Return the error to raise, and let go of it: its traceback leads back to this object."""
        error, self.error = self.error, None
        traceback = error.__traceback__
        # Its first frame is ours, and says nothing that those of the call do not.
        return error.with_traceback(traceback and traceback.tb_next)  # type: ignore[no-any-return]

    def _start(self) -> None:
        self.ran = True
        self.flight.began = next(_order)
        if self._legacy is not None:
            self._legacy.began = self.flight.began
        self._callee.counters.misses += 1

    def _entry(self) -> CacheEntry | NoValue:
        kept = self._callee.policy.keep(self.value)
        self._refused = kept is NO_VALUE
        if not self._refused and self._leads():
            self._kept = CacheEntry(kept, time.time())
        return self._kept

    def _cleared(self, entry: CacheEntry | NoValue) -> CacheEntry | NoValue:
        """Return *entry* if it may be stored: it is our turn, and nobody overtook us."""
        return entry if self._turn is not None and self._leads() else NO_VALUE

    def _leads(self) -> bool:
        """Tell whether nobody has taken the lead since."""
        return self._flights.under_way.get(self.key) is self.flight


def copied(entry: CacheEntry) -> CacheEntry | NoValue:
    """Return a copy of what was handed over, for one of those who wait."""
    from copy import deepcopy

    try:
        return CacheEntry(deepcopy(entry.value), entry.created_at)
    except Exception:
        return NO_VALUE  # what cannot be copied is made by each for itself
