"""What `configure()` was told, one immutable `Config` per package."""

from __future__ import annotations

import os
from _thread import TIMEOUT_MAX, allocate_lock
from types import MappingProxyType

from cachu import packages, plugins
from cachu.errors import ConfigurationError, PluginError
from cachu.settings import Settings, did_you_mean, got, redacted
from cachu.ttls import is_timedelta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from typing import Any

    from cachu.keys.serializers import KeySerializer
    from cachu.locks import LockProvider
    from cachu.serializers import Serializer


class Default:
    """The type of `DEFAULT`, which resets an option in `configure()`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "DEFAULT"

    def __reduce__(self) -> str:
        return "DEFAULT"

    def __copy__(self) -> Default:
        return self

    def __deepcopy__(self, memo: object) -> Default:
        return self


DEFAULT = Default()
"""Resets an option: `configure(key_prefix=DEFAULT)`; None would leave it as it is."""

_DEFAULTS: dict[str, Any] = {
    "backend": "memory",
    "key_prefix": "",
    "secret_key": None,
    "key_serializer": "digest",
    "serializer": "pickle",
    "lock": None,
    "lock_timeout": 30.0,
    "fail_open": True,
}
_DECORATOR_ONLY = ("ttl", "tag", "exclude", "cache_if", "validate", "name", "copy")


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
        fail_open: Whether a faulty backend is to be passed over, True unless configured; no
            backend of this release reads it yet.
    """

    __slots__ = ("_owned", "package", *_DEFAULTS)

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

    def __init__(
        self,
        package: str,
        values: Mapping[str, Any] = MappingProxyType({}),
        owned: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        object.__setattr__(self, "package", package)
        for name, default in _DEFAULTS.items():
            object.__setattr__(self, name, values.get(name, default))
        object.__setattr__(self, "_owned", {p: dict(options) for p, options in owned.items()})

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of plugins that were set, by name; read-only."""
        return MappingProxyType({k: v for each in self._owned.values() for k, v in each.items()})

    def settings(self, plugin_name: str) -> Settings:
        """Build the settings of one plugin out of what was configured.

        Args:
            plugin_name: The plugin's name, which is also how its options begin.

        Returns:
            An instance of the class that the plugin declares, checked; of plain `Settings` if it
            declares none.

        Raises:
            ConfigurationError: If an option is wrong.
            PluginError: If the plugin is missing or broken.
        """
        declared = plugins.settings_of(plugin_name)
        return (declared or Settings)(**self._owned.get(plugin_name, {}))

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
        return Config(self.package, {**self._values(), **options}, self._owned) if options else self

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _DEFAULTS}

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

    For every option None leaves it as it is, and `cachu.DEFAULT` resets it. Everything is checked
    before anything changes.

    Args:
        backend: The default backend: `"memory"` (the default), `"file"`, `"redis"` or a plugin's
            name.
        package: Whose settings to change, by default the calling package's.
        key_prefix: Part of every key, by default `""`.
        secret_key: Signs what is stored, by default nothing does.
        key_serializer: `"digest"` (the default), `"text"`, a plugin's name, or a callable that
            makes a string of the arguments.
        serializer: `"pickle"` (the default), `"json"`, a plugin's name, or an object with `dumps`
            and `loads`.
        lock: The name of a lock provider, or an object with `mutex`, for plain functions, and
            `async_lock`, for coroutine functions; by default the backend's own.
        lock_timeout: Seconds, or a `timedelta`, that a caller waits for another's computation
            before it computes by itself, by default 30.
        fail_open: Whether the function is to run when the backend fails, by default True; with
            False a `BackendError` is to be raised instead. The setting is kept, but no backend of
            this release reads it yet: what a store raises reaches the caller as it is.
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
    owners = {option: _owner(option) for option in plugin_options}
    while True:
        old = _configs.get(package)
        new = _changed(old or Config(package), changes, plugin_options, owners)
        with _lock:  # held for the exchange only: the checks above may import plugins
            if _configs.get(package) is old:
                _configs[package] = new
                break
    if new != (old or Config(package)):
        for callback in tuple(_subscribers):
            callback(package)
    return new


def get_config(package: str | None = None) -> Config:
    """Return the settings of a package.

    Args:
        package: Whose, by default the calling package's.

    Returns:
        What `configure()` made last, or the defaults.

    Raises:
        ConfigurationError: If `package` is not a non-empty string.
    """
    package = _package(package)
    return _configs.get(package) or Config(package)


def get_all_configs() -> dict[str, Config]:
    """Return the settings of every package that called `configure()`, by package."""
    with _lock:
        return dict(_configs)


def subscribe(callback: Callable[[str], None]) -> None:
    """Have a callback run after every change of settings.

    Args:
        callback: Called with the name of the package, in the thread that changed its settings.
    """
    _subscribers.append(callback)


def checked(name: str, value: object, *, load: bool = True) -> Any:
    """Check the value of one of the core's own options, for `configure()` and for `@cache`.

    Args:
        name: The option.
        value: What it was set to; `DEFAULT` passes.
        load: Whether a plugin that it names must be there already.

    Returns:
        The value as it is kept: `lock_timeout` in seconds, all others unchanged.

    Raises:
        ConfigurationError: If the value is wrong or names no plugin.
        PluginError: If it names a plugin that cannot be loaded.
    """
    if value is DEFAULT:
        return value
    if name == "lock_timeout":
        return _timeout(value)
    expected, accepts, hooks = _CHECKS[name]
    if not accepts(value):
        raise ConfigurationError(f"{name} must be {expected}, got {got(name, value)}.")
    if load and hooks and isinstance(value, str):
        plugins.ensure(value, *hooks)
    return value


def _has(value: object, *methods: str) -> bool:
    return all(callable(getattr(value, method, None)) for method in methods)


# What each option takes, in words and as a test, and the hooks one of which a name must stand for.
_CHECKS: dict[str, tuple[str, Callable[[Any], bool], tuple[str, ...]]] = {
    "backend": (
        "the name of a backend",
        lambda v: isinstance(v, str) and v != "",
        ("cachu_make_backend", "cachu_make_async_backend"),
    ),
    "key_prefix": ("a str", lambda v: isinstance(v, str), ()),
    "secret_key": (
        "a non-empty str or bytes",
        lambda v: isinstance(v, (str, bytes)) and len(v) > 0,
        (),
    ),
    "key_serializer": (
        "a name or a callable that makes a str of the arguments",
        lambda v: v != "" if isinstance(v, str) else callable(v),
        ("cachu_make_key_serializer",),
    ),
    "serializer": (
        "a name or an object with dumps() and loads()",
        lambda v: v != "" if isinstance(v, str) else _has(v, "dumps", "loads"),
        ("cachu_make_value_serializer",),
    ),
    "lock": (
        "a name or an object with mutex() or async_lock()",
        lambda v: v != "" if isinstance(v, str) else _has(v, "mutex") or _has(v, "async_lock"),
        ("cachu_make_lock_provider",),
    ),
    "fail_open": ("True or False", lambda v: isinstance(v, bool), ()),
}


def _timeout(value: Any) -> float:
    if is_timedelta(value):
        value = value.total_seconds()
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and 0 < value <= TIMEOUT_MAX:
        return float(value)
    raise ConfigurationError(
        "lock_timeout must be a positive, finite number of seconds or a timedelta, got "
        f"{got('lock_timeout', value)}."
    )


def _package(package: str | None) -> str:
    return packages.caller_package() if package is None else packages.named(package)


def _changed(
    old: Config, changes: dict[str, Any], plugin_options: dict[str, Any], owners: dict[str, str]
) -> Config:
    values = {**old._values(), **changes}  # noqa: SLF001
    values = {name: value for name, value in values.items() if value is not DEFAULT}
    owned = {plugin: dict(options) for plugin, options in old._owned.items()}  # noqa: SLF001
    for option, value in plugin_options.items():
        options = owned.setdefault(owners[option], {})
        if value is DEFAULT:
            options.pop(option, None)
        elif value is not None:
            options[option] = value
    for plugin in {*owners.values(), changes.get("backend", DEFAULT)} - {DEFAULT}:
        mine = [option for option, owner in owners.items() if owner == plugin]
        if mine or owned.get(plugin) or plugin not in plugins.BUILT_IN:
            _check(plugin, mine, owned.get(plugin, {}), kept=plugin != changes.get("backend"))
    return Config(
        old.package, values, {name: options for name, options in owned.items() if options}
    )


def _check(plugin: str, named: list[str], options: dict[str, Any], *, kept: bool) -> None:
    """Check what is set of one plugin, and that it knows the options that were named."""
    try:
        declared = plugins.settings_of(plugin) or Settings
    except PluginError:
        if kept:  # until the plugin, missing or broken, is asked for
            return
        raise
    for option in named:
        if option not in declared.options():
            raise _unknown(option, plugin)
    declared(**options)


def _owner(option: str) -> str:
    """Find whose option this is, and refuse it if it is nobody's."""
    if option in _DECORATOR_ONLY:
        raise ConfigurationError(f"{option!r} is an option of @cache, not of configure().")
    owner = plugins.owner(option)
    if owner is None:
        raise _unknown(option, None)
    return owner


def _unknown(option: str, owner: str | None) -> ConfigurationError:
    from contextlib import suppress

    candidates = {*_DEFAULTS, "package"}
    for plugin in {"memory", owner or _nearest_plugin(option)}:
        with suppress(PluginError):
            candidates |= set((plugins.settings_of(plugin) or Settings).options())
    hint = did_you_mean(option, candidates)
    whose = f" of the plugin {owner!r}" if owner else ""
    return ConfigurationError(f"There is no option {option!r}{whose}.{hint}")


def _nearest_plugin(option: str) -> str:
    from difflib import get_close_matches

    known = {*plugins.KNOWN, *plugins.installed()}
    return next(iter(get_close_matches(option.partition("_")[0], known, n=1)), "memory")


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
