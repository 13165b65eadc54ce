"""The options that a plugin declares, and the words for options that are wrong."""

from __future__ import annotations

import sys

from cachu.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_SECRET = ("secret", "password", "passwd", "token", "credential", "api_key")


class Settings:
    """Base class of a plugin's settings: annotated class attributes with defaults are its options.

        class MemorySettings(Settings):
            memory_maxsize: int | None = None

            def check(self) -> None:
                if self.memory_maxsize is not None and self.memory_maxsize < 1:
                    raise ValueError("memory_maxsize must be at least 1, or None for no limit.")

    Settings are read-only. Types are checked as they are annotated, except that an int will do for
    a float, a bool is no int, and what an annotation promises of a container's elements is left to
    `check`, as are annotations that cannot be evaluated.

    Args:
        **options: The options that were set; all others have their defaults.

    Raises:
        ConfigurationError: If an option does not exist or has a value that it cannot have.
    """

    def __init__(self, **options: object) -> None:
        declared = self.options()
        for name, value in options.items():
            if name not in declared:
                raise ConfigurationError(
                    f"There is no option {name!r}.{did_you_mean(name, declared)}"
                    f" Options: {', '.join(sorted(declared)) or 'none'}."
                )
            check_type(name, value, *_annotation(type(self), name))
        self.__dict__.update(options)
        try:
            self.check()
        except ConfigurationError:
            raise
        except ValueError as error:
            raise ConfigurationError(str(error)) from error

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Let checkers accept the options of whatever `Config.settings()` returns."""

    def check(self) -> None:
        """Refuse what types cannot express, and `settle` what would mean something else later.

        Raises:
            ValueError: With a sentence that says what is wrong and what to do.
        """

    def settle(self, option: str, value: object) -> None:
        """Keep *value* as what *option* was set to, such as an absolute path for a relative one.

        Args:
            option: The option; only `check` may change it.
            value: Its value from now on.
        """
        object.__setattr__(self, option, value)

    @classmethod
    def options(cls) -> dict[str, Any]:
        """List the options.

        Returns:
            Every option's default, by name.

        Raises:
            TypeError: If one was declared without a default.
        """
        found: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            for name, annotation in _own_annotations(base).items():
                if name.startswith("_") or "ClassVar" in str(annotation):
                    continue
                if not hasattr(cls, name):
                    raise TypeError(f"The option {name!r} of {cls.__qualname__} needs a default.")
                found[name] = getattr(cls, name)
        return found

    @classmethod
    def hint(cls, option: str) -> Any:
        """Return the type that an option is annotated with, `typing.Any` if that is not known."""
        return _annotation(cls, option)[0]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Settings are read-only; use cachu.configure({name}=...).")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Settings are read-only; use cachu.configure({name}=cachu.DEFAULT).")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.options())

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        shown = (f"{name}={redacted(name, getattr(self, name))}" for name in self.options())
        return f"{type(self).__name__}({', '.join(shown)})"


def check_type(name: str, value: object, hint: object, expected: str) -> None:
    """Refuse a value that is not of the annotated type.

    Args:
        name: The option.
        value: What it was set to.
        hint: The evaluated annotation.
        expected: The annotation in words, for the message.

    Raises:
        ConfigurationError: Naming the option, what it takes and what it was given.
    """
    if not _accepts(hint, value):
        raise ConfigurationError(f"{name} must be {expected}, got {got(name, value)}.")


def got(name: str, value: object) -> str:
    """Describe a value that an option was given, for a message.

    Args:
        name: The option.
        value: The value.

    Returns:
        The value, unless it is secret, and its type.
    """
    return f"{redacted(name, value)} ({type(value).__name__})"


def redacted(name: str, value: object) -> str:
    """Show the value of an option without the secrets in it.

    Args:
        name: The option; what is called a password, a secret or a token is never shown.
        value: Its value.

    Returns:
        A `repr`, with `***` for secrets and for the credentials in URLs; of an object, its type.
    """
    if value is not None and any(word in name.lower() for word in _SECRET):
        return "'***'"
    if hasattr(value, "__fspath__"):
        value = str(value)
    if isinstance(value, str):
        return repr(_without_credentials(value) if "://" in value else value)
    if isinstance(value, dict):
        pairs = (f"{key!r}: {redacted(str(key), item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"{type(value).__name__}({', '.join(redacted('', item) for item in value)})"
    if value is None or isinstance(value, (bool, int, float)) or hasattr(value, "total_seconds"):
        return repr(value)
    kind: Any = value if hasattr(value, "__qualname__") else type(value)
    what = f"{kind.__module__}.{kind.__qualname__}"
    return f"<{what}>" if kind is value else f"<{what} object>"


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Suggest what a misspelt name may have meant.

    Args:
        name: The name that nobody knows.
        candidates: The names that exist.

    Returns:
        A sentence with a leading space, or nothing.
    """
    from difflib import get_close_matches

    close = get_close_matches(name, list(candidates), n=1, cutoff=0.7)
    return f" Did you mean {close[0]!r}?" if close else ""


def _without_credentials(url: str) -> str:
    import re

    url = re.sub(r"://.*@", "://***@", url, flags=re.DOTALL)
    secret = rf"([?&][^=&]*(?:{'|'.join(_SECRET)})[^=&]*=)[^&#]*"
    return re.sub(secret, r"\1***", url, flags=re.IGNORECASE)


def _own_annotations(cls: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.STRING)
    from inspect import get_annotations

    return get_annotations(cls)


def _annotation(cls: type, name: str) -> tuple[object, str]:
    """Evaluate the annotation of one option, and say it in words."""
    from types import SimpleNamespace
    from typing import Any, get_type_hints

    for base in cls.__mro__:
        annotation = _own_annotations(base).get(name)
        if annotation is None:
            continue
        # One by one: an option annotated with a driver's class, which only type checkers import,
        # must not cost the others their check.
        one = SimpleNamespace(__annotations__={name: annotation})
        try:
            hint = get_type_hints(one, vars(sys.modules[base.__module__]), dict(vars(base)))[name]
        except Exception:
            hint = Any
        if isinstance(annotation, str):
            return hint, annotation
        return hint, getattr(annotation, "__name__", None) or str(annotation)
    return Any, "anything"


def _accepts(hint: Any, value: object) -> bool:
    import types
    import typing

    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        return any(_accepts(argument, value) for argument in arguments)
    if origin is typing.Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    kind = origin or hint
    if kind is int or kind is float:
        number = int if kind is int else (int, float)
        return isinstance(value, number) and not isinstance(value, bool)
    try:
        return not isinstance(kind, type) or isinstance(value, kind)
    except TypeError:  # a protocol that is not checkable at run time
        return True
