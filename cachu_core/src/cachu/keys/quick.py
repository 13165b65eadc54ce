"""Handlers of the commonest value types of the standard library, each written out.

They give what `natives` gives for the parts of such a value, at half the cost. They are for the
very classes: a subclass may override the attributes that are read here.
"""

from __future__ import annotations

from cachu.keys.canonical import HANDLERS, MAX_DEPTH, TEXTS, deeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from cachu.keys.canonical import Handler

__all__ = ["QUICK"]


def _date(start: bytes) -> Handler:
    form = _form(start, 3)

    def date(value: Any, depth: int) -> bytes:
        if depth >= MAX_DEPTH:
            deeper(depth)
        return form % (value.year, value.month, value.day)

    return date


def _datetime(start: bytes) -> Handler:
    form = _form(start, 9, 8)

    def datetime(value: Any, depth: int) -> bytes:
        depth = depth + 1 if depth < MAX_DEPTH else deeper(depth)
        zone = value.tzinfo
        return form % (
            value.year,
            value.month,
            value.day,
            value.hour,
            value.minute,
            value.second,
            value.microsecond,
            value.fold,
        ) + (b"N" if zone is None else HANDLERS[type(zone)](zone, depth))

    return datetime


def _time(start: bytes) -> Handler:
    form = _form(start, 6, 5)

    def time(value: Any, depth: int) -> bytes:
        depth = depth + 1 if depth < MAX_DEPTH else deeper(depth)
        zone = value.tzinfo
        return form % (
            value.hour,
            value.minute,
            value.second,
            value.microsecond,
            value.fold,
        ) + (b"N" if zone is None else HANDLERS[type(zone)](zone, depth))

    return time


def _timedelta(start: bytes) -> Handler:
    form = _form(start, 3)

    def timedelta(value: Any, depth: int) -> bytes:
        if depth >= MAX_DEPTH:
            deeper(depth)
        return form % (value.days, value.seconds, value.microseconds)

    return timedelta


def _timezone(start: bytes) -> Handler:
    start += b"t2:"

    def timezone(value: Any, depth: int) -> bytes:
        depth = depth + 1 if depth < MAX_DEPTH else deeper(depth)
        offset, name = value.utcoffset(None), value.tzname(None)
        return start + HANDLERS[type(offset)](offset, depth) + HANDLERS[type(name)](name, depth)

    return timezone


def _decimal(start: bytes) -> Handler:
    start += b"t3:"

    def decimal(value: Any, depth: int) -> bytes:
        deeper(deeper(depth))
        # Reading the text is cheaper than `as_tuple`. What has an exponent or is no number goes on.
        text = str(value)
        sign = 1 if text[0] == "-" else 0
        whole, _, places = text[sign:].partition(".")
        digits = whole + places
        if digits.isdigit():
            digits = digits.lstrip("0") or "0"
            size, content = len(digits), b"i%b;" % ";i".join(digits).encode()
            return b"%bi%d;t%d:%bi%x;" % (start, sign, size, content, -len(places))
        sign, figures, exponent = value.as_tuple()
        content = b"".join([b"i%d;" % figure for figure in figures])
        end = b"i%x;" % exponent if type(exponent) is int else TEXTS[exponent]
        return b"%bi%d;t%d:%b%b" % (start, sign, len(figures), content, end)

    return decimal


def _path(start: bytes) -> Handler:
    start += b"t1:"
    text = HANDLERS[str]

    def path(value: Any, depth: int) -> bytes:
        if depth >= MAX_DEPTH:
            deeper(depth)
        return start + text(value.__fspath__(), depth)

    return path


def _uuid(start: bytes) -> Handler:
    start += b"t1:"

    def uuid(value: Any, depth: int) -> bytes:
        depth = depth + 1 if depth < MAX_DEPTH else deeper(depth)
        number = value.int
        return start + HANDLERS[type(number)](number, depth)

    return uuid


def _form(start: bytes, size: int, integers: int | None = None) -> bytes:
    """Return the format of a tuple of *size* that begins with *integers*, by default only those."""
    parts = b"i%x;" * (size if integers is None else integers)
    return b"%bt%d:%b" % (start.replace(b"%", b"%%"), size, parts)


QUICK: Final[dict[tuple[str, str], Callable[[bytes], Handler]]] = {
    ("datetime", "date"): _date,
    ("datetime", "datetime"): _datetime,
    ("datetime", "time"): _time,
    ("datetime", "timedelta"): _timedelta,
    ("datetime", "timezone"): _timezone,
    ("decimal", "Decimal"): _decimal,
    ("pathlib", "PosixPath"): _path,
    ("pathlib", "PurePosixPath"): _path,
    ("pathlib", "PureWindowsPath"): _path,
    ("pathlib", "WindowsPath"): _path,
    ("uuid", "UUID"): _uuid,
}
"""What turns the first bytes of a value of such a class into its handler, by module and name."""
