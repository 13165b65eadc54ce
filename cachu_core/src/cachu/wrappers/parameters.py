"""What a function takes, and which of it makes the key."""

from __future__ import annotations

from functools import partial
from types import FunctionType

from cachu.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from inspect import Signature
    from typing import Any, TypeAlias

    # What two functions must have in common to share the code of a wrapper: how many parameters
    # are positional-only, positional and keyword-only, whether there are *args and **kwargs, which
    # ones make the key, and the receiver.
    Shape: TypeAlias = tuple[int, int, int, bool, bool, tuple[bool, ...], str]

_VARARGS, _VARKEYWORDS = 0x04, 0x08
CONTROL = ("_skip_cache", "_overwrite_cache")


class Parameters:
    """The parameters of a function.

    Attributes:
        names: All, in the order of a code object: positional, keyword-only, *args, **kwargs.
        shape: What the compiled wrapper depends on.
        defaults: The default values of the last positional ones.
        keyword_defaults: The default values of keyword-only ones, by name.
        keyed: The names of those that make the key, in that order.
        raw_keyed: Those whose values make a raw key: all but `*args` and `**kwargs`.
        receiver: "self" or "cls" if the first of those is that, else empty.
        variadic: The names of `*args` and `**kwargs`.
        raw: Whether their values as passed may stand for the key.
    """

    __slots__ = (
        "_frozen",
        "_inside",
        "defaults",
        "keyed",
        "keyword_defaults",
        "names",
        "raw",
        "raw_keyed",
        "receiver",
        "shape",
        "variadic",
    )

    def __init__(
        self,
        names: tuple[str, ...],
        positional_only: int,
        positional: int,
        keyword_only: int,
        *,
        star: bool,
        double_star: bool,
        defaults: tuple[Any, ...],
        keyword_defaults: dict[str, Any],
        exclude: Collection[str],
    ) -> None:
        _refuse_unknown(exclude, names)
        _refuse_control(names)
        self.raw: bool = True
        self._frozen: partial[Any] | None = None
        self._inside: Signature | None = None
        self.names: tuple[str, ...] = names
        self.defaults: tuple[Any, ...] = defaults
        self.keyword_defaults: dict[str, Any] = keyword_defaults
        keyed = tuple(name[0] != "_" and name not in exclude for name in names)
        self.keyed: tuple[str, ...] = tuple(name for name, counts in zip(names, keyed) if counts)
        single = names[: positional + keyword_only]
        self.raw_keyed: tuple[str, ...] = tuple(name for name in self.keyed if name in single)
        self.receiver: str = ""
        self.variadic: tuple[str, ...] = names[positional + keyword_only :]
        if positional and keyed[0] and names[0] in {"self", "cls"}:
            self.receiver = names[0]
        self.shape: Shape = (
            positional_only,
            positional,
            keyword_only,
            star,
            double_star,
            keyed,
            self.receiver,
        )

    @classmethod
    def of(cls, function: Callable[..., Any], exclude: Collection[str] = ()) -> Parameters:
        """Read the parameters of *function*.

        Raises:
            ConfigurationError: If *exclude* names a parameter that it does not have, or if it has
                one that cachu needs for itself, or if its signature cannot be read.
        """
        if isinstance(function, partial):
            return cls._of_partial(function, exclude)
        if type(function) is not FunctionType or hasattr(function, "__signature__"):
            return cls._of_signature(_signature(function), exclude)
        code = function.__code__
        if CONTROL[0] in code.co_varnames and hasattr(function, "__cachu__"):
            # Cached twice, once per backend, say.
            return cls.of(function.__wrapped__, exclude)  # type: ignore[attr-defined]
        star, double_star = bool(code.co_flags & _VARARGS), bool(code.co_flags & _VARKEYWORDS)
        count = code.co_argcount + code.co_kwonlyargcount + star + double_star
        return cls(
            code.co_varnames[:count],
            code.co_posonlyargcount,
            code.co_argcount,
            code.co_kwonlyargcount,
            star=star,
            double_star=double_star,
            defaults=function.__defaults__ or (),
            keyword_defaults=function.__kwdefaults__ or {},
            exclude=exclude,
        )

    @classmethod
    def _of_signature(cls, signature: Signature, exclude: Collection[str]) -> Parameters:
        only, either, keyword, star, double_star = _by_kind(signature)
        positional = [*only, *either]
        return cls(
            tuple(p.name for p in (*positional, *keyword, *star, *double_star)),
            len(only),
            len(positional),
            len(keyword),
            star=bool(star),
            double_star=bool(double_star),
            defaults=tuple(p.default for p in positional if p.default is not p.empty),
            keyword_defaults={p.name: p.default for p in keyword if p.default is not p.empty},
            exclude=exclude,
        )

    @classmethod
    def _of_partial(cls, function: partial[Any], exclude: Collection[str]) -> Parameters:
        """Read what a partial still takes; its keys are those of the function inside."""
        inner, outside = cls.of(function.func, exclude), _signature(function)
        made = cls._of_signature(outside, set(exclude) & set(outside.parameters))
        made.keyed, made.receiver, made.raw = inner.keyed, inner.receiver, False
        made.variadic = inner.variadic
        made._frozen, made._inside = function, _signature(function.func)  # noqa: SLF001
        return made

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the arguments of a bound call by name, in the order of `names`.

        *args* has every positional parameter and what goes into `*args`; *kwargs* has every
        keyword-only parameter and what goes into `**kwargs`. Frozen arguments count as passed.
        """
        if self._frozen is not None and self._inside is not None:
            passed = {**self._frozen.keywords, **(kwargs or {})}
            bound = self._inside.bind(*self._frozen.args, *args, **passed)
            bound.apply_defaults()
            return dict(bound.arguments)
        positional, keyword_only = self.shape[1], self.shape[2]
        names = self.names
        found = dict(zip(names[:positional], args))
        rest = dict(kwargs or ())
        for name in names[positional : positional + keyword_only]:
            found[name] = rest.pop(name)
        more = names[positional + keyword_only :]
        found.update(zip(more, self._variadic(args[positional:], rest)))
        return found

    def of_raw(self, raw: Any) -> dict[str, Any]:
        """Return the arguments that count, by name, of the call with the raw key *raw*."""
        values = (raw,) if len(self.raw_keyed) == 1 else raw
        found = dict(zip(self.raw_keyed, values))
        rest = self.names[self.shape[1] + self.shape[2] :]
        nothing = dict(zip(rest, self._variadic((), {})))
        return found | {name: nothing[name] for name in self.keyed if name in nothing}

    def _variadic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        star, double_star = self.shape[3], self.shape[4]
        return [args] * star + [kwargs] * double_star


def _signature(function: Callable[..., Any]) -> Signature:
    from inspect import signature

    try:
        return signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"cachu cannot read the parameters of {function!r}: {error}. Wrap it in a function of "
            "your own and decorate that."
        ) from error


def _by_kind(signature: Signature) -> tuple[list[Any], ...]:
    kinds: tuple[list[Any], ...] = ([], [], [], [], [])
    for parameter in signature.parameters.values():
        # inspect orders its kinds: positional only, either, *args, keyword only, **kwargs.
        kinds[(0, 1, 3, 2, 4)[int(parameter.kind)]].append(parameter)
    return kinds


def _refuse_unknown(exclude: Collection[str], names: tuple[str, ...]) -> None:
    unknown = sorted(set(exclude) - set(names))
    if unknown:
        has = ", ".join(names) or "none"
        raise ConfigurationError(
            f"exclude={unknown!r} names no parameter of the function; it has: {has}"
        )


def _refuse_control(names: tuple[str, ...]) -> None:
    for name in CONTROL:
        if name in names:
            raise ConfigurationError(
                f"the function has a parameter {name!r}, which cachu adds to every cached "
                "function for itself; rename the parameter"
            )
