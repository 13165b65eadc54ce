"""numpy arrays, scalars and dtypes by dtype, shape and content, without importing numpy."""

from __future__ import annotations

import sys

from cachu.keys.canonical import nested
from cachu.keys.classes import header, title, type_name
from cachu.keys.natives import derived

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachu.keys.canonical import Handler

__all__ = ["numpy_handler"]

_ARRAY = header(b"a", "numpy:ndarray")
_SCALAR = header(b"a", "numpy:generic")
_DTYPE = header(b"a", "numpy:dtype")

# The kinds whose bytes are their content. The others hold references (O, T) or fields (V).
_PLAIN_KINDS = "biufcmMSUV"


def numpy_handler(cls: type) -> Handler | None:
    """Return the handler of a class derived from one of numpy's; None to leave it to pickle."""
    bases = {type_name(base): base for base in cls.__mro__}
    if ("numpy", "ndarray") in bases:
        base, handler = bases["numpy", "ndarray"], _array
    elif ("numpy", "generic") in bases:
        base = next(each for each in cls.__mro__ if each.__module__ == "numpy")
        handler = _scalar
    elif ("numpy", "dtype") in bases:
        return _dtype
    else:
        return None
    if cls is base:
        return handler
    if cls.__module__ == "numpy" and handler is _array:
        return _view(cls)
    return derived(cls, base, handler)


def _view(cls: type) -> Handler:
    # matrix, memmap and recarray keep only working notes besides the array.
    start = header(b"a", title(*type_name(cls)))

    def view(value: Any, depth: int) -> bytes:
        return start + nested((sys.modules["numpy"].asarray(value),), depth)

    return view


def _array(value: Any, depth: int) -> bytes:
    value = sys.modules["numpy"].asarray(value)
    return _ARRAY + nested((_form(value.dtype), value.shape, _content(value)), depth)


def _scalar(value: Any, depth: int) -> bytes:
    value = sys.modules["numpy"].asarray(value)
    return _SCALAR + nested((_form(value.dtype), _content(value)), depth)


def _dtype(value: Any, depth: int) -> bytes:
    return _DTYPE + nested((_form(value),), depth)


def _form(dtype: Any) -> object:
    """Spell a dtype out: `dtype.str` alone says nothing of fields, nor of other people's types."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return (_form(base), shape)
    if dtype.names is not None:
        fields = [(name, _form(field), offset) for name, (field, offset, *_) in _fields(dtype)]
        return (dtype.str, dtype.itemsize, fields)
    if dtype.type.__module__ != "numpy":
        return (dtype.str, *type_name(dtype.type))
    return dtype.str


def _fields(dtype: Any) -> list[tuple[str, tuple[Any, ...]]]:
    return [(name, dtype.fields[name]) for name in dtype.names]


def _content(array: Any) -> object:
    dtype = array.dtype
    if dtype.names is not None:
        # Field by field: the bytes between them are whatever was in memory before.
        return tuple([_content(array[name]) for name in dtype.names])
    if dtype.kind in "fc" and dtype.itemsize > (8 if dtype.kind == "f" else 16):
        # Likewise inside an extended float; its text is exact.
        return [str(item) for item in array.ravel().tolist()]
    if dtype.kind in _PLAIN_KINDS and not dtype.hasobject:
        return array.tobytes()
    return array.ravel().tolist()
