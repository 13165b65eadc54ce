"""Where the Redis scenes are played: on every server that is here, in every form."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "redis"))

from racing import Race
from servers import finding, stations

import cachu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers.stations import Station

__all__ = ["PACKAGE", "Race", "engines", "everywhere", "taken", "used"]

PACKAGE = "soak_redis"


def everywhere() -> Iterator[tuple[str, Station, dict[str, Any]]]:
    """Yield the name of each station, the station, and the options that lead cachu to it."""
    for name in stations.names():
        station = stations.station(name)
        yield name, station, stations.options(station)
        stations.leave(name)


def engines() -> tuple[finding.Engine, ...]:
    return finding.engines()


@contextmanager
def used(options: dict[str, Any], package: str = PACKAGE) -> Iterator[None]:
    """Use the Redis backend in this process, for a while."""
    cachu.configure(package=package, backend="redis", **options)
    try:
        yield
    finally:
        cachu.clear_backends()
        cachu.configure(package=package, **dict.fromkeys(options, cachu.DEFAULT))


def taken(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the milliseconds that *work* took, and what it returned or raised."""
    start = time.perf_counter()
    try:
        result = work()
    except Exception as error:
        result = error
    return (time.perf_counter() - start) * 1000, result
