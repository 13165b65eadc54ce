"""Compiles a template once per shape and mode, and makes each function a wrapper of its own.

Compiling costs most of a millisecond, so that functions of one shape share the work; renaming the
code object costs a few microseconds. Every function still gets its own code and globals: two that
shared them would spoil each other's inline caches.
"""

from __future__ import annotations

import builtins
import sys
import time
from _thread import get_ident
from itertools import count
from types import CodeType, FunctionType

from cachu import counters
from cachu.wrappers import templates
from cachu.wrappers.parameters import CONTROL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import CellType
    from typing import Any, Final

    from cachu.wrappers.parameters import Parameters

    Bound = tuple[Any, tuple[Any, ...], "dict[str, Any] | None"]


class Unset:
    """The type of `UNSET`, which no caller can pass by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()
_codes: Final[dict[Hashable, CodeType]] = {}
_serial: Final = count()


def wrap(
    function: Callable[..., Any], parameters: Parameters, *, coroutine: bool
) -> tuple[FunctionType, CellType]:
    """Make the wrapper of *function*, in mode "direct", and the cell that counts its hits.

    Its globals lack `miss` and `refuse`, which the caller adds.
    """
    module = getattr(function, "__module__", None)
    namespace: dict[str, Any] = {
        "__name__": module,
        "__builtins__": builtins,
        "UNSET": UNSET,
        "entries": {},
        "function": function,
        "thread": get_ident,
        "time": time,
        "touch": None,
    }
    name = getattr(function, "__name__", type(function).__name__)
    qualname = getattr(function, "__qualname__", name)
    code = wrapper_code(parameters, "direct", coroutine=coroutine, name=name, qualname=qualname)
    hits = counters.cell()
    defaults, control = parameters.defaults, dict.fromkeys(CONTROL)
    if templates.has_surplus(parameters.shape):
        wrapper = FunctionType(code, namespace, name, (*defaults, UNSET, None, None), (hits,))
    else:
        wrapper = FunctionType(code, namespace, name, defaults, (hits,))
        wrapper.__kwdefaults__ = {**parameters.keyword_defaults, **control}
    return wrapper, hits


def wrapper_code(
    parameters: Parameters, mode: str, *, coroutine: bool, name: str, qualname: str
) -> CodeType:
    """Return the code of a wrapper in another mode, to be put into one that exists."""
    shape = parameters.shape
    code = _codes.get((shape, mode, coroutine))
    if code is None:
        source = templates.wrapper(shape, mode, coroutine=coroutine)
        code = _codes[shape, mode, coroutine] = _compile(source, mode)
    return _rename(code, parameters.names, name, qualname)


def binder(function: Callable[..., Any], parameters: Parameters) -> Callable[..., Bound]:
    """Make a function that binds a call as Python does and returns (raw key, args, kwargs)."""
    shape = parameters.shape
    code = _codes.get(shape)
    if code is None:
        code = _codes[shape] = _compile(templates.binder(shape), "binder")
    name = getattr(function, "__name__", type(function).__name__)
    qualname = getattr(function, "__qualname__", name)
    namespace = {"__builtins__": builtins, "UNSET": UNSET}
    bind = FunctionType(
        _rename(code, parameters.names, name, qualname), namespace, name, parameters.defaults
    )
    bind.__kwdefaults__ = parameters.keyword_defaults
    return bind


def _compile(source: str, mode: str) -> CodeType:
    import linecache

    filename = f"<cachu {mode} {next(_serial)}>"
    # Registered, so that debuggers and tracebacks can show it.
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    make = _inner_code(compile(source, filename, "exec"))
    return _inner_code(make)


def _inner_code(code: CodeType) -> CodeType:
    return next(const for const in code.co_consts if isinstance(const, CodeType))


def _rename(code: CodeType, names: tuple[str, ...], name: str, qualname: str) -> CodeType:
    """Give the parameters p0, p1, ... and the local variables of a template their names.

    The template's own variables get names that no parameter and no keyword can have.
    """
    new = {f"p{i}": parameter for i, parameter in enumerate(names)}
    ours = {
        name: f".{name}" for name in code.co_varnames if name not in new and name not in CONTROL
    }
    changes: dict[str, Any] = {
        "co_varnames": tuple((new | ours).get(name, name) for name in code.co_varnames),
        "co_consts": tuple(_rename_keywords(const, new) for const in code.co_consts),
        "co_name": name,
    }
    if sys.version_info >= (3, 11):
        changes["co_qualname"] = qualname
    return code.replace(**changes)


def _rename_keywords(const: object, new: dict[str, str]) -> object:
    """Rename the keywords of a call, which are constants of the code."""
    if isinstance(const, str):
        return new.get(const, const)
    if isinstance(const, tuple):
        return tuple(_rename_keywords(part, new) for part in const)
    return const
