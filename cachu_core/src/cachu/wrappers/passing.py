"""The call path of functions that keep nothing: on the null backend, or with a ttl of zero."""

from __future__ import annotations

from cachu import switches
from cachu.entries import NO_VALUE, CacheEntry, NoValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from cachu.wrappers.callee import Callee
    from cachu.wrappers.memory import Args, Kwargs


class PassingCalls:
    """Runs the function on every call and counts a miss; nobody waits for anybody."""

    mode = "direct"

    def __init__(self, callee: Callee) -> None:
        self.callee = callee
        self._run = callee.function
        self._counters = callee.counters

    def miss(
        self,
        key: Hashable,
        args: Args,
        kwargs: Kwargs,
        overwrite: object = None,
    ) -> Any:
        """Run the function."""
        self._count()
        value = self._run(*args, **(kwargs or {}))
        self.callee.policy.refuse_used_up(value)
        return value

    def peek(self, *_call: object) -> CacheEntry | NoValue:
        """Find nothing."""
        return NO_VALUE

    def put(self, *_call: object) -> None:
        """Keep nothing."""

    def drop(self, *_call: object) -> bool:
        """Say that nothing was there."""
        return False

    def size(self) -> int:
        """Count nothing."""
        return 0

    def _count(self) -> None:
        if not (switches.suspended and switches.is_disabled()):
            self._counters.misses += 1


class AsyncPassingCalls(PassingCalls):
    """The same for coroutine functions."""

    async def miss(
        self,
        key: Hashable,
        args: Args,
        kwargs: Kwargs,
        overwrite: object = None,
    ) -> Any:
        """Run the function."""
        self._count()
        value = await self._run(*args, **(kwargs or {}))
        self.callee.policy.refuse_used_up(value)
        return value

    async def peek(self, *_call: object) -> CacheEntry | NoValue:  # type: ignore[override]
        """Find nothing."""
        return NO_VALUE

    async def put(self, *_call: object) -> None:  # type: ignore[override]
        """Keep nothing."""

    async def drop(self, *_call: object) -> bool:  # type: ignore[override]
        """Say that nothing was there."""
        return False

    async def size(self) -> int:  # type: ignore[override]
        """Count nothing."""
        return 0
