"""Tests that leave nothing to each other: memory, counters, settings and switches."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Thread

from cachu import config, namesakes, regions, sharing, switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["isolated", "switched_off"]


@contextmanager
def isolated() -> Generator[None, None, None]:
    """Begin and end with empty memory, counters at zero, and settings and switches as before.

    Files and servers keep what they have; connections to them are closed.
    """
    settings, off = config.get_all_configs(), switches.is_disabled_everywhere()
    _empty()
    try:
        yield
    finally:
        config.restore(settings)
        if off:
            switches.disable()
        else:
            switches.enable()
        _empty()


@contextmanager
def switched_off() -> Generator[None, None, None]:
    """Turn caching off, in all threads and tasks, and put the switch back as it was."""
    off = switches.is_disabled_everywhere()
    switches.disable()
    try:
        yield
    finally:
        if not off:
            switches.enable()


def _empty() -> None:
    regions.clear_backends()
    if regions.any_left():
        # Asynchronous stores, whose loop is gone. This thread's own loop, if any, may be running.
        closer = Thread(target=_close, name="cachu-closer")
        closer.start()
        closer.join()
    sharing.forget_guards()  # what the last test did to a backend is not the next one's trouble
    for function in namesakes.every():
        function.reset_counts()


def _close() -> None:
    import asyncio

    asyncio.run(regions.clear_async_backends())
