"""Which options there are, whose they are, and which values they take."""

from __future__ import annotations

from _thread import TIMEOUT_MAX

from cachu import catalogue, plugins
from cachu.errors import ConfigurationError, PluginError
from cachu.settings import Settings, did_you_mean, got
from cachu.ttls import is_timedelta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


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

DEFAULTS: dict[str, Any] = {
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


def settings_made(
    plugin: str, named: list[str], options: dict[str, Any], *, kept: bool
) -> Settings | None:
    """Make the settings of one plugin, which checks them; it must know the options *named*.

    Returns:
        The settings, or None if they are *kept* until the plugin, missing or broken, is asked for.
    """
    try:
        declared = plugins.settings_of(plugin) or Settings
    except PluginError:
        if kept:
            return None
        raise
    for option in named:
        if option not in declared.options():
            raise _unknown(option, plugin)
    return declared(**options)


def owner_of(option: str) -> str:
    """Find whose option this is, and refuse it if it is nobody's."""
    if option in _DECORATOR_ONLY:
        raise ConfigurationError(f"{option!r} is an option of @cache, not of configure().")
    owner = plugins.owner(option)
    if owner is None:
        raise _unknown(option, None)
    return owner


def _unknown(option: str, owner: str | None) -> ConfigurationError:
    from contextlib import suppress

    candidates = {*DEFAULTS, "package"}
    for plugin in {"memory", owner or _nearest_plugin(option)}:
        with suppress(PluginError):
            candidates |= set((plugins.settings_of(plugin) or Settings).options())
    hint = did_you_mean(option, candidates)
    whose = f" of the plugin {owner!r}" if owner else ""
    return ConfigurationError(f"There is no option {option!r}{whose}.{hint}")


def _nearest_plugin(option: str) -> str:
    from difflib import get_close_matches

    known = {*catalogue.KNOWN, *plugins.installed()}
    return next(iter(get_close_matches(option.partition("_")[0], known, n=1)), "memory")
