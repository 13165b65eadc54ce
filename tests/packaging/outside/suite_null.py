"""The null backend keeps nothing, so most of the contract is not for it."""

import pytest
from cachu.testing.suite import (
    clock,
    colour,
    test_errors_are_misses,
    test_no_value_is_falsy_and_single,
    test_nothing_cached_is_a_key_error,
    test_nothing_is_no_value,
    test_zero_or_less_stores_nothing,
)


@pytest.fixture
def cachu_backend():
    return "null"
