"""What a clear reaches, and the clearing itself, in both colours.

A clear names a backend, a time to live, a tag and a package, or leaves any of them open. This
process knows the regions that it has used; a shared store also lists those of other processes.
"""

from __future__ import annotations

from contextlib import contextmanager

from cachu import catalogue, config, namesakes, packages, plugins, regions, sharing
from cachu.errors import CachuError, ConfigurationError
from cachu.options import checked
from cachu.ttls import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from datetime import timedelta

    from cachu.backends import RegionName
    from cachu.regions import LiveRegion

ALL_PACKAGES = "*"
# Their entries are in this process, which knows all their regions.
_IN_PROCESS = ("memory", "null")


class Scope:
    """What is to be cleared; None leaves a part of it open.

    Attributes:
        tag: Only entries with this tag.
        ttl: Only entries of this time to live, in seconds.
        package: Only entries of this package; "*" for all.
        backends: The backends to visit.
    """

    def __init__(
        self,
        tag: str | None,
        backend: str | None,
        ttl: float | timedelta | None,
        package: str | None,
    ) -> None:
        if tag is not None and not _is_tag(tag):
            raise ConfigurationError(f"tag must be a non-empty str, or None for all, got {tag!r}")
        self.tag = tag
        self.ttl: float | None = None if ttl is None else seconds(ttl)
        # Taken here, where the caller is still on the stack.
        self._caller: str = packages.caller_package()
        self.package: str = self._caller if package is None else packages.named(package)
        if backend is not None:
            checked("backend", backend)
        self._asked_for = backend

    @property
    def backends(self) -> list[str]:
        """The backends to visit: the one that was named, or all that are installed."""
        if self._asked_for is not None:
            return [self._asked_for]
        there = {*_IN_PROCESS, *self._used(), *plugins.installed()}
        there = {name for name in there if plugins.serving(name) not in catalogue.FAMILIES}
        return sorted(there | {n for n, users in self._families().items() if self._concerns(users)})

    def skips(self, backend: str) -> bool:
        """Whether a backend that fails is passed over: nobody here named, configured or used it."""
        return self._asked_for is None and backend not in self._used()

    def known(self, backend: str) -> list[LiveRegion]:
        """Return the regions of *backend* that this process has used and that fit."""
        return [
            live
            for live in regions.all_live()
            if live.name == backend
            and self._fits(live.region.package, live.region.key_prefix, live.region.ttl)
        ]

    def probe(self, backend: str) -> LiveRegion | None:
        """Return a region through which *backend* lists the others, None for one in process."""
        if backend in _IN_PROCESS:
            return None
        own = self._caller if self.package == ALL_PACKAGES else self.package
        users = self._families().get(backend)
        if users and self.package == ALL_PACKAGES and own not in users:
            own = min(users)  # whose settings have what it needs
        return regions.live(backend, own, 300.0 if self.ttl is None else self.ttl)

    def listed(self, probe: LiveRegion, names: Iterable[RegionName]) -> Iterator[LiveRegion]:
        """Return the regions that a store lists and that fit."""
        for shared_package, key_prefix, ttl in names:
            package = self._local_name(shared_package)
            if package is not None and self._fits(package, key_prefix, ttl):
                # In the store that lists it, whatever that package may be configured to use.
                yield regions.live(
                    probe.name,
                    package,
                    ttl,
                    {"key_prefix": key_prefix},
                    shared_package,
                    probe.region.config,
                )

    def _local_name(self, shared_package: str) -> str | None:
        """Return what this process calls a package that a shared store lists."""
        for package in (self.package, packages.package_of(None)):
            if package != ALL_PACKAGES and packages.shared_name(package) == shared_package:
                return package
        return shared_package if self.package == ALL_PACKAGES else None

    def _fits(self, package: str, key_prefix: str, ttl: float) -> bool:
        if self.package not in (ALL_PACKAGES, package):
            return False
        if self.ttl not in (None, ttl):
            return False
        # What another program prefixes its keys with is not known here.
        elsewhere = self.package == ALL_PACKAGES and package not in config.get_all_configs()
        return elsewhere or key_prefix == config.get_config(package).key_prefix

    def _concerns(self, users: set[str]) -> bool:
        return self.package == ALL_PACKAGES or self.package in users

    def _families(self) -> dict[str, set[str]]:
        """Return who uses the members of families: they work with the settings of those only."""
        found: dict[str, set[str]] = {}
        pairs = [(each.package, each.backend) for each in config.get_all_configs().values()]
        pairs += [(each.region.package, each.name) for each in regions.all_live() if each.used]
        pairs += [(each.package, each.backend) for each in namesakes.every()]
        own = self._caller if self.package == ALL_PACKAGES else self.package
        pairs.append((own, config.get_config(own).backend))
        for package, backend in pairs:
            if "." in backend and plugins.serving(backend) in catalogue.FAMILIES:
                found.setdefault(backend, set()).add(package)
        return found

    def _used(self) -> set[str]:
        own = self._caller if self.package == ALL_PACKAGES else self.package
        configured = {settings.backend for settings in config.get_all_configs().values()}
        configured.add(config.get_config(own).backend)
        return configured | {live.name for live in regions.all_live() if live.used}


def _is_tag(tag: object) -> bool:
    return isinstance(tag, str) and tag != ""


def clear(scope: Scope) -> int:
    """Clear what *scope* names and return how much that was, -1 if nobody counted.

    A region that fails keeps no other from being cleared; the first error is raised in the end.
    """
    tally = _Tally(scope)
    for backend in scope.backends:
        reached = _distinct(scope.known(backend))
        with tally.of(backend):
            probe = scope.probe(backend)
            if probe is not None:
                reached |= _distinct(scope.listed(probe, probe.listed()))
        for live in reached.values():
            with tally.of(backend):
                tally.removed.append(live.clear(scope.tag))
    return tally.total()


async def clear_async(scope: Scope) -> int:
    """Clear as `clear` does, in asynchronous code."""
    tally = _Tally(scope)
    for backend in scope.backends:
        reached = _distinct(scope.known(backend))
        with tally.of(backend):
            probe = scope.probe(backend)
            if probe is not None:
                names = await probe.listed_async()
                reached |= _distinct(scope.listed(probe, names))
        for live in reached.values():
            with tally.of(backend):
                tally.removed.append(await live.clear_async(scope.tag))
    return tally.total()


class _Tally:
    """What was removed, and what went wrong on the way.

    Attributes:
        removed: How much, by region.
    """

    def __init__(self, scope: Scope) -> None:
        self.removed: list[int] = []
        self._scope = scope
        self._errors: list[Exception] = []

    @contextmanager
    def of(self, backend: str) -> Generator[None, None, None]:
        """Keep an error of *backend* for later, or pass it over."""
        try:
            yield
        except Exception as error:  # drivers raise what they like
            if isinstance(error, (CachuError, OSError)) and self._scope.skips(backend):
                _passed_over(backend, error)
            elif not self._errors:
                self._errors.append(error)

    def total(self) -> int:
        """Return how much was removed in all, or raise the first error."""
        if self._errors:
            raise self._errors.pop()  # let go of it: its traceback leads back to this object
        return -1 if -1 in self.removed else sum(self.removed)


def _distinct(found: Iterable[LiveRegion]) -> dict[object, LiveRegion]:
    """Leave one view of each region: functions with options of their own have others."""
    distinct: dict[object, LiveRegion] = {}
    for live in found:
        # Under other options of the plugin it is another region, in another store.
        options = sharing.options_of(live.name, live.region.config)
        distinct.setdefault((live.name, live.region.identity, *options), live)
    return distinct


def _passed_over(backend: str, error: Exception) -> None:
    import logging

    declared = any(function.backend == backend for function in namesakes.every())
    logging.getLogger("cachu").log(
        logging.WARNING if declared else logging.DEBUG,
        "The %s backend was passed over by a clear, nobody has used it here: %s",
        backend,
        error,
    )
