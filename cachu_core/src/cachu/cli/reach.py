"""Which regions there are in the stores that this process can reach, whoever wrote them."""

from __future__ import annotations

from math import isinf
from typing import NamedTuple

from cachu import clearing, sharing
from cachu.backends import Capability
from cachu.cli import situation
from cachu.errors import CachuError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachu.package_config import Config
    from cachu.regions import LiveRegion


class Row(NamedTuple):
    """One region, or a backend that failed.

    Attributes:
        backend: The name of the backend.
        package: The package, as the store names it.
        key_prefix: The key prefix.
        ttl: The time to live in seconds; None for ever.
        entries: How many are fresh; None if the store does not count.
        error: What went wrong, if anything did.
    """

    backend: str
    package: str = ""
    key_prefix: str = ""
    ttl: float | None = None
    entries: int | None = None
    error: str | None = None


class Reach(clearing.Scope):
    """As the scope of a clear, but for packages and key prefixes that this process never heard of.

    Args:
        settings: How the backends are configured.
        backend: Only this one.
        package: Only this one, as a store lists it.
        ttl: Only this time to live, in seconds.
        tag: Only entries with this tag.
    """

    def __init__(
        self,
        settings: Config,
        backend: str | None = None,
        package: str | None = None,
        ttl: float | None = None,
        tag: str | None = None,
    ) -> None:
        super().__init__(tag, backend, ttl, package or clearing.ALL_PACKAGES)
        self._caller = settings.package

    def regions(self) -> Iterator[tuple[str, LiveRegion | Exception]]:
        """Return the regions of all backends, and what those raised that should have answered.

        What `cachu doctor` has left is there only if it is asked for: a store remembers an empty
        region for a while.
        """
        hidden = {situation.DOCTOR} - {self.package}
        for backend in self.backends:
            try:
                probe = self.probe(backend)
                if probe is not None:
                    for live in self.listed(probe, probe.listed()):
                        if live.region.shared_package not in hidden:
                            yield backend, live
            except (CachuError, OSError) as error:
                if not self.skips(backend):
                    yield backend, error

    def _local_name(self, shared_package: str) -> str | None:
        wanted = self.package in (clearing.ALL_PACKAGES, shared_package)
        return shared_package if wanted else None

    def _fits(self, package: str, key_prefix: str, ttl: float) -> bool:
        return self.package in (clearing.ALL_PACKAGES, package) and self.ttl in (None, ttl)


def reaches(package: str | None, **wanted: Any) -> list[Reach]:
    """Return what to look through: one for each configuration in use."""
    return [Reach(each, package=package, **wanted) for each in situation.in_use(package)]


def rows(package: str | None, **wanted: Any) -> list[Row]:
    """List the regions that fit, each once, and count what is in them."""
    found: dict[tuple[object, ...], Row] = {}
    for reach in reaches(package, **wanted):
        for backend, live in reach.regions():
            place: tuple[object, ...] = (backend, str(live))
            if not isinstance(live, Exception):
                options = sharing.options_of(backend, live.region.config)
                place = (backend, live.region.identity, *options)
            found[place] = row(backend, live, reach.tag)
    return sorted(found.values(), key=lambda each: each[:3])


def row(backend: str, live: LiveRegion | Exception, tag: str | None = None) -> Row:
    """Describe one region, or what its backend raised."""
    if isinstance(live, Exception):
        return Row(backend, error=str(live))
    region = live.region
    ttl = None if isinf(region.ttl) else region.ttl
    found = Row(backend, region.shared_package, region.key_prefix, ttl)
    try:
        able = live.guarded.capabilities
        if Capability.COUNT in able:
            found = found._replace(entries=live.guarded.count(tag))
    except CachuError as error:
        found = found._replace(error=str(error))
    return found
