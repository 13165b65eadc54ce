"""The call path of coroutine functions whose entries are objects in memory; see `MemoryCalls`."""

from __future__ import annotations

import time
from _thread import get_ident

from cachu import switches
from cachu.entries import NO_VALUE
from cachu.flights import Flight
from cachu.wrappers.memory import MemoryCalls
from cachu.wrappers.raw_keys import EXACT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from cachu.entries import CacheEntry, NoValue
    from cachu.wrappers.memory import Args, Kwargs


class AsyncMemoryCalls(MemoryCalls):
    """The same for coroutine functions; plain and asynchronous callers wait for each other."""

    async def miss(  # noqa: C901, PLR0912
        self, key: Hashable, args: Args, kwargs: Kwargs, overwrite: object = None
    ) -> Any:
        """Answer a call that the wrapper could not answer by itself."""
        if switches.suspended and switches.is_disabled():
            return await (self._run(*args, **kwargs) if kwargs else self._run(*args))
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
                flight.owner, flight.asynchronous = get_ident(), True
            if overwrite:
                table.flights.overtake(where, flight)
                break
            leader = table.under_way.setdefault(where, flight)
            if leader is flight:
                if table.entries.get(where) is seen and (
                    not shelf.mixed or not self._moved(table, types, args, kwargs)
                ):
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
        flight.lead_task()
        try:
            value = await (self._run(*args, **kwargs) if kwargs else self._run(*args))
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
