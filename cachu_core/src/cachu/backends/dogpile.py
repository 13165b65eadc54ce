"""The plugin `dogpile`: every backend that is registered with dogpile.cache, by its name there.

`backend="dogpile.cache.dbm"` is dogpile's own; `backend="dogpile.NAME"` is any other that a
distribution or the application has registered. Nothing of dogpile is imported until one is named.
"""

from __future__ import annotations

from cachu.errors import UnknownPluginError
from cachu.hookspecs import hookimpl
from cachu.settings import Settings, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from cachu.backends.dogpile_locks import DogpileLocks
    from cachu.backends.dogpile_store import DogpileStore
    from cachu.regions import Region

__all__ = [
    "cachu_diagnose",
    "cachu_make_backend",
    "cachu_make_lock_provider",
    "cachu_settings",
]

_FAMILY: Final = "dogpile"
# What dogpile's own backends import, and the distribution that has it.
_DRIVERS: Final = {
    "memcached": ("memcache", "python-memcached"),
    "pylibmc": ("pylibmc", "pylibmc"),
    "bmemcached": ("bmemcached", "python-binary-memcached"),
    "pymemcache": ("pymemcache", "pymemcache"),
    "redis": ("redis", "redis"),
    "redis_sentinel": ("redis", "redis"),
    "redis_cluster": ("redis", "redis"),
    "valkey": ("valkey", "valkey"),
    "valkey_sentinel": ("valkey", "valkey"),
    "valkey_cluster": ("valkey", "valkey"),
}
_NEEDED: Final = {
    **dict.fromkeys(("memcached", "pylibmc", "bmemcached", "pymemcache"), "url"),
    "dbm": "filename",
    "redis_sentinel": "sentinels",
    "redis_cluster": "startup_nodes",
    "valkey_sentinel": "sentinels",
    "valkey_cluster": "startup_nodes",
}
# cachu passes every entry's own time to live.
_OURS: Final = ("memcached_expire_time", "redis_expiration_time", "valkey_expiration_time")


class DogpileSettings(Settings):
    """Options of the backends `dogpile.cache.NAME`.

    Attributes:
        dogpile_arguments: What the backend is made with, as `region.configure(arguments=...)` takes
            it in dogpile.cache. If a package uses several, the arguments of each under its name.
    """

    dogpile_arguments: dict[str, object] = {}  # noqa: RUF012  nobody changes it

    _backend = ""

    def check(self) -> None:
        arguments = arguments_of(self, self._backend)
        for name in _OURS:
            if name in arguments:
                raise ValueError(
                    f"dogpile_arguments has {name!r}, but cachu passes the time to live of each "
                    "entry itself; leave it out and use @cache(ttl=...)"
                )
        kind = self._backend.removeprefix("dogpile.cache.")
        needed = _NEEDED.get(kind)
        if needed is not None and needed not in arguments:
            raise ValueError(
                f"{self._backend} needs dogpile_arguments={{{needed!r}: ...}}; give it together "
                "with the backend, or before"
            )
        if arguments.get("distributed_lock") and not arguments.get("lock_timeout"):
            raise ValueError(
                "dogpile_arguments has 'distributed_lock', which needs 'lock_timeout' in seconds: "
                "without one, a holder that dies keeps its lock for ever"
            )


@hookimpl
def cachu_settings(name: str) -> type[Settings] | None:
    if name == _FAMILY:
        return DogpileSettings
    if not name.startswith(f"{_FAMILY}."):
        return None
    _check_installed(name)
    return type("DogpileSettings", (DogpileSettings,), {"_backend": name, "__module__": __name__})


@hookimpl
def cachu_make_backend(name: str, region: Region) -> DogpileStore | None:
    if not name.startswith(f"{_FAMILY}."):
        return None
    from cachu.backends.dogpile_store import DogpileStore

    return DogpileStore(_registered(name), _arguments(name, region), region.namespace)


@hookimpl
def cachu_make_lock_provider(name: str, region: Region) -> DogpileLocks | None:
    if not name.startswith(f"{_FAMILY}."):
        return None
    arguments = _arguments(name, region)
    if not arguments.get("distributed_lock"):
        return None
    from cachu.backends.dogpile_locks import DogpileLocks

    return DogpileLocks(_registered(name), arguments, region.namespace)


@hookimpl
def cachu_diagnose(name: str, region: Region) -> list[str] | None:
    if not name.startswith(f"{_FAMILY}."):
        return None
    kind = name.removeprefix("dogpile.cache.")
    found = []
    if kind == "dbm":
        found.append(
            "A dbm file only grows: nothing sweeps what has expired. backend='file' does, and is "
            "faster."
        )
    if kind in ("memcached", "pylibmc", "bmemcached"):
        found.append(
            f"The client of {name} unpickles whatever the server has, before cachu can look at it. "
            "dogpile.cache.pymemcache is given bytes only."
        )
    if kind in _DRIVERS and not _arguments(name, region).get("distributed_lock"):
        found.append(
            "A cold key is computed once per process, not once over all hosts; "
            "dogpile_arguments={'distributed_lock': True, 'lock_timeout': 30} changes that."
        )
    return found


def arguments_of(settings: Settings, name: str) -> Mapping[str, Any]:
    """Return the arguments of one backend; they may be given under its name."""
    given = settings.dogpile_arguments
    own = given.get(name)
    return own if isinstance(own, dict) else given


def _arguments(name: str, region: Region) -> Mapping[str, Any]:
    return arguments_of(region.config.settings(name), name)


def _registered(name: str) -> str:
    """Return what dogpile.cache calls the backend that is called *name* here."""
    return name if name.startswith("dogpile.cache.") else name.removeprefix(f"{_FAMILY}.")


def _check_installed(name: str) -> None:
    """Raise UnknownPluginError unless there is such a backend, and what it imports."""
    from importlib.util import find_spec

    registered = _registered(name)
    kind = registered.removeprefix("dogpile.cache.")
    if registered != kind and kind in _DRIVERS:
        module, distribution = _DRIVERS[kind]
        if find_spec(module) is None:
            raise UnknownPluginError(
                f"The backend {name!r} needs {distribution}, which is not installed. Install it "
                f"with: pip install {distribution}"
            )
    elif registered not in (there := _registrations()):
        there |= _entry_points()
        if registered in there:
            return
        hint = did_you_mean(registered, there)
        raise UnknownPluginError(
            f"dogpile.cache has no backend called {registered!r}.{hint} There are: "
            f"{', '.join(sorted(there))}."
        )


def _registrations() -> set[str]:
    """List what dogpile.cache itself has, and what was registered with it."""
    from dogpile.cache import backends

    loader = backends._backend_loader  # noqa: SLF001  there is no public list
    return {*loader._unloaded, *loader.impls}  # noqa: SLF001


def _entry_points() -> set[str]:
    """List what installed distributions would register: a look at every one of them."""
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group="dogpile.cache")}
