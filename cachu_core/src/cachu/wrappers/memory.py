"""The call path of functions whose entries are objects in memory: all that is not a plain hit."""

from __future__ import annotations

import sys
import time
from _thread import get_ident
from math import inf

from cachu import switches
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.flights import Flight, leading
from cachu.wrappers.compiled import UNSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any, TypeAlias

    from cachu.backends.memory import Shelf
    from cachu.backends.tables import Entry, Table
    from cachu.wrappers.callee import Callee

    Args: TypeAlias = tuple[Any, ...]
    Kwargs: TypeAlias = dict[str, Any] | None

# Equal values of these types are the same value once their types are compared too. So are floats,
# except zeros (0.0 == -0.0) and what is not a number. Under `python -bb` comparing str and bytes
# raises.
_EXACT = frozenset((int, str, bool, type(None), *(() if sys.flags.bytes_warning else (bytes,))))


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
        self._timeout = callee.lock_timeout
        self._scalar = len(callee.parameters.keyed) == 1
        self._receiver = callee.parameters.receiver
        # Whether a fresh entry needs no more than to be returned.
        self._plain = callee.policy.validate is None and not callee.policy.copy

    @property
    def mode(self) -> str:
        """How the wrapper may find hits by itself."""
        if self.shelf.layout is None or not self._plain:
            return "direct"
        mode = "lasting" if self._policy.ttl == inf else "timed"
        return mode if self.shelf.table.maxsize is None else f"{mode}-bounded"

    def miss(self, key: Hashable, args: Args, kwargs: Kwargs, overwrite: object = None) -> Any:
        """Answer a call that the wrapper could not answer by itself."""
        if switches.suspended and switches.is_disabled():
            return self._run(*args, **kwargs) if kwargs else self._run(*args)
        flight = Flight()
        flight.owner = get_ident()
        give_up = 0.0
        while True:
            table = self.shelf.table
            where, types = self._locate(table, key, args, kwargs)
            seen = table.entries.get(where)
            if overwrite:
                table.flights.overtake(where, flight)
                break
            if seen is not None and (value := self._use(table, where, seen)) is not NO_VALUE:
                return value
            leader = table.flights.under_way.setdefault(where, flight)
            if leader is flight:
                if table.entries.get(where) is seen:
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
            self._settle(table, where, types, flight, value)
        except BaseException:
            table.flights.land(where, flight)
            raise
        return value

    def peek(self, key: Hashable, args: Args, kwargs: Kwargs) -> CacheEntry | NoValue:
        """Return the entry of a call if there is one that may be used; counts nothing."""
        table = self.shelf.table
        where, _ = self._locate(table, key, args, kwargs)
        row = table.entries.get(where)
        if row is None or time.time() >= table.deadline(where, row):
            return NO_VALUE
        entry = self.shelf.read(where, row)
        if not self._policy.accepts(entry):
            return NO_VALUE
        return CacheEntry(self._policy.lend(entry.value), entry.created_at)

    def put(self, key: Hashable, args: Args, kwargs: Kwargs, value: Any) -> None:
        """Keep *value* as what the call returns."""
        table = self.shelf.table
        where, types = self._locate(table, key, args, kwargs)
        row, deadline = self._row(types, self._policy.lend(value))
        table.put(where, row, deadline)

    def drop(self, key: Hashable, args: Args, kwargs: Kwargs) -> bool:
        """Forget the entry of a call and say whether there was one."""
        table = self.shelf.table
        where, _ = self._locate(table, key, args, kwargs)
        return table.delete(where)

    def size(self) -> int:
        """Count the fresh entries of the function."""
        return self.shelf.count()

    def alias(self, spelled: str, key: Hashable, args: Args, kwargs: Kwargs) -> None:
        """Have the backend find the entry of a call under its spelled key at once."""
        where, types = self._locate(self.shelf.table, key, args, kwargs)
        if types is not None:
            self.shelf.alias(spelled, where)

    def _locate(
        self, table: Table, key: Hashable, args: Args, kwargs: Kwargs
    ) -> tuple[Hashable, tuple[type, ...] | None]:
        """Return what a call is kept under, and the types that belong to a raw key."""
        if key is UNSET or self.shelf.layout is None:
            return self._spell(args, kwargs), None
        values: Args = (key,) if self._scalar else key  # type: ignore[assignment]
        if self._receiver:
            if not _is_plain_class(values[0], self._receiver):
                return self._spell(args, kwargs), None
            checked = values[1:]
            types = tuple(map(type, checked if self._receiver == "self" else values))
        else:
            checked = values
            types = tuple(map(type, values))
        for value in checked:
            if type(value) not in _EXACT and not (
                type(value) is float and value and value == value  # noqa: PLR0124
            ):
                return self._spell(args, kwargs), None
        entry = table.entries.get(key)
        if entry is not None and entry[2:] != types:
            self.shelf.mixed = True
            return self._spell(args, kwargs), None
        if self.shelf.mixed:
            spelled = self._spell(args, kwargs)
            if spelled in table.entries:
                return spelled, None
        return key, types

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
        types: tuple[type, ...] | None,
        flight: Flight,
        value: Any,
    ) -> None:
        """Keep what the function returned, or not, and let the flight land."""
        kept = self._policy.keep(value)
        if kept is NO_VALUE:
            table.refuse(where, flight)
        else:
            row, deadline = self._row(types, kept)
            table.commit(where, row, deadline, flight)

    def _row(self, types: tuple[type, ...] | None, value: Any) -> tuple[Entry, float]:
        now = time.time()
        deadline = now + self._policy.ttl
        if types is None:
            return (value, deadline, now, self._policy.tag), deadline
        return (value, now if deadline == inf else deadline, *types), deadline


class AsyncMemoryCalls(MemoryCalls):
    """The same for coroutine functions; plain and asynchronous callers wait for each other."""

    async def miss(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs, overwrite: object = None
    ) -> Any:
        """Answer a call that the wrapper could not answer by itself."""
        if switches.suspended and switches.is_disabled():
            return await (self._run(*args, **kwargs) if kwargs else self._run(*args))
        from asyncio import get_running_loop

        flight = Flight()
        flight.owner, flight.loop = get_ident(), get_running_loop()
        give_up = 0.0
        while True:
            table = self.shelf.table
            where, types = self._locate(table, key, args, kwargs)
            seen = table.entries.get(where)
            if overwrite:
                table.flights.overtake(where, flight)
                break
            if seen is not None and (value := self._use(table, where, seen)) is not NO_VALUE:
                return value
            leader = table.flights.under_way.setdefault(where, flight)
            if leader is flight:
                if table.entries.get(where) is seen:
                    break
                table.flights.land(where, flight)
                flight = flight.again()
            elif leader.is_ours_async():
                break
            else:
                give_up = give_up or time.time() + self._timeout
                if not await leader.wait_async(give_up):
                    table.flights.overtake(where, flight, leader)
                    break
        self._counters.misses += 1
        outer = leading.get()
        leading.set((*outer, flight))
        try:
            value = await (self._run(*args, **kwargs) if kwargs else self._run(*args))
            self._settle(table, where, types, flight, value)
        except BaseException:
            table.flights.land(where, flight)
            raise
        finally:
            leading.set(outer)
        return value

    async def peek(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs
    ) -> CacheEntry | NoValue:
        """Return the entry of a call if there is one that may be used; counts nothing."""
        return super().peek(key, args, kwargs)

    async def put(  # type: ignore[override]
        self, key: Hashable, args: Args, kwargs: Kwargs, value: Any
    ) -> None:
        """Keep *value* as what the call returns."""
        super().put(key, args, kwargs, value)

    async def drop(self, key: Hashable, args: Args, kwargs: Kwargs) -> bool:  # type: ignore[override]
        """Forget the entry of a call and say whether there was one."""
        return super().drop(key, args, kwargs)

    async def size(self) -> int:  # type: ignore[override]
        """Count the fresh entries of the function."""
        return super().size()


def _is_plain_class(value: object, receiver: str) -> bool:
    """Tell whether a class stands for itself, or for its instances, as part of a raw key."""
    return (
        isinstance(value, type)
        and type(value).__eq__ is type.__eq__
        and type(value).__hash__ is type.__hash__
        and not (receiver == "self" and hasattr(value, "__cache_key__"))
    )
