"""A time to live, as one number of seconds."""

from __future__ import annotations

import math
import sys

from cachu.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import TypeGuard

_ACCEPTED = "a number of seconds, a timedelta, or None for entries that never expire"


def seconds(ttl: float | timedelta | None) -> float:
    """Turn a time to live into seconds.

    Args:
        ttl: An int, a float or a `timedelta`; zero or less means "do not store", None that entries
            never expire.

    Returns:
        The seconds as a float, `math.inf` for None. Equal times are equal floats.

    Raises:
        ConfigurationError: For anything else: a bool, a string, NaN or minus infinity.
    """
    if ttl is None:
        return math.inf
    if isinstance(ttl, (int, float)) and not isinstance(ttl, bool):
        try:
            number = float(ttl)
        except OverflowError:
            raise ConfigurationError("ttl is too large; None means never to expire.") from None
        if math.isnan(number) or number == -math.inf:
            raise ConfigurationError(f"ttl must be {_ACCEPTED}, got {number!r}.")
        return number + 0.0  # -0.0 becomes 0.0
    if is_timedelta(ttl):
        return ttl.total_seconds()
    raise ConfigurationError(f"ttl must be {_ACCEPTED}, got {ttl!r} ({type(ttl).__name__}).")


def is_timedelta(value: object) -> TypeGuard[timedelta]:
    """Tell whether a value is a `timedelta`, without importing `datetime` to find out.

    Args:
        value: Anything.

    Returns:
        False too if nobody has imported `datetime`, for then there are no such values.
    """
    datetime = sys.modules.get("datetime")
    return datetime is not None and isinstance(value, datetime.timedelta)


def spell(ttl: float) -> str:
    """Write a time to live as the part of a region's name: `300`, `0.5`, `inf`.

    Args:
        ttl: Seconds, as `seconds` returns them.

    Returns:
        The shortest text that reads back as exactly this float.
    """
    return repr(float(ttl) + 0.0).removesuffix(".0")
