"""The process's plugin manager, and how plugins get into it: each once, whole or not at all."""

from __future__ import annotations

import os
from _thread import allocate_lock

from cachu import catalogue
from cachu.errors import PluginConflictError
from cachu.loads import loads
from cachu.settings import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from importlib.metadata import EntryPoint
    from typing import Final

    import pluggy

TRACED = "CACHU_TRACE_PLUGINS"
"""The environment variable that has what is loaded, and which hook answers, told on stderr."""

present: Final[dict[str, object]] = {}
"""What was loaded or registered, by name."""

_lock = allocate_lock()
_manager: pluggy.PluginManager | None = None


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


def implemented(name: str) -> set[str]:
    """Return the hooks that the plugin called `name` implements, which is present."""
    return {caller.name for caller in manager().get_hookcallers(present[name]) or ()}


def load(name: str) -> None:
    """Load the plugin called `name` from the distribution that provides it."""
    entry = _find(name)
    origin = catalogue.origin_of(entry)
    try:
        with loads:
            plugin = entry.load()  # not under a lock: an import may wait for another thread's
    except Exception as error:
        raise catalogue.broken(name, origin, error) from error
    with guarded():
        if name not in present:
            add(plugin, name, origin)


def _find(name: str) -> EntryPoint:
    entries = catalogue.allowed(fresh=False).get(name) or catalogue.allowed(fresh=True).get(name)
    if not entries:
        raise catalogue.unknown(name, present)
    origins = sorted({catalogue.origin_of(entry) for entry in entries})
    if len(origins) > 1:
        raise PluginConflictError(
            f"More than one distribution provides the cachu plugin {name!r}: {', '.join(origins)}. "
            "Uninstall all but one."
        )
    return entries[0]


def add(plugin: object, name: str, origin: str) -> None:
    """Register a plugin under a name; its caller holds the lock of `guarded`."""
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
    present[name] = plugin


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


def guarded() -> AbstractContextManager[object]:
    """Return the lock under which plugins come and go."""
    manager()  # made first, for it takes the lock itself
    return _lock


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
