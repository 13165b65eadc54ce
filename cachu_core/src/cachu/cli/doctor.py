"""Looks whether what is configured works, and for what works but will bite."""

from __future__ import annotations

import asyncio
import os
from typing import NamedTuple

from cachu import catalogue, plugins, regions
from cachu.backends import Capability
from cachu.cli import situation
from cachu.errors import CachuError, ConfigurationError, PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from cachu.package_config import Config
    from cachu.regions import LiveRegion

_TTL: Final = 60.0
_KEY: Final = "round trip"
# What a server sends back here is not to be loaded as code.
_SAFE: Final = {"serializer": "json"}


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        level: `ok`, `warning` or `error`.
        subject: What it is about: a backend, a plugin, the settings.
        text: What was found, and what to do about it.
    """

    level: str
    subject: str
    text: str


def examine(backends: list[str]) -> Iterator[Finding]:
    """Look at the settings, at every plugin and at each backend, one after the other.

    Args:
        backends: Which backends; by default those that are configured.
    """
    yield from _of_plugins()
    for settings in situation.in_use():
        for backend in backends or [settings.backend]:
            yield from _of_backend(backend, settings)


def _of_plugins() -> Iterator[Finding]:
    for name, found in sorted(catalogue.entries().items()):
        if not catalogue.is_allowed(name):
            yield Finding("ok", name, f"is left out by {catalogue.LOADED}")
            continue
        try:
            plugins.ensure(name)
        except PluginError as error:
            yield Finding("warning", name, f"{error} It is not in use here.")
        else:
            origin = {entry.dist.name for entry in found if entry.dist}
            yield Finding("ok", name, f"is loaded from {', '.join(sorted(origin))}")


def _of_backend(backend: str, settings: Config) -> Iterator[Finding]:
    try:
        live = regions.live(backend, situation.DOCTOR, _TTL, _SAFE, configured=settings)
    except (CachuError, ImportError) as error:
        yield Finding("error", backend, _said(error))
        return
    plain = _tried(backend, "plain code", lambda: _round_trip(live))
    yield plain
    works = plain.level != "error"
    yield _tried(
        backend,
        "coroutine functions",
        lambda: asyncio.run(_async_round_trip(live)),
        able=works,
    )
    if works:
        yield from (
            Finding("warning", backend, text) for text in _warnings(backend, live, settings)
        )
        try:
            live.clear(None)
        except CachuError as error:
            yield Finding("error", backend, f"cannot be cleared: {_said(error)}")


def _tried(backend: str, who: str, work: Callable[[], str], *, able: bool = False) -> Finding:
    """Do some work; if others were *able* to, it is no error that it has not been set up."""
    try:
        return Finding("ok", backend, f"{who}: {work()}")
    except (CachuError, ImportError, OSError) as error:
        # What an extra would bring, only those miss who ask for it: their calls say so, too.
        lacking = able and isinstance(error, ConfigurationError)
        return Finding("warning" if lacking else "error", backend, f"{who}: {_said(error)}")


def _round_trip(live: LiveRegion) -> str:
    backend = live.guarded
    value = os.urandom(8).hex()
    backend.set(_KEY, value)
    found = backend.get(_KEY, None)
    gone = backend.delete(_KEY) and backend.get(_KEY, None) is None
    return _judged(live, value, found, gone)


async def _async_round_trip(live: LiveRegion) -> str:
    backend = live.async_guarded
    value = os.urandom(8).hex()
    try:
        await backend.set(_KEY, value)
        found = await backend.get(_KEY, None)
        gone = await backend.delete(_KEY) and await backend.get(_KEY, None) is None
    finally:
        await live.close_async()
    return _judged(live, value, found, gone)


def _judged(live: LiveRegion, value: str, found: object, gone: bool) -> str:
    if live.name == "null":
        return "caches nothing, as it is meant to"
    if found != value:
        raise OSError(f"what was stored did not come back: {found!r} instead of {value!r}")
    if not gone:
        raise OSError("what was deleted is still there")
    return "stored, read back and deleted an entry"


def _warnings(backend: str, live: LiveRegion, settings: Config) -> Iterator[str]:
    if Capability.SHARED in live.guarded.capabilities:
        if settings.serializer == "pickle" and settings.secret_key is None:
            yield (
                "Entries are pickles that nobody signed: whoever can write to the store can run "
                "code here. Set secret_key, or serializer='json' or 'msgpack'."
            )
        if settings.key_serializer == "text":
            yield "key_serializer='text' writes arguments into keys in clear, secrets among them."
    yield from plugins.optional("cachu_diagnose", backend, live.region) or ()  # type: ignore[misc]


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
