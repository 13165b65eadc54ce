"""The diskcache backend behaves as every backend does, in both colours."""

import pytest

from cachu.testing.suite import *  # noqa: F403


@pytest.fixture
def cachu_backend(tmp_path):
    return {"backend": "diskcache", "diskcache_dir": tmp_path}
