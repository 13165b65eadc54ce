"""The null backend keeps nothing, so most of the contract is not for it."""

import pytest


@pytest.fixture
def cachu_backend():
    return "null"
