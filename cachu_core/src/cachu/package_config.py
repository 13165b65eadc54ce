"""The settings of one package, which are never changed: `configure()` makes others."""

from __future__ import annotations

from types import MappingProxyType

from cachu import plugins
from cachu.errors import PluginError
from cachu.options import DEFAULTS
from cachu.settings import Settings, redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
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
