"""Both colours of cachu under one interface, so that one test covers the two.

Whatever is asynchronous is run to its end before it is handed on: tests read like plain code.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from inspect import isawaitable
from itertools import count
from threading import Barrier, Thread
from typing import Any, ClassVar, NamedTuple, cast
from uuid import uuid4

import cachu
from cachu import flights
from cachu.backends import Backend, Capability

# How long, in seconds, anything may take before a test has failed; far longer than it should.
PATIENCE = 30.0
_serial = count(1)


class Lifted:
    """A cached function of one parameter, `x`, each of whose methods answers at once.

    Attributes:
        raw: The cached function itself, plain or a coroutine function.
    """

    def __init__(self, raw: Any, lift: Callable[[Any], Any], runs: list[Any]) -> None:
        self.raw = raw
        self._lift = lift
        self._runs = runs

    @property
    def runs(self) -> int:
        """How often the function has run."""
        return len(self._runs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._lift(self.raw(*args, **kwargs))

    def key(self, *args: Any, **kwargs: Any) -> str:
        """Return the key of a call."""
        return str(self.raw.key(*args, **kwargs))

    def holds(self, *args: Any, **kwargs: Any) -> bool:
        """Tell whether a call is cached."""
        try:
            self.get(*args, **kwargs)
        except KeyError:
            return False
        return True

    def __getattr__(self, twin: str) -> Callable[..., Any]:
        method = getattr(self.raw, twin)
        return lambda *args, **kwargs: self._lift(method(*args, **kwargs))


class Colour(ABC):
    """One colour of cachu, on one backend, in a package of its own.

    Args:
        options: What the backend is configured with.
        package: The package, by default a new one.
    """

    name: ClassVar[str]
    crowd: ClassVar[int]

    def __init__(self, options: Mapping[str, Any], package: str | None = None) -> None:
        self.options = options
        self.package: str = package or f"cachu_suite_{uuid4().hex}"
        self.configure(**options)

    @abstractmethod
    def lift(self, result: Any) -> Any:
        """Return what a call comes to."""

    @abstractmethod
    def hold(self, ready: Callable[[], bool], value: Any = None) -> Any:
        """Stay inside the body of a cached function until *ready*, and return *value*."""

    @abstractmethod
    def together(self, function: Lifted, callers: int) -> list[Any]:
        """Have many callers call *function* with 1; return what each got, value or error."""

    @abstractmethod
    def _shaped(self, body: Callable[[Any], Any]) -> Callable[..., Any]:
        """Return a function of *x* of this colour that does what *body* does."""

    @abstractmethod
    def _api(self, name: str) -> Callable[..., Any]:
        """Return the public function called *name*, in this colour."""

    def configure(self, **options: Any) -> None:
        """Change the configuration of the package."""
        cachu.configure(package=self.package, **options)

    def cached(
        self, body: Callable[[Any], Any] | None = None, *, ttl: Any = 300, **options: Any
    ) -> Lifted:
        """Make a cached function.

        Args:
            body: What it does with `x`. By default it returns `[x, number of this run]`.
            ttl: Its time to live.
            **options: Further options of the decorator.
        """
        runs: list[Any] = []

        def counted(x: Any) -> Any:
            runs.append(x)
            return [x, len(runs)] if body is None else body(x)

        options.setdefault("name", f"function{next(_serial)}")
        decorate = self._api("cache")(ttl=ttl, package=self.package, **options)
        return Lifted(decorate(self._shaped(counted)), self.lift, runs)

    def call(self, operation: str, function: Lifted, *args: Any, **kwargs: Any) -> Any:
        """Call one of the `cache_*` functions on *function*."""
        return self.lift(self._api(operation)(function.raw, *args, **kwargs))

    def clear(self, tag: str | None = None, ttl: Any = None) -> int:
        """Clear this package on this backend; what is not counted is -1."""
        clear = self._api("cache_clear")
        return int(self.lift(clear(tag, self.backend_name, ttl, self.package)))

    def clears(self, expected: int, tag: str | None = None, ttl: Any = None) -> bool:
        """Clear, and tell whether as many as expected were removed, if they are counted."""
        return self.clear(tag, ttl) in (expected, -1)

    @property
    def backend_name(self) -> str:
        """The name of the backend."""
        return cachu.get_config(self.package).backend

    @property
    def capabilities(self) -> Capability:
        """What the backend declares."""
        return self.get_backend().capabilities

    def get_backend(self, ttl: Any = 300) -> Backend:
        """Return the backend of the region with this *ttl*; its methods answer at once."""
        backend = self.lift(self._api("get_backend")(ttl=ttl, package=self.package))
        return cast("Backend", _LiftedBackend(backend, self.lift))

    def beside(self) -> Colour:
        """Return another package of the same colour and configuration."""
        return type(self)(self.options)

    def start(self, function: Lifted, *args: Any) -> Running:
        """Call *function* in a thread of its own."""
        return Running(partial(function, *args))

    def close(self) -> None:
        """Leave nothing behind."""
        if Capability.CLEAR in self.capabilities:
            self.clear()
        asyncio.run(cachu.clear_async_backends())
        cachu.clear_backends()


class Plain(Colour):
    """cachu for plain code."""

    name = "sync"
    crowd = 50

    def lift(self, result: Any) -> Any:
        return result

    def hold(self, ready: Callable[[], bool], value: Any = None) -> Any:
        wait_until(ready)
        return value

    def together(self, function: Lifted, callers: int) -> list[Any]:
        barrier = Barrier(callers)

        def call() -> Any:
            barrier.wait(PATIENCE)
            return function(1)

        return [running.outcome() for running in [Running(call) for _ in range(callers)]]

    def _shaped(self, body: Callable[[Any], Any]) -> Callable[..., Any]:
        def function(x: Any) -> Any:
            return body(x)

        return function

    def _api(self, name: str) -> Callable[..., Any]:
        return getattr(cachu, name)  # type: ignore[no-any-return]


class Asynchronous(Colour):
    """cachu for asynchronous code; every call has an event loop of its own."""

    name = "async"
    crowd = 500

    def lift(self, result: Any) -> Any:
        async def finish() -> Any:
            return await asyncio.wait_for(result, PATIENCE)

        return asyncio.run(finish()) if isawaitable(result) else result

    async def hold(self, ready: Callable[[], bool], value: Any = None) -> Any:
        limit = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < limit, "waited in vain"
            await asyncio.sleep(0.001)
        return value

    def together(self, function: Lifted, callers: int) -> list[Any]:
        async def call() -> list[Any]:
            calls = (function.raw(1) for _ in range(callers))
            return await asyncio.gather(*calls, return_exceptions=True)

        return list(self.lift(call()))

    def _shaped(self, body: Callable[[Any], Any]) -> Callable[..., Any]:
        async def function(x: Any) -> Any:
            result = body(x)
            return await result if isawaitable(result) else result

        return function

    def _api(self, name: str) -> Callable[..., Any]:
        name = "get_async_backend" if name == "get_backend" else f"async_{name}"
        return getattr(cachu, name)  # type: ignore[no-any-return]


class Running:
    """Some work in a daemon thread, so that work that is stuck fails a test, and not the run."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._future: Future[Any] = Future()
        Thread(target=self._run, args=(work,), daemon=True).start()

    def result(self) -> Any:
        """Return what the work came to, or raise its error."""
        return self._future.result(PATIENCE)

    def outcome(self) -> Any:
        """Return what the work came to, be it an error."""
        return self._future.exception(PATIENCE) or self._future.result()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._future.done()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self._future.set_result(work())
        except BaseException as error:
            self._future.set_exception(error)


class Both(NamedTuple):
    """The two colours of one package."""

    plain: Colour
    asynchronous: Colour


class _LiftedBackend:
    def __init__(self, backend: Any, lift: Callable[[Any], Any]) -> None:
        self._backend = backend
        self._lift = lift

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._backend, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self._lift(found(*args, **kwargs))


def wait_until(ready: Callable[[], bool]) -> None:
    """Wait for *ready*, and fail if that takes far too long."""
    limit = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.001)


def waiting() -> int:
    """Return how many threads and tasks wait for another's computation."""
    return len(flights._parked)  # noqa: SLF001
