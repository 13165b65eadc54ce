"""All decorated functions that are alive, and which of them go by one name.

In memory every function has entries of its own. In a store, entries belong to a name, so that two
functions of one name would be given each other's results.
"""

from __future__ import annotations

import os
from _thread import RLock
from functools import partial
from itertools import count
from weakref import ref

from cachu import packages
from cachu.backends.null import AsyncNullBackend, NullBackend
from cachu.errors import CachuWarning
from cachu.keys.spelling import unlike

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from cachu.bindings import Binding

_lock = RLock()
_serial: Final = count()
_functions: Final[dict[int, ref[Any]]] = {}


def register(function: Binding) -> None:
    """Count *function* among those that are alive, for as long as it is."""
    serial = next(_serial)
    _functions[serial] = ref(function, lambda _: _functions.pop(serial, None))


def every() -> list[Any]:
    """Return all decorated functions that are alive."""
    alive = (reference() for reference in list(_functions.values()))
    return [function for function in alive if function is not None]


def tell_apart(function: Binding) -> str:
    """Return an identity that no other living function has, for entries in memory."""
    with _lock:
        if function.own_identity is None:
            taken = {other.own_identity for other in _namesakes(function)}
            function.own_identity = unlike(function.identity, taken)
        return function.own_identity


def warn(function: Binding, backend: object) -> None:
    """Warn, once, if another living function has the same identity, and so the same entries."""
    if isinstance(backend, (NullBackend, AsyncNullBackend)) or function.warned:
        return
    if any(_rivals(function, other) for other in _namesakes(function)):
        function.warned = True
        import warnings

        warnings.warn(
            f"two functions called {function.identity!r} are cached on a backend that keeps "
            f"entries by name ({type(backend).__name__}), so each may get the other's "
            "results; give them a name= of their own",
            CachuWarning,
            stacklevel=packages.depth_of_caller(),
        )


def _namesakes(function: Binding) -> list[Any]:
    return [
        other
        for other in every()
        if other is not function
        and other.package == function.package
        and other.identity == function.identity
        and not other.named
    ]


def _rivals(function: Binding, other: Binding) -> bool:
    """Tell whether one function would be given the other's entries, without being the same."""
    same_region = other.backend == function.backend and other.policy.ttl == function.policy.ttl
    return same_region and innermost(other.function) is not innermost(function.function)


def innermost(function: Any) -> Any:
    """Return the function inside a partial."""
    while isinstance(function, partial):
        function = function.func
    return function


def label(function: Callable[..., Any]) -> str:
    """Return the module and qualified name of a function, through partials and instances."""
    function = innermost(function)
    module = getattr(function, "__module__", None) or "builtins"
    name = getattr(function, "__qualname__", None)
    return f"{module}.{name or type(function).__qualname__}"


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
