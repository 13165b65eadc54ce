"""Canonical bytes as text that a person can read, without losing any distinction."""

from __future__ import annotations

__all__ = ["render"]

_LONG = 128
_SHOWN = 32
_LONG_INT = 40
_CONSTANTS = {b"N": "None", b"T": "True", b"F": "False"}
_BRACKETS = {
    b"l": ("[", "]"),
    b"S": ("{", "}"),
    b"Z": ("frozenset({", "})"),
    b"d": ("{", "}"),
}
# What follows the name of a class, so that no two ways to encode an object look alike.
_KINDS = {
    b"n": "",
    b"a": "",
    b"k": ".__cache_key__",
    b"e": ".enum",
    b"r": ".fields",
    b"u": ".subclass",
    b"p": ".state",
    b"m": "method",
}


def render(data: bytes) -> str:
    """Return the readable form of the canonical bytes of one value.

    Args:
        data: What `canonical.encode` returned.

    Returns:
        Printable ASCII, different for different bytes.
    """
    return _value(data, 0)[0]


def _value(data: bytes, at: int) -> tuple[str, int]:
    tag = data[at : at + 1]
    at += 1
    if tag in _CONSTANTS:
        return _CONSTANTS[tag], at
    if tag in b"ifc":
        return _number(tag, data, at)
    colon = data.index(b":", at)
    size, at = int(data[at:colon]), colon + 1
    if tag in b"sby":
        return _string(tag, data[at : at + size]), at + size
    if tag == b"g":
        return f"<{_name(data[at : at + size])}>", at + size
    if tag in _KINDS:
        content, end = _value(data, at + size)
        return f"{_name(data[at : at + size])}{_KINDS[tag]}{content}", end
    items = []
    for _ in range(size):
        item, at = _value(data, at)
        if tag == b"d":
            value, at = _value(data, at)
            item = f"{item}: {value}"
        items.append(item)
    return _container(tag, items), at


def _number(tag: bytes, data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b";", at)
    digits = data[at:end]
    if tag == b"i":
        # Longer ones nobody reads, and at some length the interpreter refuses to spell them.
        if len(digits) > _LONG_INT:
            return f"int({_string(b's', digits)}, 16)", end + 1
        return str(int(digits, 16)), end + 1
    number = repr(float.fromhex(digits.decode()))
    if tag == b"f":
        return number, end + 1
    imaginary, end = _number(b"f", data, end + 1)
    return f"complex({number}, {imaginary})", end


def _string(tag: bytes, data: bytes) -> str:
    content = data.decode("utf-8", "surrogatepass") if tag == b"s" else data
    if len(data) <= _LONG:
        shown = ascii(content)
    else:
        from hashlib import blake2b

        digest = blake2b(data, digest_size=16).hexdigest()
        shown = f"{content[:_SHOWN]!a}...<{len(data)} bytes, {digest}>"
    return f"bytearray({shown})" if tag == b"y" else shown


def _container(tag: bytes, items: list[str]) -> str:
    inside = ", ".join(items)
    if tag == b"t":
        return f"({inside},)" if len(items) == 1 else f"({inside})"
    if tag == b"S" and not items:
        return "set()"
    opening, closing = _BRACKETS[tag]
    return f"{opening}{inside}{closing}"


def _name(data: bytes) -> str:
    name = data.decode("utf-8", "surrogatepass")
    plain = name.isascii() and all(char.isalnum() or char in "_.:<>" for char in name)
    return name if plain else ascii(name)
