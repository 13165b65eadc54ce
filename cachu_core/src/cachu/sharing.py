"""What all views of one region share in this process: its flights, its turns, and its guard.

Functions with options of their own have views of their own, and yet they wait for each other.
"""

from __future__ import annotations

import os
from _thread import RLock
from weakref import WeakValueDictionary

from cachu import plugins
from cachu.backends.guards import Guard
from cachu.backends.turns import Turns
from cachu.flights import Flights
from cachu.living import living

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from cachu.package_config import Config
    from cachu.region import Identity, Region

_lock = RLock()
_flights: Final[WeakValueDictionary[tuple[str, Identity], Flights]] = WeakValueDictionary()
_turns: Final[WeakValueDictionary[tuple[str, Identity], Turns]] = WeakValueDictionary()
_guards: Final[WeakValueDictionary[tuple[Any, ...], Guard]] = WeakValueDictionary()


class Shared:
    """What the views of one region on one backend share.

    Attributes:
        flights: What is being computed in this process, for backends that keep bytes.
        turns: What is being stored and deleted there.
        guard: Counts what goes wrong there, for all regions of the package.
    """

    __slots__ = ("flights", "guard", "turns")

    def __init__(self, name: str, region: Region) -> None:
        place = (name, region.identity)
        watched = (name, region.package, *options_of(name, region.config))
        with _lock:
            self.flights: Flights = _flights.setdefault(place, Flights())
            self.turns: Turns = _turns.setdefault(place, Turns(self.flights))
            self.guard: Guard = _guards.setdefault(watched, Guard(name, region.package, used=False))


def guards() -> list[Guard]:
    """Return the guards of all packages and backends that are in use."""
    return living(_guards)


def forget_guards() -> None:
    """Begin anew with every backend: regions that are made from now on know of no trouble."""
    with _lock:
        _guards.clear()


def options_of(plugin: str, settings: Config) -> list[tuple[str, Any]]:
    """Return how a plugin is configured, as something to compare: objects by identity."""
    return [
        (option, value if isinstance(value, (str, int, float)) else id(value))
        for option, value in sorted(settings.options.items())
        if option.startswith(plugins.prefix(plugin))
    ]


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()
    for flights in _flights.values():
        flights.after_fork()
    for turns in _turns.values():
        turns.after_fork()
    for guard in _guards.values():
        guard.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
