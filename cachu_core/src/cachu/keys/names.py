"""How a key is put together: prefix, package, function, and last what stands for the arguments."""

from __future__ import annotations

from cachu.packages import escape


def function_part(key_prefix: str, package: str, function: str) -> str:
    """Return what the keys of one function begin with, up to but without their last colon."""
    return f"{key_prefix}{escape(package)}:{escape(function)}"


def join(function: str, arguments: str) -> str:
    """Return the key of one call; a colon in *arguments* is written so that it is not the last."""
    if ":" in arguments or "%" in arguments:
        arguments = arguments.replace("%", "%25").replace(":", "%3A")
    return f"{function}:{arguments}"


def function_of(key: str) -> str:
    """Return the function part of *key*, or the empty text for a key of somebody's own."""
    return key.rpartition(":")[0]
