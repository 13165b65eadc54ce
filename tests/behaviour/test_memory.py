import pytest

from cachu.testing.suite import *  # noqa: F403


@pytest.fixture(params=[None, 100_000], ids=["unbounded", "bounded"])
def cachu_backend(request):
    return {"backend": "memory", "memory_maxsize": request.param}
