"""Which plugins there are, without loading any, and what to say of those that are not.

What ships with the core is known without looking at what is installed.
"""

from __future__ import annotations

import os
import sys

from cachu.errors import BrokenPluginError, UnknownPluginError
from cachu.settings import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

GROUP = "cachu"
"""The group of entry points."""
LOADED = "CACHU_LOAD_PLUGINS"
"""The environment variable that, if it is set, names the only entry points that are loaded."""
KINDS = {
    "cachu_make_backend": "backend",
    "cachu_make_async_backend": "asynchronous backend",
    "cachu_make_key_serializer": "key serializer",
    "cachu_make_value_serializer": "value serializer",
    "cachu_make_lock_provider": "lock provider",
}
"""The hooks that make something, and what that is called."""
BUILT_IN_HOOKS: dict[str, tuple[str, ...]] = {
    "memory": ("cachu_make_backend", "cachu_make_async_backend"),
    "null": ("cachu_make_backend", "cachu_make_async_backend"),
    "digest": ("cachu_make_key_serializer",),
    "text": ("cachu_make_key_serializer",),
    "pickle": ("cachu_make_value_serializer",),
    "pickle-signed": ("cachu_make_value_serializer",),
    "msgpack": ("cachu_make_value_serializer",),
    "json": ("cachu_make_value_serializer",),
    "thread": ("cachu_make_lock_provider",),
    "dogpile": ("cachu_make_backend", "cachu_make_lock_provider"),
}
"""The plugins that ship with the core, and which of these hooks each implements."""
BUILT_IN = {
    **dict.fromkeys(BUILT_IN_HOOKS, "cachu.backends.builtin"),
    "dogpile": "cachu.backends.dogpile",
}
"""The module of each."""
FAMILIES = {"dogpile": "backend='dogpile.cache.dbm'"}
"""The plugins that answer to longer names only, and an example of one."""
_NEEDS = {"msgpack": "msgspec"}  # what has to be installed beside the core
KNOWN = {
    "file": "pip install cachu-file",
    "redis": 'pip install "cachu[redis]"',
    "diskcache": 'pip install "cachu[diskcache]"',
    "msgpack": 'pip install "cachu[msgpack]"',
}
"""The plugins that ship beside the core, and how to install each."""

_scan: tuple[list[str], dict[str, list[EntryPoint]]] | None = None


def entries() -> dict[str, list[EntryPoint]]:
    """Find all entry points that distributions provide, without loading any.

    Returns:
        Those of each name; `CACHU_LOAD_PLUGINS` makes no difference.
    """
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def is_allowed(name: str) -> bool:
    """Tell whether `CACHU_LOAD_PLUGINS` leaves a plugin out; what the core has is always there."""
    allowed = os.environ.get(LOADED)
    return allowed is None or name in BUILT_IN or name in allowed.replace(",", " ").split()


def allowed(*, fresh: bool) -> dict[str, list[EntryPoint]]:
    """Scan what may be loaded; an old scan will do if nothing has changed that it depends on."""
    global _scan  # noqa: PLW0603  the last scan
    place = [*sys.path, os.environ.get(LOADED, "*")]
    if fresh or _scan is None or _scan[0] != place:
        _scan = (place, {name: found for name, found in entries().items() if is_allowed(name)})
    return _scan[1]


def lacks_need(name: str) -> bool:
    """Tell whether a built-in plugin cannot work, for want of what has to be installed for it."""
    from importlib.util import find_spec

    return name in _NEEDS and find_spec(_NEEDS[name]) is None


def refuse_family(name: str) -> None:
    """Raise `UnknownPluginError` for the name of a family, which stands for none of its members."""
    if name in FAMILIES:
        raise UnknownPluginError(
            f"{name!r} stands for many backends. Name one of them, for example {FAMILIES[name]}."
        )


def unknown(name: str, loaded: Iterable[str]) -> UnknownPluginError:
    """Say that there is no such plugin, and what to do; *loaded* are those that were registered."""
    there = {*BUILT_IN, *loaded, *allowed(fresh=False)}
    if not is_allowed(name) and name in entries():
        return UnknownPluginError(
            f"The cachu plugin {name!r} is installed, but the environment variable {LOADED} does "
            "not name it, so it is not loaded."
        )
    if name in KNOWN:
        return UnknownPluginError(
            f"The cachu plugin {name!r} is not installed. Install it with: {KNOWN[name]}"
        )
    close = did_you_mean(name, there | set(KNOWN))
    for known, command in KNOWN.items():
        if known not in there and f"{known!r}" in close:
            close += f" Install it with: {command}."
    return UnknownPluginError(
        f"No cachu plugin is called {name!r}.{close} Available: {', '.join(sorted(there))}."
    )


def lacking(name: str, hook: str) -> UnknownPluginError:
    """Say that a plugin does not implement a hook, and which ones do."""
    kind = KINDS.get(hook, hook)
    others = sorted(each for each, hooks in BUILT_IN_HOOKS.items() if hook in hooks)
    known = f" Built in are: {', '.join(others)}." if others else ""
    return UnknownPluginError(f"The cachu plugin {name!r} has no {kind}.{known}")


def broken(name: str, origin: str, error: Exception) -> BrokenPluginError:
    """Say that a plugin cannot be loaded, and why."""
    reason = f"{type(error).__name__}: {error}"
    return BrokenPluginError(f"The cachu plugin {name!r} from {origin} failed to load: {reason}")


def origin_of(entry: EntryPoint) -> str:
    """Return the distribution and version that an entry point is from."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
