"""The key serializers that ship with cachu pass the suite of plugins."""

import pytest

from cachu.testing.key_suite import *  # noqa: F403


@pytest.fixture(params=["digest", "text"])
def cachu_key_serializer(request):
    return request.param
