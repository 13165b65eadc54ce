"""What `configure()` was told, one immutable `Config` per package.

Below that stands what the environment and pyproject.toml say; see `cachu.sources`.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from cachu import catalogue, packages, plugins
from cachu.errors import ConfigurationError
from cachu.options import DEFAULT, DEFAULTS, Default, checked, owner_of, settings_made
from cachu.package_config import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from typing import Any

    from cachu.keys.serializers import KeySerializer
    from cachu.locks import LockProvider
    from cachu.serializers import Serializer

_lock = allocate_lock()
_configs: dict[str, Config] = {}
_bases: dict[str, Config] = {}  # what holds for each package without configure()
_subscribers: list[Callable[[str], None]] = []


def configure(
    backend: str | Default | None = None,
    *,
    package: str | None = None,
    key_prefix: str | Default | None = None,
    secret_key: str | bytes | Default | None = None,
    key_serializer: str | KeySerializer | Default | None = None,
    serializer: str | Serializer | Default | None = None,
    lock: str | LockProvider | Default | None = None,
    lock_timeout: float | timedelta | Default | None = None,
    fail_open: bool | Default | None = None,
    **plugin_options: Any,
) -> Config:
    """Change the settings of a package, from the next call on.

    For every option None leaves it as it is, and `cachu.DEFAULT` resets it to what the environment
    or pyproject.toml says, or else to its default. Everything is checked before anything changes.

    Args:
        backend: The default backend: `"memory"` (the default), `"file"`, `"redis"` or a plugin's
            name.
        package: Whose settings to change, by default the calling package's.
        key_prefix: Part of every key, by default `""`.
        secret_key: Signs what is stored, by default nothing does.
        key_serializer: `"digest"` (the default), `"text"`, a plugin's name, or a callable that
            makes a string of the arguments.
        serializer: `"pickle"` (the default), `"json"`, `"msgpack"` (an extra), `"pickle-signed"`, a
            plugin's name, or an object with `dumps` and `loads`.
        lock: The name of a lock provider, or an object with `mutex`, for plain functions, and
            `async_lock`, for coroutine functions; by default the backend's own.
        lock_timeout: Seconds, or a `timedelta`, that a caller waits for another's computation
            before it computes by itself, by default 30.
        fail_open: Whether the function just runs when its backend fails, by default True; with
            False a `BackendError` is raised instead.
        **plugin_options: The options of plugins, which begin with the plugin's name: `file_dir`,
            `redis_url`, `memory_maxsize`.

    Returns:
        The settings that the package has now.

    Raises:
        ConfigurationError: If an option is unknown or has a wrong value, or if no such plugin is
            installed.
        PluginError: If a plugin that is asked for cannot be loaded.
    """
    package = _package(package)
    if package == "*":
        raise ConfigurationError("Packages are configured one at a time; '*' is for clearing.")
    given = {
        "backend": backend,
        "key_prefix": key_prefix,
        "secret_key": secret_key,
        "key_serializer": key_serializer,
        "serializer": serializer,
        "lock": lock,
        "lock_timeout": lock_timeout,
        "fail_open": fail_open,
    }
    changes = {name: checked(name, value) for name, value in given.items() if value is not None}
    owners = {option: owner_of(option) for option in plugin_options}
    while True:
        old = _configs.get(package)
        base = _base(package)
        new = _changed(old or base, base, changes, plugin_options, owners)
        with _lock:  # held for the exchange only: the checks above may import plugins
            if _configs.get(package) is old:
                _configs[package] = new
                break
    if new != (old or base):
        for callback in tuple(_subscribers):
            callback(package)
    return new


def get_config(package: str | None = None) -> Config:
    """Return the settings of a package.

    Args:
        package: Whose, by default the calling package's.

    Returns:
        What `configure()` made last, or else what the environment and pyproject.toml say, or the
        defaults.

    Raises:
        ConfigurationError: If `package` is not a non-empty string, or if what the environment or
            the file says is wrong; the message names which.
    """
    package = _package(package)
    return _configs.get(package) or _base(package)


def get_all_configs() -> dict[str, Config]:
    """Return the settings of every package that called `configure()`, by package."""
    with _lock:
        return dict(_configs)


def reread() -> None:
    """Read the environment and the files again, for the packages that were not configured.

    Settings from there are read when they are first needed, and then remembered.
    """
    with _lock:
        packages_read = list(_bases)
        _bases.clear()
    for package in packages_read:
        if package not in _configs:
            for callback in tuple(_subscribers):
                callback(package)


def restore(settings: Mapping[str, Config]) -> None:
    """Put the settings of all packages back as `get_all_configs()` returned them once."""
    with _lock:
        changed = [
            package
            for package in {*_configs, *settings}
            if _configs.get(package) != settings.get(package)
        ]
        _configs.clear()
        _configs.update(settings)
    for package in changed:
        for callback in tuple(_subscribers):
            callback(package)


def subscribe(callback: Callable[[str], None]) -> None:
    """Have a callback run after every change of settings.

    Args:
        callback: Called with the name of the package, in the thread that changed its settings.
    """
    _subscribers.append(callback)


def _package(package: str | None) -> str:
    return packages.caller_package() if package is None else packages.named(package)


def _base(package: str) -> Config:
    """Return what holds for a package without `configure()`; it is read once."""
    found = _bases.get(package)
    if found is None:
        from cachu import sources

        core: dict[str, Any] = {}
        owned: dict[str, dict[str, Any]] = {}
        for option, setting in sources.ambient(package).items():
            into = core if option in DEFAULTS else owned.setdefault(owner_of(option), {})
            into[option] = setting.value
        found = _bases[package] = Config(package, core, owned)
    return found


def _changed(
    old: Config,
    base: Config,
    changes: dict[str, Any],
    plugin_options: dict[str, Any],
    owners: dict[str, str],
) -> Config:
    values = {**old._values(), **changes}  # noqa: SLF001
    reset = base._values()  # noqa: SLF001
    values = {n: reset[n] if value is DEFAULT else value for n, value in values.items()}
    owned = {plugin: dict(options) for plugin, options in old._owned.items()}  # noqa: SLF001
    for option, value in plugin_options.items():
        options = owned.setdefault(owners[option], {})
        if value is DEFAULT:
            options.pop(option, None)
            options |= {n: v for n, v in base.options.items() if n == option}
        elif value is not None:
            options[option] = value
    backend = changes.get("backend", DEFAULT)
    changed = set(owners.values())
    made = {
        name: settings
        for name, settings in old._made.items()  # noqa: SLF001
        if plugins.serving(name) not in changed
    }
    for name in {*changed, backend} - {DEFAULT}:
        plugin = plugins.serving(name)
        mine = [option for option, owner in owners.items() if owner == plugin]
        if mine or owned.get(plugin) or name not in catalogue.BUILT_IN:
            kept = name != backend
            settings = settings_made(name, mine, owned.get(plugin, {}), kept=kept)
            if settings is not None:
                made[name] = settings
                options = owned.get(plugin, {})
                owned[plugin] = {option: getattr(settings, option) for option in options}
    owned = {name: options for name, options in owned.items() if options}
    return Config(old.package, values, owned, made)


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
