"""What `configure()` was told, one immutable `Config` per package.

Below that stands what the environment and pyproject.toml say; see `cachu.sources`.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from types import MappingProxyType

from cachu import catalogue, packages, plugins
from cachu.errors import ConfigurationError, PluginError
from cachu.options import DEFAULT, DEFAULTS, Default, checked, owner_of, settings_made
from cachu.settings import Settings, redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from typing import Any

    from cachu.keys.serializers import KeySerializer
    from cachu.locks import LockProvider
    from cachu.serializers import Serializer


class Config:
    """The settings of one package; made by `configure()`, and never changed.

    The options of plugins are attributes too: `config.file_dir` is what was configured, or else the
    plugin's default.

    Attributes:
        package: The package that these are the settings of.
        backend: The default backend, `"memory"` unless configured.
        key_prefix: Part of every key, `""` unless configured.
        secret_key: What stored values are signed with, if anything.
        key_serializer: A name or a callable, `"digest"` unless configured.
        serializer: A name or an object with `dumps` and `loads`, `"pickle"` unless configured.
        lock: A name or a lock provider; None is the backend's own.
        lock_timeout: Seconds that a caller waits for another's computation, 30 unless configured.
        fail_open: Whether a backend that fails is passed over, True unless configured.
    """

    __slots__ = ("_made", "_owned", "package", *DEFAULTS)

    package: str
    backend: str
    key_prefix: str
    secret_key: str | bytes | None
    key_serializer: str | KeySerializer
    serializer: str | Serializer
    lock: str | LockProvider | None
    lock_timeout: float
    fail_open: bool
    _owned: Mapping[str, Mapping[str, Any]]  # the options that were set, by plugin
    _made: dict[str, Settings]  # the settings of plugins that were checked

    def __init__(
        self,
        package: str,
        values: Mapping[str, Any] = MappingProxyType({}),
        owned: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        made: Mapping[str, Settings] = MappingProxyType({}),
    ) -> None:
        object.__setattr__(self, "package", package)
        for name, default in DEFAULTS.items():
            object.__setattr__(self, name, values.get(name, default))
        object.__setattr__(self, "_owned", {p: dict(options) for p, options in owned.items()})
        object.__setattr__(self, "_made", dict(made))

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of plugins that were set, by name; read-only."""
        return MappingProxyType({k: v for each in self._owned.values() for k, v in each.items()})

    def settings(self, plugin_name: str) -> Settings:
        """Return the settings of one plugin, made of what was configured and checked then.

        Args:
            plugin_name: The plugin's name, which is also how its options begin; of a family of
                backends, such as `dogpile.cache.dbm`, its full name.

        Returns:
            An instance of the class that the plugin declares, checked; of plain `Settings` if it
            declares none.

        Raises:
            ConfigurationError: If an option is wrong.
            PluginError: If the plugin is missing or broken.
        """
        made = self._made.get(plugin_name)
        if made is None:
            declared = plugins.settings_of(plugin_name)
            owned = self._owned.get(plugins.serving(plugin_name), {})
            made = self._made[plugin_name] = (declared or Settings)(**owned)
        return made

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            if name in self.options:
                return self.options[name]
            try:
                plugin = plugins.owner(name) if "_" in name else None
                declared = plugins.settings_of(plugin) if plugin else None
            except PluginError as error:
                raise AttributeError(f"{name} has no value here. {error}") from error
            defaults = declared.options() if declared else {}
            if name in defaults:
                return defaults[name]
        raise AttributeError(f"There is no option {name!r}.")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A Config cannot be changed; use cachu.configure({name}=...).")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(
            f"A Config cannot be changed; use cachu.configure({name}=cachu.DEFAULT)."
        )

    def overridden(self, options: Mapping[str, Any]) -> Config:
        """Return these settings with some of the core's own options replaced."""
        if not options:
            return self
        return Config(self.package, {**self._values(), **options}, self._owned, self._made)

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in DEFAULTS}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Config):
            return NotImplemented
        same = self.package == other.package and self.options == other.options
        return same and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((self.package, self.backend, self.key_prefix))

    def __reduce__(self) -> tuple[object, ...]:
        return Config, (self.package, self._values(), self._owned)

    def __repr__(self) -> str:
        shown = {"package": self.package, **self._values(), **self.options}
        return f"Config({', '.join(f'{name}={redacted(name, v)}' for name, v in shown.items())})"


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
