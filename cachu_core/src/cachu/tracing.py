"""Tells on stderr what is loaded and which plugin's hook answers: `CACHU_TRACE_PLUGINS=1`."""

from __future__ import annotations

import sys
from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import pluggy


def trace(pm: pluggy.PluginManager, plugin: object, name: str, origin: str) -> None:
    """Tell of a plugin that was registered, and from now on of what its hooks answer."""
    _tell(f"{name} from {origin} is loaded")
    for caller in pm.get_hookcallers(plugin) or ():
        implementation: Any
        for implementation in caller.get_hookimpls():
            told = hasattr(implementation.function, "__cachu_traced__")
            if implementation.plugin is plugin and not told:
                is_wrapper = implementation.wrapper or implementation.hookwrapper
                implementation.function = (_wrapping if is_wrapper else _answering)(
                    implementation.function, name, caller.name
                )


def _answering(function: Callable[..., Any], plugin: str, hook: str) -> Callable[..., Any]:
    @wraps(function)
    def traced(*args: Any) -> Any:
        answer = function(*args)
        if answer is not None:
            _tell(f"{plugin} answers {hook} with {_shown(answer)}")
        return answer

    traced.__cachu_traced__ = True  # type: ignore[attr-defined]
    return traced


def _wrapping(function: Callable[..., Any], plugin: str, hook: str) -> Callable[..., Any]:
    @wraps(function)
    def traced(*args: Any) -> Any:
        answer = yield from function(*args)
        _tell(f"{plugin} wraps {hook}, which makes it {_shown(answer)}")
        return answer

    traced.__cachu_traced__ = True  # type: ignore[attr-defined]
    return traced


def _shown(answer: object) -> str:
    kind: Any = answer if hasattr(answer, "__qualname__") else type(answer)
    return f"{kind.__module__}.{kind.__qualname__}"


def _tell(what: str) -> None:
    print(f"cachu: {what}", file=sys.stderr)  # noqa: T201  stderr is where it was asked for
