"""Both colours of a cached function behind one face, and a clean process after each test."""

from __future__ import annotations

import asyncio
import gc
import inspect
import linecache
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cachu
from cachu import namesakes
from cachu.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 20  # seconds after which a test that waits has failed
_serial = count()
_reset: dict[str, cachu.Config] = {}  # what `_clean` has left of the packages of all tests so far


class Subject:
    """A cached function of either colour; each method runs to its end and returns the result.

    Attributes:
        cached: The decorated function.
        plain: The function itself.
        calls: The arguments of each run of the function, by name.
    """

    def __init__(self, colour: Colour, cached: Any, calls: list[Any]) -> None:
        self.colour = colour
        self.cached = cached
        self.plain = inspect.unwrap(cached)
        self.calls = calls

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.colour.run(self.cached(*args, **kwargs))

    def key(self, /, *args: Any, **kwargs: Any) -> str:
        return self.cached.key(*args, **kwargs)

    def __getattr__(self, twin: str) -> Callable[..., Any]:
        method = getattr(self.cached, twin)
        return lambda *args, **kwargs: self.colour.run(method(*args, **kwargs))

    @property
    def counts(self) -> tuple[int, int, int]:
        """Hits, misses and current size."""
        return tuple(self.info())


class Colour:
    """Plain or asynchronous.

    Attributes:
        name: "sync" or "async".
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._loop: asyncio.AbstractEventLoop | None = None

    @staticmethod
    def is_ours(file: str) -> bool:
        """Whether a line of a traceback is cachu's; a clone may have that name, too."""
        return file.startswith("<cachu ") or Path(cachu.__file__).parent in Path(file).parents

    def run(self, result: Any) -> Any:
        """Return *result*, once it was awaited if it has to be."""
        if not inspect.isawaitable(result):
            return result
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(result)

    def define(
        self,
        signature: str,
        body: str = "return {**locals()}",
        namespace: dict[str, Any] | None = None,
        called: str = "function",
        **options: Any,
    ) -> Subject:
        """Cache a function with the given parameters, by default one that returns them by name."""
        calls: list[Any] = []
        scope = {"__name__": __name__, ".calls": calls, **(namespace or {})}
        start = "async def" if self.name == "async" else "def"
        source = (
            f"{start} {called}({signature}):\n"
            "    globals()['.calls'].append({**locals()})\n"
            f"    {body}\n"
        )
        filename = f"<test {next(_serial)}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        exec(compile(source, filename, "exec"), scope)  # noqa: S102 - a function of either colour
        return Subject(self, cachu.cache(**options)(scope[called]), calls)

    def cached(self, function: Callable[..., Any], **options: Any) -> Subject:
        """Cache *function*, or a coroutine function that does the same."""
        calls: list[Any] = []

        def plain(*args: Any, **kwargs: Any) -> Any:
            calls.append((args, kwargs))
            return function(*args, **kwargs)

        async def asynchronous(*args: Any, **kwargs: Any) -> Any:
            return plain(*args, **kwargs)

        made = plain if self.name == "sync" else asynchronous
        made.__signature__ = inspect.signature(function)
        return Subject(self, cachu.cache(**options)(made), calls)

    def operation(self, name: str) -> Callable[..., Any]:
        """Return a function of the public interface: `cache_get` or `async_cache_get`."""
        found = getattr(cachu, name if self.name == "sync" else f"async_{name}")
        return lambda *args, **kwargs: self.run(found(*args, **kwargs))

    def close(self) -> None:
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    """Run the test once in each colour."""
    made = Colour(request.param)
    yield made
    made.close()


@pytest.fixture
def sync() -> Colour:
    """The plain colour, where the other would say nothing new."""
    return Colour("sync")


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """A clock that stands still until it is moved."""
    with FakeClock(1_700_000_000.0) as made:
        yield made


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """Leave no settings, entries, functions, switches or threads to the next test."""
    before, functions = set(threading.enumerate()), len(namesakes.every())
    yield
    if len(namesakes.every()) > functions:
        gc.collect()  # asyncio ties the error of a run_until_complete to its own traceback
    cachu.enable()
    for package, settings in cachu.get_all_configs().items():
        if _reset.get(package) is settings:
            continue
        _reset[package] = settings  # if it cannot be reset, this test fails and no later one
        core = ("key_prefix", "secret_key", "key_serializer", "serializer", "lock", "lock_timeout")
        options = dict.fromkeys((*core, "fail_open", *settings.options), cachu.DEFAULT)
        _reset[package] = cachu.configure(cachu.DEFAULT, package=package, **options)
    cachu.clear_backends()
    left = {thread for thread in threading.enumerate() if thread not in before}
    for thread in left:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in left), f"threads left behind: {left}"
