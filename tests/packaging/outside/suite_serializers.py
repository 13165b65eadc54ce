import pytest

from cachu.testing.key_suite import *
from cachu.testing.value_suite import *


@pytest.fixture(params=["digest", "text"])
def cachu_key_serializer(request):
    return request.param


@pytest.fixture(params=["pickle", "pickle-signed"])
def cachu_serializer(request):
    return request.param
