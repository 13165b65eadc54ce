"""Times to live (T1)."""

from __future__ import annotations

import math
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachu.errors import ConfigurationError
from cachu.ttls import seconds, spell

finite = st.floats(allow_nan=False, allow_infinity=False)


def test_equal_times_are_one_float() -> None:
    """T1: 60, 60.0 and timedelta(minutes=1) are one region."""
    given_as = [60, 60.0, timedelta(minutes=1)]
    assert [seconds(ttl) for ttl in given_as] == [60.0] * 3
    assert {type(seconds(ttl)) for ttl in given_as} == {float}
    assert {spell(seconds(ttl)) for ttl in given_as} == {"60"}


def test_none_never_expires() -> None:
    """T1: None is math.inf spelt otherwise."""
    assert seconds(None) == seconds(math.inf) == math.inf


@pytest.mark.parametrize("ttl", [0, -0.0, -1, timedelta(0), timedelta(seconds=-5)])
def test_zero_or_less_is_allowed(ttl: float | timedelta) -> None:
    """T1: zero or less means "do not store", which is no mistake."""
    assert seconds(ttl) <= 0
    assert not spell(seconds(ttl)).startswith("-0")


@pytest.mark.parametrize(
    "ttl", [True, False, "60", b"61", math.nan, -math.inf, [60], object(), Fraction(1, 2), 1j]
)
def test_anything_else_is_refused(ttl: object) -> None:
    """T1: the message names what was given and what is accepted."""
    with pytest.raises(ConfigurationError) as caught:
        seconds(ttl)
    message = str(caught.value)
    assert repr(ttl) in message
    assert all(word in message for word in ("seconds", "timedelta", "None"))


def test_a_number_too_large_for_a_float_is_refused() -> None:
    """T1: no OverflowError reaches the caller."""
    with pytest.raises(ConfigurationError, match="None"):
        seconds(10**400)


@pytest.mark.parametrize(
    ("ttl", "text"),
    [(300.0, "300"), (0.5, "0.5"), (math.inf, "inf"), (0.1 + 0.2, "0.30000000000000004"), (7, "7")],
)
def test_the_spelling_is_short(ttl: float, text: str) -> None:
    """T1: region names are stable."""
    assert spell(ttl) == text


@given(finite)
def test_the_spelling_is_exact(ttl: float) -> None:
    """T1: two times never share a region."""
    assert float(spell(ttl)) == ttl


@given(st.integers(min_value=-(2**53), max_value=2**53))
def test_whole_seconds_are_exact_whatever_they_come_as(number: int) -> None:
    """T1: int and float agree."""
    assert seconds(number) == seconds(float(number)) == number
