"""Which handler encodes the instances of a class, decided on the first sight of the class.

Each kind of object has a tag of its own, so that no two kinds can look alike:

    n   a value type of the standard library        u   an instance of a subclass of one of those
    k   a class with `__cache_key__()`              r   a record: dataclass, attrs, pydantic
    e   an enum member                              p   anything else, as pickle would save it
    m   a bound method                              a   numpy

Nothing is imported to recognise a class: an object of class `decimal.Decimal` exists only where
`decimal` was imported already, and the names of a class say what it is.
"""

from __future__ import annotations

import sys
from types import ModuleType

from cachu.errors import UncacheableArgumentError
from cachu.keys.canonical import HANDLERS, deeper, nested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachu.keys.canonical import Handler

__all__ = ["bound_method", "choose", "global_object", "header", "name_of", "title", "title_of"]

_HEAP_TYPE = 1 << 9


def choose(cls: type) -> Handler:
    """Return the handler of a class that `canonical` does not know by itself.

    Raises:
        UncacheableArgumentError: Instances of the class have no stable form. This is found out
            anew at every call, because a class may get its name after its first instance.
    """
    from cachu.keys.natives import exact_native, subclass_of_native

    if _defines(cls, "__cache_key__"):
        return _keyed(cls)
    native = exact_native(cls)
    if native is not None:
        HANDLERS[cls] = native
        return native
    if issubclass(cls, type):
        return global_object
    if any(base.__module__ == "numpy" for base in cls.__mro__):
        from cachu.keys.arrays import numpy_handler

        handler = numpy_handler(cls)
        if handler is not None:
            return handler
    if any(type_name(base) == ("enum", "Enum") for base in cls.__mro__):
        return _enum(cls)
    from cachu.keys.records import record
    from cachu.keys.states import pickled

    return subclass_of_native(cls) or record(cls) or pickled(cls)


def type_name(cls: type) -> tuple[str, str]:
    """Return the module and the qualified name of a class, as the class states them."""
    return str(cls.__module__), cls.__qualname__


def _defines(cls: type, name: str) -> bool:
    return any(name in vars(base) for base in cls.__mro__)


def title(module: str, qualname: str) -> str:
    """Return the name under which a class or function appears in a key.

    Modules that moved keep one of their names, so that the key is the same on both sides of the
    move.
    """
    if module == "__mp_main__":
        module = "__main__"
    elif module.startswith("pathlib._"):
        module = "pathlib"
    elif module == "numpy.core" or module.startswith("numpy.core."):
        module = "numpy._core" + module[len("numpy.core") :]
    return f"{module}:{qualname}"


def header(tag: bytes, name: str) -> bytes:
    """Return the tag and the framed name with which an encoded object begins."""
    data = name.encode("utf-8", "surrogatepass")
    return b"%b%d:%b" % (tag, len(data), data)


def title_of(value: object, module: object, qualname: object) -> str | None:
    """Return the title of an object, or None if its names do not lead back to that very object."""
    if not isinstance(module, str) or not isinstance(qualname, str):
        return None
    found: Any = sys.modules.get(module)
    # A generic class may have a dot in its name, as pydantic's `Page[app.User]`.
    if getattr(found, qualname, None) is not value:
        for part in qualname.split("."):
            found = getattr(found, part, None)
        # A classmethod is found bound.
        if found is not value and getattr(found, "__func__", None) is not value:
            return None
    return title(module, qualname)


def name_of(cls: type) -> str:
    """Return the title of a class that its name leads back to.

    Raises:
        UncacheableArgumentError: The class is local to a function, or its name now means another.
    """
    module, qualname = type_name(cls)
    if module == "builtins" and not cls.__flags__ & _HEAP_TYPE:
        # Some built-in classes have no public name (`NoneType`), but nobody can make another one.
        return title(module, qualname)
    found = title_of(cls, module, qualname)
    if found is None:
        raise UncacheableArgumentError(
            f"its class {module}.{qualname} cannot be found under that name, so that nothing "
            "stable tells it from other classes (it was made inside a function, or replaced later)"
        )
    return found


def global_object(value: Any, _depth: int) -> bytes:
    """Encode a class or a function by its name."""
    if isinstance(value, type):
        return header(b"g", name_of(value))
    module, qualname = value.__module__, value.__qualname__
    found = title_of(value, module, qualname)
    if found is None:
        what = "lambda" if qualname.endswith("<lambda>") else "function"
        raise UncacheableArgumentError(
            f"the {what} {module}.{qualname} cannot be found under that name, so that nothing "
            "stable tells it from other functions"
        )
    return header(b"g", found)


def built_in_function(value: Any, depth: int) -> bytes:
    """Encode `len` or `math.sin` by name, and `[].append` as the bound method that it is."""
    owner = value.__self__
    if owner is None or isinstance(owner, ModuleType):
        return global_object(value, depth)
    return header(b"m", "") + nested((owner, value.__name__), depth)


def bound_method(value: Any, depth: int) -> bytes:
    """Encode a bound method by its object and its function."""
    return header(b"m", "") + nested((value.__self__, value.__func__), depth)


def _keyed(cls: type) -> Handler:
    # A local class may say who it is: the name need not lead back to it.
    start = header(b"k", title(*type_name(cls))) + b"t1:"

    def keyed(value: Any, depth: int) -> bytes:
        return start + nested(value.__cache_key__(), deeper(depth))

    return keyed


def _enum(cls: type) -> Handler:
    start = header(b"e", name_of(cls)) + b"t1:"
    # The names of combined flags differ between versions of Python; their values do not.
    by_value = any(type_name(base) == ("enum", "Flag") for base in cls.__mro__)

    def member(value: Any, depth: int) -> bytes:
        name = None if by_value else value._name_
        return start + nested(value._value_ if name is None else name, deeper(depth))

    return member
