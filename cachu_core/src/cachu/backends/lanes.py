"""A lane is one way of using a store that may fail: it carries work there, and notes what fails."""

from __future__ import annotations

from cachu.backends.monitored import Monitored
from cachu.errors import CapabilityError, ConfigurationError, PluginError, SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Final, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

# No faults: they say what the caller, or its configuration, has to change.
PASSED: Final = (SerializationError, ConfigurationError, PluginError, CapabilityError)


class Lane(Monitored):
    """One way of using a store; each method does some work there.

    They differ in what it proves if it goes well, in who is told if it does not, and in whether it
    is done even if the store is left alone now. All of them raise `BackendError` if it fails.
    """

    __slots__ = ()

    def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do *work* on the store; if it goes well, the store can be used.

        Raises:
            BackendError: If it fails, from what it raised, or if the store is left alone now.
        """
        if self.troubled:
            self.enter()
        return self._do(True, True, work, *args, **kwargs)

    async def run_async(
        self, work: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do *work* on the store, in asynchronous code; otherwise as `run`."""
        if self.troubled:
            self.enter()
        return await self._do_async(True, True, work, *args, **kwargs)

    def begin(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do *work* that proves nothing yet if it goes well: take a lease or a lock."""
        if self.troubled:
            self.enter()
        return self._do(False, True, work, *args, **kwargs)

    async def begin_async(
        self, work: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do *work* that proves nothing yet, in asynchronous code."""
        if self.troubled:
            self.enter()
        return await self._do_async(False, True, work, *args, **kwargs)

    def commit(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do *work* even if the store is left alone now: it uses up what was taken before."""
        return self._do(True, True, work, *args, **kwargs)

    async def commit_async(
        self, work: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do *work* even if the store is left alone now, in asynchronous code."""
        return await self._do_async(True, True, work, *args, **kwargs)

    def abandon(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do *work* even then, which proves nothing: give back what was taken before."""
        return self._do(False, True, work, *args, **kwargs)

    async def abandon_async(
        self, work: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do *work* even then, which proves nothing, in asynchronous code."""
        return await self._do_async(False, True, work, *args, **kwargs)

    def ask(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do *work* for somebody who may not mind that it fails; it proves nothing either."""
        if self.troubled:
            self.enter()
        result = self._do(False, False, work, *args, **kwargs)
        self.untried()
        return result

    async def ask_async(
        self, work: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do *work* for somebody who may not mind that it fails, in asynchronous code."""
        if self.troubled:
            self.enter()
        result = await self._do_async(False, False, work, *args, **kwargs)
        self.untried()
        return result

    def _do(
        self, proof: bool, tell: bool, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        try:
            result = work(*args, **kwargs)
        except PASSED:
            raise
        except Exception as error:
            raise self.failed(error, tell=tell) from error
        if proof and self.troubled:
            self.recovered()
        return result

    async def _do_async(
        self,
        proof: bool,
        tell: bool,
        work: Callable[P, Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        try:
            result = await work(*args, **kwargs)
        except PASSED:
            raise
        except Exception as error:
            raise self.failed(error, tell=tell) from error
        if proof and self.troubled:
            self.recovered()
        return result
