import pytest

from cachu.testing.suite import *


@pytest.fixture
def cachu_backend():
    return "dogpile.cache.memory"
