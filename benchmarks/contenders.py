"""Who takes part: how each one caches a function for 300 seconds, without a limit that matters.

Each is used as its documentation shows it, with its own defaults. Where a peer leaves out what
cachu always has (an expiry time, a lock, statistics) and offers it as an option, it is given it.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata, util
from typing import Any

SIZE = 10_000_000
RESERVED = 250_000  # for who sets space aside for all entries there may ever be
TTL = 300
RELEASES = ("0.2.1", "0.6.1")
# Set in the processes in which an earlier release of cachu stands in for this one.
RELEASE = "CACHU_BENCH_RELEASE"

Decorate = Callable[..., Any]


@dataclass(frozen=True)
class Peer:
    """A contender.

    Attributes:
        plain: Caches a function. The option `keywords` says that it is called with some.
        coroutine: Caches a coroutine function, or None.
        module: What `import` needs to be told.
        slow: Whether filling it with a million entries would take minutes.
        size: Returns the statistics of a cached function, where it keeps any.
    """

    name: str
    distribution: str
    module: str
    plain: Decorate | None = None
    coroutine: Decorate | None = None
    slow: bool = False
    size: Callable[[Any], Any] | None = None

    @property
    def installed(self) -> bool:
        return util.find_spec(self.module) is not None

    @property
    def version(self) -> str:
        return metadata.version(self.distribution) if self.distribution else ""


def _lru_cache(function, **_options):
    return functools.lru_cache(maxsize=None)(function)


def _cachu(function, *, ttl: float | None = TTL, tag: str = "", **_options):
    import cachu

    return cachu.cache(ttl=ttl, backend="memory", tag=tag, package="bench")(function)


def _cachu_coroutine(function):
    import cachu

    # Of the releases, one has a decorator of its own for coroutine functions.
    decorator = getattr(cachu, "async_cache", cachu.cache)
    return decorator(ttl=TTL, backend="memory", package="bench")(function)


def _cachu_size(function):
    import cachu

    return cachu.cache_info(function)


def _cachebox(function, **_options):
    import cachebox

    return cachebox.cached(cachebox.TTLCache(SIZE, TTL))(function)


def _cachetools(function, **_options):
    import cachetools

    entries = cachetools.TTLCache(SIZE, TTL)
    return cachetools.cached(entries, lock=threading.RLock(), info=True)(function)


def _theine(function, **_options):
    import theine

    return theine.Memoize(RESERVED, timedelta(seconds=TTL))(function)


def _dogpile(function, *, keywords: bool = False, **_options):
    from dogpile.cache import make_region, util

    region = make_region().configure("dogpile.cache.memory", expiration_time=TTL)
    options = {"function_key_generator": util.kwarg_function_key_generator} if keywords else {}
    return region.cache_on_arguments(**options)(function)


def _async_lru(function):
    from async_lru import alru_cache

    return alru_cache(maxsize=None, ttl=TTL)(function)


def _aiocache(function):
    import aiocache

    return aiocache.cached(ttl=TTL)(function)


@functools.cache
def _cashews_memory() -> Any:
    import cashews

    memory = cashews.Cache()
    memory.setup("mem://", size=SIZE)
    return memory


def _cashews(function):
    return _cashews_memory()(ttl=TTL)(function)


def _its_own_size(function):
    return function.cache_info()


REFERENCE = Peer("functools.lru_cache", "", "functools", _lru_cache, size=_its_own_size)
PEERS = (
    REFERENCE,
    Peer("cachu", "cachu-core", "cachu", _cachu, _cachu_coroutine, size=_cachu_size),
    Peer("cachebox", "cachebox", "cachebox", _cachebox, _cachebox, size=_its_own_size),
    Peer("cachetools", "cachetools", "cachetools", _cachetools, size=_its_own_size),
    Peer("theine", "theine", "theine", _theine, slow=True),
    Peer("dogpile.cache", "dogpile.cache", "dogpile.cache", _dogpile, slow=True),
    Peer("async-lru", "async-lru", "async_lru", coroutine=_async_lru),
    Peer("aiocache", "aiocache", "aiocache", coroutine=_aiocache),
    Peer("cashews", "cashews", "cashews", coroutine=_cashews),
)


def release(version: str) -> Peer:
    """Return an earlier release of cachu as a contender."""
    return Peer(f"cachu {version}", "cachu", "cachu", _cachu, _cachu_coroutine, size=_cachu_size)


def everyone() -> tuple[Peer, ...]:
    """Return who takes part in this process."""
    version = os.environ.get(RELEASE)
    return (REFERENCE, release(version)) if version else PEERS


def clear_tag(tag: str) -> None:
    """Clear a tag, in whichever cachu is here."""
    import cachu

    cachu.cache_clear(tag=tag, backend="memory", package="bench")
