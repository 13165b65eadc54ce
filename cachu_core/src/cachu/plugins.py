"""Loads each plugin when it is first asked for, and calls its hooks.

Nothing that is broken disturbs those who do not ask for it.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from cachu import catalogue
from cachu.errors import PluginConflictError, PluginError, UnknownPluginError
from cachu.loads import loads
from cachu.settings import Settings, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from importlib.metadata import EntryPoint

    import pluggy

TRACED = "CACHU_TRACE_PLUGINS"
"""The environment variable that has what is loaded, and which hook answers, told on stderr."""

_lock = allocate_lock()
_manager: pluggy.PluginManager | None = None
_plugins: dict[str, object] = {}  # what was loaded or registered, by name


def manager() -> pluggy.PluginManager:
    """Return the process's plugin manager, made on first use with what ships with the core."""
    global _manager  # noqa: PLW0603  one per process
    if _manager is None:
        with loads:
            made = _made()
        with _lock:
            if _manager is None:
                _manager = made
    return _manager


def _made() -> pluggy.PluginManager:
    from importlib import import_module

    import pluggy

    from cachu import hookspecs

    made = pluggy.PluginManager(catalogue.GROUP)
    made.add_hookspecs(hookspecs)
    for module in sorted(set(catalogue.BUILT_IN.values())):
        made.register(import_module(module), name=module)
        _trace(made, import_module(module), module, "cachu-core")
    made.check_pending()
    return made


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
    if head == name or name in catalogue.BUILT_IN or name in _plugins:
        return name
    if head in catalogue.BUILT_IN:
        return head
    there = _plugins.keys() | catalogue.allowed(fresh=False).keys()
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
            raise catalogue.unknown(name, _plugins)
        name = plugin
    elif hooks:
        catalogue.refuse_family(name)
    if name in catalogue.BUILT_IN:
        if catalogue.lacks_need(name):
            raise catalogue.unknown(name, _plugins)
        implemented = set(catalogue.BUILT_IN_HOOKS[name])
    else:
        if name not in _plugins:
            _load(name)
        callers = manager().get_hookcallers(_plugins[name]) if hooks else ()
        implemented = {caller.name for caller in callers or ()}
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
        found = {caller.name for caller in manager().get_hookcallers(_plugins[name]) or ()}
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
    with _guarded():
        if name in catalogue.BUILT_IN or name in _plugins:
            raise PluginConflictError(
                f"A cachu plugin called {name!r} is registered already. Choose another name, or "
                "wrap its hooks with @hookimpl(wrapper=True)."
            )
        _add(plugin, name, "this application")
    return name


def unregister(name: str) -> None:
    """Forget a plugin that was registered or loaded; an installed one comes back when asked for.

    Args:
        name: What `register` returned.

    Raises:
        UnknownPluginError: If no such plugin is registered.
    """
    with _guarded():
        if name not in _plugins:
            raise UnknownPluginError(f"No cachu plugin called {name!r} is registered.")
        plugin = _plugins.pop(name)
        if not any(other is plugin for other in _plugins.values()):
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
        names = {*catalogue.BUILT_IN, *catalogue.KNOWN, *_plugins, *catalogue.allowed(fresh=fresh)}
        owners = [name for name in names if option.startswith(prefix(name))]
        if owners:
            return max(owners, key=len)
    return None


def _load(name: str) -> None:
    entry = _find(name)
    origin = catalogue.origin_of(entry)
    try:
        with loads:
            plugin = entry.load()  # not under a lock: an import may wait for another thread's
    except Exception as error:
        raise catalogue.broken(name, origin, error) from error
    with _guarded():
        if name not in _plugins:
            _add(plugin, name, origin)


def _find(name: str) -> EntryPoint:
    entries = catalogue.allowed(fresh=False).get(name) or catalogue.allowed(fresh=True).get(name)
    if not entries:
        raise catalogue.unknown(name, _plugins)
    origins = sorted({catalogue.origin_of(entry) for entry in entries})
    if len(origins) > 1:
        raise PluginConflictError(
            f"More than one distribution provides the cachu plugin {name!r}: {', '.join(origins)}. "
            "Uninstall all but one."
        )
    return entries[0]


def _add(plugin: object, name: str, origin: str) -> None:
    pm = manager()
    try:
        if not pm.is_registered(plugin):  # one module may serve several names
            pm.register(plugin, name=name)
        _check_hooks(plugin)
    except Exception as error:
        if pm.is_registered(plugin):
            pm.unregister(plugin)
        raise catalogue.broken(name, origin, error) from error
    _trace(pm, plugin, name, origin)
    _plugins[name] = plugin


def _trace(pm: pluggy.PluginManager, plugin: object, name: str, origin: str) -> None:
    if os.environ.get(TRACED, "").lower() not in ("", "0", "false", "no", "off"):
        from cachu.tracing import trace

        trace(pm, plugin, name, origin)


def _check_hooks(plugin: object) -> None:
    for caller in manager().get_hookcallers(plugin) or []:
        if not caller.has_spec() and not all(
            impl.optionalhook for impl in caller.get_hookimpls() if impl.plugin is plugin
        ):
            hint = did_you_mean(caller.name, [*catalogue.KINDS, "cachu_settings"])
            raise LookupError(f"cachu has no hook {caller.name!r}.{hint}")


def _own_settings(name: str, declared: object) -> type[Settings] | None:
    if declared is None:
        return None
    if not (isinstance(declared, type) and issubclass(declared, Settings)):
        raise TypeError(f"cachu_settings must return a subclass of Settings, not {declared!r}")
    for option in declared.options():
        if not option.startswith(prefix(name)):
            raise ValueError(f"its option {option!r} does not begin with {prefix(name)!r}")
    return declared


def _guarded() -> AbstractContextManager[object]:
    manager()  # made first, for it takes the lock itself
    return _lock


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
