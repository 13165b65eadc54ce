"""What there is to know of every plugin, those that fail to load among them."""

from __future__ import annotations

from typing import NamedTuple

from cachu import catalogue, plugins, regions
from cachu.backends import Capability
from cachu.cli.situation import OWN
from cachu.errors import CachuError, PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Plugin(NamedTuple):
    """One plugin.

    Attributes:
        name: What it is called.
        distribution: What it comes with.
        version: The version of that.
        hooks: The hooks that it implements, without `cachu_`.
        capabilities: What its backend can do; nothing where it has none, or that is not known.
        options: The options that it adds to `configure()`.
        error: Why it cannot be used, if so.
    """

    name: str
    distribution: str
    version: str
    hooks: list[str]
    capabilities: list[str]
    options: list[str]
    error: str | None


def every() -> list[Plugin]:
    """Describe all that is built in or installed, and load it to do so."""
    from cachu import __version__

    there: dict[str, list[EntryPoint]] = catalogue.entries()
    core = [_described(n, "cachu-core", __version__) for n in sorted(catalogue.BUILT_IN)]
    others = [
        _described(name, *_origin(entry))
        for name, found in sorted(there.items())
        if name not in catalogue.BUILT_IN
        for entry in found
    ]
    return core + others


def capabilities(found: Capability) -> list[str]:
    """Spell capabilities as words: `clear`, `tags`."""
    return [str(each.name).lower() for each in Capability if each.value and each in found]


def _origin(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else (entry.value, "")


def _described(name: str, distribution: str, version: str) -> Plugin:
    try:
        plugins.ensure(name)
        hooks = plugins.hooks_of(name)
        declared = plugins.settings_of(name)
    except PluginError as error:
        return Plugin(name, distribution, version, [], [], [], str(error))
    able: list[str] = []
    reason = None
    if name not in catalogue.FAMILIES and {"make_backend", "make_async_backend"} & set(hooks):
        try:
            able = capabilities(regions.live(name, OWN, 300.0).backend.capabilities)
        except (CachuError, ImportError, OSError) as error:
            reason = str(error)
    options = sorted(declared.options()) if declared is not None else []
    return Plugin(name, distribution, version, hooks, able, options, reason)
