"""Finds the plugin that is asked for, loads it then, and calls its hooks.

Nothing that is broken disturbs those who do not ask for it.
"""

from __future__ import annotations

from cachu import catalogue, plugin_manager
from cachu.errors import PluginConflictError, PluginError, UnknownPluginError
from cachu.loads import loads
from cachu.plugin_manager import add, guarded, load, manager
from cachu.settings import Settings


def make(hook: str, name: str, region: object) -> object:
    """Have the plugin called `name` make something for a region.

    Args:
        hook: The hook to call, such as `cachu_make_backend`.
        name: What was asked for; its plugin is loaded if need be.
        region: The region, passed on to the hook.

    Returns:
        What the plugin made.

    Raises:
        UnknownPluginError: If there is no such plugin, or it makes no such thing.
        PluginConflictError: If two distributions provide it.
        BrokenPluginError: If it cannot be loaded.
    """
    made = optional(hook, name, region)
    if made is None:
        raise catalogue.lacking(name, hook)
    return made


def optional(hook: str, name: str, region: object) -> object | None:
    """Do as `make` does, but return None where the plugin makes no such thing."""
    catalogue.refuse_family(name)
    ensure(name)
    with loads:
        made: object | None = getattr(manager().hook, hook)(name=name, region=region)
    return made


def settings_of(name: str) -> type[Settings] | None:
    """Return the settings class of a plugin.

    Args:
        name: The plugin's name; it is loaded if need be.

    Returns:
        The class, or None if the plugin has no options.

    Raises:
        UnknownPluginError: If there is no such plugin.
        PluginConflictError: If two distributions provide it.
        BrokenPluginError: If it cannot be loaded, or declares no settings of its own.
    """
    ensure(name)
    try:
        with loads:
            return _own_settings(name, manager().hook.cachu_settings(name=name))
    except PluginError:  # of a family, that there is no such member
        raise
    except Exception as error:
        entries = catalogue.allowed(fresh=False).get(name)
        origin = catalogue.origin_of(entries[0]) if entries else "this application"
        raise catalogue.broken(name, origin, error) from error


def serving(name: str) -> str:
    """Return the name of the plugin that `name` is for.

    Args:
        name: What was asked for. With dots, as in `dogpile.cache.dbm`, it may be one of a family
            that the plugin called `dogpile` serves.

    Returns:
        The name itself, or the part before its first dot if only that is a plugin's name.
    """
    head = name.partition(".")[0]
    if head == name or name in catalogue.BUILT_IN or name in plugin_manager.present:
        return name
    if head in catalogue.BUILT_IN:
        return head
    there = plugin_manager.present.keys() | catalogue.allowed(fresh=False).keys()
    return head if head in there and name not in there else name


def ensure(name: str, *hooks: str) -> None:
    """Load the plugin called `name`, unless it is there already.

    Args:
        name: The name that was asked for, be it one of a plugin's family.
        *hooks: If given, the plugin must implement one of these.

    Raises:
        UnknownPluginError: If there is no such plugin, or it implements none of `hooks`.
        PluginConflictError: If two distributions provide it.
        BrokenPluginError: If it cannot be loaded.
    """
    plugin = serving(name)
    if plugin != name:
        ensure(plugin)
        if manager().hook.cachu_settings(name=name) is None:
            raise catalogue.unknown(name, plugin_manager.present)
        name = plugin
    elif hooks:
        catalogue.refuse_family(name)
    if name in catalogue.BUILT_IN:
        if catalogue.lacks_need(name):
            raise catalogue.unknown(name, plugin_manager.present)
        implemented = set(catalogue.BUILT_IN_HOOKS[name])
    else:
        if name not in plugin_manager.present:
            load(name)
        implemented = plugin_manager.implemented(name) if hooks else set()
    if hooks and not implemented & set(hooks):
        raise catalogue.lacking(name, hooks[0])


def hooks_of(name: str) -> list[str]:
    """List the hooks that a plugin implements, for what is built in those of that name.

    Args:
        name: The name of a plugin that was loaded.

    Returns:
        Their names, without `cachu_`.
    """
    if name in catalogue.BUILT_IN:
        found = {*catalogue.BUILT_IN_HOOKS[name]}
    else:
        found = plugin_manager.implemented(name)
    return sorted(each.removeprefix("cachu_") for each in found)


def register(plugin: object, name: str | None = None) -> str:
    """Register a plugin of the application's own, without an entry point.

    Args:
        plugin: A module or an object that implements hooks.
        name: What to call it in `configure(backend=...)`. A plugin that only wraps other plugins'
            hooks (`@hookimpl(wrapper=True)`) needs none, and is called as pluggy would call it.

    Returns:
        The name, for `unregister`.

    Raises:
        PluginConflictError: If there is a plugin of that name already.
        BrokenPluginError: If it implements a hook that does not exist, or with the wrong arguments.
    """
    name = name or manager().get_canonical_name(plugin)
    with guarded():
        if name in catalogue.BUILT_IN or name in plugin_manager.present:
            raise PluginConflictError(
                f"A cachu plugin called {name!r} is registered already. Choose another name, or "
                "wrap its hooks with @hookimpl(wrapper=True)."
            )
        add(plugin, name, "this application")
    return name


def unregister(name: str) -> None:
    """Forget a plugin that was registered or loaded; an installed one comes back when asked for.

    Args:
        name: What `register` returned.

    Raises:
        UnknownPluginError: If no such plugin is registered.
    """
    with guarded():
        if name not in plugin_manager.present:
            raise UnknownPluginError(f"No cachu plugin called {name!r} is registered.")
        plugin = plugin_manager.present.pop(name)
        if not any(other is plugin for other in plugin_manager.present.values()):
            manager().unregister(plugin)


def installed() -> dict[str, str]:
    """List the plugins that installed distributions provide, without loading any.

    Returns:
        `"distribution version"` by plugin name; where several provide one name, all of them.
    """
    return {
        name: ", ".join(sorted({catalogue.origin_of(entry) for entry in entries}))
        for name, entries in sorted(catalogue.allowed(fresh=True).items())
    }


def prefix(name: str) -> str:
    """Return what all options of the plugin that serves `name` begin with."""
    return serving(name).replace(".", "_").replace("-", "_") + "_"


def owner(option: str) -> str | None:
    """Find the plugin that an option belongs to: the longest name that the option begins with.

    Args:
        option: The option's name.

    Returns:
        The name of a plugin that is installed, registered or known; None if there is none.
    """
    for name in catalogue.BUILT_IN:
        if option.startswith(prefix(name)):
            declared = settings_of(name)
            if declared is not None and option in declared.options():
                return name
    for fresh in (False, True):
        names = {
            *catalogue.BUILT_IN,
            *catalogue.KNOWN,
            *plugin_manager.present,
            *catalogue.allowed(fresh=fresh),
        }
        owners = [name for name in names if option.startswith(prefix(name))]
        if owners:
            return max(owners, key=len)
    return None


def _own_settings(name: str, declared: object) -> type[Settings] | None:
    if declared is None:
        return None
    if not (isinstance(declared, type) and issubclass(declared, Settings)):
        raise TypeError(f"cachu_settings must return a subclass of Settings, not {declared!r}")
    for option in declared.options():
        if not option.startswith(prefix(name)):
            raise ValueError(f"its option {option!r} does not begin with {prefix(name)!r}")
    return declared
