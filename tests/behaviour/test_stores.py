import pytest
import shelves  # noqa: F401  registers the backends

from cachu.testing.suite import *  # noqa: F403

CASES = {
    "dict": "dict",
    "async-dict": "async-dict",
    "dict-locked": {"backend": "dict", "lock": "thread"},
    "batch": "batch",
    "leases-only": "leases-only",
    "full": "full",
    "watching-signed-text": {
        "backend": "watching",
        "secret_key": "secret",
        "key_serializer": "text",
    },
    "lease": "lease",
    "whole": "whole",
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def cachu_backend(request):
    return request.param
