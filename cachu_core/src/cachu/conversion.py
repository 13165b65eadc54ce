"""From the text of an environment variable, or of a command line, to the value of an option."""

from __future__ import annotations

from cachu.errors import ConfigurationError
from cachu.settings import redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")


def converted(option: str, text: str, hint: Any) -> Any:
    """Return what a text means for an option.

    Args:
        option: Its name, for the message.
        text: The text. Numbers and switches are written as usual (`30`, `0.5`, `true`, `off`), None
            as `none`, and what is a list or a dict as JSON.
        hint: The type that the option is annotated with.

    Raises:
        ConfigurationError: If the text cannot be read as that.
    """
    import types
    import typing

    origin, choices = typing.get_origin(hint), (hint,)
    if origin is typing.Union or origin is types.UnionType:
        choices = typing.get_args(hint)
    # Text last, and paths after it: everything is text.
    for choice in sorted(choices, key=lambda each: hasattr(each, "__fspath__") * 2 + (each is str)):
        value = _as(choice, text)
        if value is not _NOT:
            return value
    names = " or ".join(sorted({getattr(each, "__name__", str(each)) for each in choices}))
    raise ConfigurationError(f"{option} must be {names}, got {redacted(option, text)}.")


_NOT: Final = object()


def _as(hint: Any, text: str) -> Any:
    """Return *text* as one type, `_NOT` if it is no such thing."""
    import typing

    kind = typing.get_origin(hint) or hint
    if kind is str or (isinstance(kind, type) and hasattr(kind, "__fspath__")):
        return kind(text)
    if kind is typing.Literal:
        return next((each for each in typing.get_args(hint) if str(each) == text), _NOT)
    return _NUMBERS[kind](text.strip().lower()) if kind in _NUMBERS else _from_json(kind, text)


def _number(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            return _NOT

    return read


_NUMBERS: Final[dict[Any, Callable[[str], Any]]] = {
    int: _number(int),
    float: _number(float),
    bool: lambda text: text in _TRUE if text in (*_TRUE, *_FALSE) else _NOT,
    type(None): lambda text: None if text in ("none", "null") else _NOT,
}


def _from_json(kind: Any, text: str) -> Any:
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return _NOT
    if kind in (tuple, set, frozenset) and isinstance(value, list):
        return kind(value)
    return value if isinstance(kind, type) and isinstance(value, kind) else _NOT
