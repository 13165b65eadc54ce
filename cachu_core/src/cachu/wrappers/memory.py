"""The call path of functions whose entries are objects in memory: all that is not a plain hit."""

from __future__ import annotations

import time
from _thread import get_ident

from cachu import switches
from cachu.backends.rows import spelled
from cachu.backends.tables import AGES
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.flights import Flight
from cachu.wrappers.raw_keys import EXACT, known_types, types_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any, TypeAlias

    from cachu.backends.memory import Shelf
    from cachu.backends.rows import Entry
    from cachu.backends.tables import Place, Table
    from cachu.wrappers.callee import Callee

    Args: TypeAlias = tuple[Any, ...]
    Kwargs: TypeAlias = dict[str, Any] | None


class MemoryCalls:
    """Finds, makes, sets and deletes the entries of one function in one region.

    Calls come bound: the raw key (`UNSET` if there is none), all positional arguments, and the
    others by name.
    """

    def __init__(self, callee: Callee, shelf: Shelf) -> None:
        self.callee = callee
        self.shelf = shelf
        self._run = callee.function
        self._counters = callee.counters
        self._policy = callee.policy
        self._ttl = callee.policy.ttl
        self._lasting = callee.policy.ttl > AGES
        self._timeout = callee.lock_timeout
        self._types = types_reader(callee.parameters)
        # What it would say of the commonest keys, without the call.
        self._known = known_types(callee.parameters)
        # Whether a fresh entry needs no more than to be returned.
        self._plain = callee.policy.validate is None and not callee.policy.copy
        # Whether a scalar result is kept as it is, which spares a miss the calls of _settle.
        kept_as_is = callee.policy.cache_if is None and not callee.policy.copy
        self._quick = kept_as_is and not self._lasting

    @property
    def mode(self) -> str:
        """How the wrapper may find hits by itself."""
        if self.shelf.layout is None or self.shelf.moving or not self._plain:
            return "direct"
        mode = "lasting" if self._lasting else "timed"
        return mode if self.shelf.table.maxsize is None else f"{mode}-bounded"

    def miss(  # noqa: C901, PLR0912  in one piece, because every call costs a miss 4 %
        self, key: Hashable, args: Args, kwargs: Kwargs, overwrite: object = None
    ) -> Any:
        """Answer a call that the wrapper could not answer by itself."""
        if switches.suspended and switches.is_disabled():
            return self._run(*args, **kwargs) if kwargs else self._run(*args)
        flight, give_up = None, 0.0
        while True:
            shelf = self.shelf
            table = shelf.table
            types = self._known.get(type(key)) or self._types(key)
            if types is None or shelf.mixed:
                where, types, seen = self._locate(table, key, args, kwargs)
            else:
                where, seen = key, table.entries.get(key)
                if seen is not None and seen[2:] != types:
                    where, types, seen = self._locate(table, key, args, kwargs)
            if seen is not None and not overwrite:
                value = self._use(table, where, seen)
                if value is not NO_VALUE:
                    return value
            if flight is None:
                flight = Flight()
                flight.owner = get_ident()
            if overwrite:
                table.flights.overtake(where, flight)
                break
            leader = table.under_way.setdefault(where, flight)
            if leader is flight:
                if table.entries.get(where) is seen and (
                    not shelf.mixed or not self._moved(table, types, args, kwargs)
                ):
                    break
                # Somebody else landed between our look and our take-off.
                table.flights.land(where, flight)
                flight = flight.again()
            elif leader.is_ours():
                break
            else:
                give_up = give_up or time.time() + self._timeout
                if not leader.wait(give_up):
                    table.flights.overtake(where, flight, leader)
                    break
        self._counters.misses += 1
        try:
            value = self._run(*args, **kwargs) if kwargs else self._run(*args)
            if types is not None and self._quick and type(value) in EXACT:
                deadline = time.time() + self._ttl
                row = (value, deadline) + types  # noqa: RUF005
                table.commit(where, row, deadline, flight, seen is None)
            else:
                self._settle(table, where, types, flight, value)
        except BaseException:
            table.flights.land(where, flight)
            raise
        return value

    def peek(self, key: Hashable, args: Args, kwargs: Kwargs) -> CacheEntry | NoValue:
        """Return the entry of a call if there is one that may be used; counts nothing."""
        table = self.shelf.table
        where, _, row = self._locate(table, key, args, kwargs)
        if row is None or time.time() >= table.deadline(where, row):
            return NO_VALUE
        entry = self.shelf.read(where, row)
        if not self._policy.accepts(entry):
            return NO_VALUE
        return CacheEntry(self._policy.lend(entry.value), entry.created_at)

    def put(self, key: Hashable, args: Args, kwargs: Kwargs, value: Any) -> None:
        """Keep *value* as what the call returns."""
        table = self.shelf.table
        where, types, _ = self._locate(table, key, args, kwargs)
        now = time.time()
        deadline = now + self._ttl
        row = self._row(types, self._policy.lend(value), now, deadline)
        table.put(where, row, deadline, self._beside(where, key, args, kwargs))

    def drop(self, key: Hashable, args: Args, kwargs: Kwargs) -> bool:
        """Forget the entry of a call and say whether there was one."""
        table = self.shelf.table
        where, _, _ = self._locate(table, key, args, kwargs)
        return table.delete(where, self._beside(where, key, args, kwargs))

    def size(self) -> int:
        """Count the fresh entries of the function."""
        return self.shelf.count()

    def alias(self, spelling: str, key: Hashable, args: Args, kwargs: Kwargs) -> None:
        """Have the backend find the entry of a call under its spelled key at once."""
        where, types, _ = self._locate(self.shelf.table, key, args, kwargs)
        if types is not None:
            self.shelf.alias(spelling, where, types)

    def _locate(
        self, table: Table, key: Hashable, args: Args, kwargs: Kwargs
    ) -> tuple[Hashable, tuple[Any, ...] | None, Entry | None]:
        """Return what a call is kept under, the types that belong to a raw key, and the entry."""
        types = self._types(key)
        if types is not None and self.shelf.layout is not None:
            seen = table.entries.get(key)
            if seen is not None and seen[2:] != types:
                self.shelf.mixed = True
            elif not self.shelf.mixed or self._spell(args, kwargs) not in table.entries:
                return key, types, seen
        where = self._spell(args, kwargs)
        return where, None, table.entries.get(where)

    def _beside(self, where: Hashable, key: Hashable, args: Args, kwargs: Kwargs) -> Place | None:
        """Return where else than *where* there may be an entry of the call."""
        types = self._types(key)
        if types is None or not self.shelf.mixed:
            return None
        return (key, types) if spelled(where) else (self._spell(args, kwargs), None)

    def _moved(
        self, table: Table, types: tuple[Any, ...] | None, args: Args, kwargs: Kwargs
    ) -> bool:
        """Tell whether a call with a raw key has got an entry with a spelled one meanwhile."""
        if types is None:
            return False
        return self.shelf.layout is None or self._spell(args, kwargs) in table.entries

    def _spell(self, args: Args, kwargs: Kwargs) -> Hashable:
        return (self.callee.spelling.key(args, kwargs),)

    def _use(self, table: Table, where: Hashable, row: Entry) -> Any:
        """Return the value of an entry as a hit, or `NO_VALUE` if it may not be used."""
        if time.time() >= table.deadline(where, row):
            return NO_VALUE
        if not self._plain and not self._policy.accepts(self.shelf.read(where, row)):
            return NO_VALUE
        if table.maxsize is not None:
            table.touch(where)
        self._counters.hits += 1
        return row[0] if self._plain else self._policy.lend(row[0])

    def _settle(
        self,
        table: Table,
        where: Hashable,
        types: tuple[Any, ...] | None,
        flight: Flight,
        value: Any,
    ) -> None:
        """Keep what the function returned, or not, and let the flight land."""
        kept = self._policy.keep(value)
        if kept is NO_VALUE:
            table.refuse(where, flight)
            return
        now = time.time()
        deadline = now + self._ttl
        row = self._row(types, kept, now, deadline)
        table.commit(where, row, deadline, flight)

    def _row(self, types: tuple[Any, ...] | None, value: Any, now: float, deadline: float) -> Entry:
        if types is None:
            return (value, deadline, now, self._policy.tag)
        # Half the cost of unpacking the types into one display.
        return (value, now if self._lasting else deadline) + types  # noqa: RUF005
