"""The table of the regions that are in use, and the backends that users reach through it."""

from __future__ import annotations

import os
import sys
from _thread import RLock
from types import MappingProxyType

from cachu import config, packages
from cachu.errors import ConfigurationError
from cachu.live import LiveRegion
from cachu.options import checked
from cachu.region import Region
from cachu.ttls import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from datetime import timedelta
    from typing import Any, Final

    from cachu.backends import AsyncBackend, Backend
    from cachu.package_config import Config

__all__ = [
    "LiveRegion",
    "Region",
    "all_live",
    "any_left",
    "clear_async_backends",
    "clear_backends",
    "follow",
    "get_async_backend",
    "get_backend",
    "live",
]

_lock = RLock()
_live: Final[dict[tuple[Any, ...], LiveRegion]] = {}
_retired: Final[list[LiveRegion]] = []
_followers: Final[list[Callable[[], None]]] = []


def live(
    name: str,
    package: str,
    ttl: float,
    overrides: Mapping[str, Any] = MappingProxyType({}),
    shared_package: str | None = None,
    configured: Config | None = None,
) -> LiveRegion:
    """Return the live region of *package* on the backend called *name*, as configured now.

    Functions with options of their own get a view of their own; the entries are the same. With
    *configured* those settings count instead of the package's own.
    """
    settings = (configured or config.get_config(package)).overridden(overrides)
    region = Region(package, ttl, settings, shared_package)
    own = tuple(
        (option, value if isinstance(value, (str, float)) else id(value))
        for option, value in sorted(overrides.items())
    )
    place = (name, region.identity, own, configured and configured.package)
    found = _live.get(place)
    if found is not None and found.region.config == settings:
        return found
    with _lock:
        found = _live.get(place)
        if found is None or found.region.config != settings:
            if found is not None:
                _retire(found)
            found = _live[place] = LiveRegion(name, region)
            for other_place, other in list(_live.items()):
                if _is_past(other, found):
                    del _live[other_place]
                    _retire(other)
                    found.used = found.used or other.used
    return found


def _is_past(other: LiveRegion, new: LiveRegion) -> bool:
    """Tell whether *other* has a key prefix that was given up for that of *new*."""
    return (
        (other.name, other.region.package) == (new.name, new.region.package)
        and other.region.key_prefix != new.region.key_prefix
        and other.holds_resources
        and other.stands_in_for is not None
    )


def _retire(region: LiveRegion) -> None:
    """Let go of a region, but not of what it has open.

    Calls that are under way may still use that, so it is closed with the rest: one region of those
    that have the same open will do.
    """
    if not region.holds_resources:
        return
    same = region.stands_in_for
    if same is not None:
        _retired[:] = [other for other in _retired if other.stands_in_for != same]
    _retired.append(region)


def all_live() -> list[LiveRegion]:
    """Return the regions that this process has used, of all packages and backends."""
    with _lock:
        return list(_live.values())


def get_backend(
    backend: str | None = None,
    ttl: float | timedelta | None = 300,
    package: str | None = None,
) -> Backend:
    """Return the backend of a region, to reach cached values directly.

    Args:
        backend: Its name, by default the package's configured one.
        ttl: The time to live of the region, as given to `@cache`: seconds, a `timedelta`, or None
            for the entries that never expire. 300 by default.
        package: The package, by default the calling one.

    Returns:
        A view of the same entries that cached functions of that package, backend and ttl use.

    Raises:
        ConfigurationError: If the backend is unknown, or the ttl is not positive.
        PluginError: If its plugin cannot be loaded.
    """
    return _region_for(backend, ttl, package).backend


def get_async_backend(
    backend: str | None = None,
    ttl: float | timedelta | None = 300,
    package: str | None = None,
) -> Coroutine[Any, Any, AsyncBackend]:
    """Return, when awaited, the backend of a region for asynchronous code; see `get_backend`."""
    found = _region_for(backend, ttl, package)

    async def made() -> AsyncBackend:
        return found.async_backend

    return made()


def clear_backends() -> None:
    """Close what the backends hold open and drop what is in memory; shared data stays.

    Cached functions go on working: their next call opens what it needs. What coroutine functions
    use of a backend that is asynchronous by itself is closed by `await clear_async_backends()`.

    Raises:
        Exception: What a backend raised first; all the others were closed nevertheless.
    """
    errors: list[Exception] = []
    for region in _forget():
        try:
            if not region.close():
                _retired.append(region)
        except Exception as error:  # the others are to be closed all the same
            errors = errors or [error]
    _stop_private_loop()
    if errors:
        raise errors.pop()  # its traceback leads back to here


async def clear_async_backends() -> None:
    """Close and drop as `clear_backends` does, for both colours, in asynchronous code."""
    errors: list[Exception] = []
    regions = _forget()
    try:
        while regions:
            try:
                await regions[-1].close_async()
            except Exception as error:  # the others are to be closed all the same
                errors = errors or [error]
            regions.pop()
    finally:
        _retired.extend(regions)  # when this was cancelled
        _stop_private_loop()
    if errors:
        raise errors.pop()  # its traceback leads back to here


def any_left() -> bool:
    """Tell whether something is open that only `clear_async_backends` can close."""
    return bool(_retired)


def follow(callback: Callable[[], None]) -> None:
    """Have *callback* called when all live regions were let go of."""
    _followers.append(callback)


def _forget() -> list[LiveRegion]:
    with _lock:
        regions = [*_live.values(), *_retired]
        _live.clear()
        _retired.clear()
    for callback in _followers:
        callback()
    return regions


def _stop_private_loop() -> None:
    bridges = sys.modules.get("cachu.backends.bridges")
    if bridges is not None:
        bridges.stop_private_loop()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _region_for(
    backend: str | None, ttl: float | timedelta | None, package: str | None
) -> LiveRegion:
    owner = packages.caller_package() if package is None else packages.named(package)
    life = seconds(ttl)
    if life <= 0:
        raise ConfigurationError(f"a region's ttl must be positive, got {ttl!r}")
    name = config.get_config(owner).backend if backend is None else backend
    checked("backend", name)
    return live(name, owner, life).use()
