import pytest

from cachu.testing.suite import *

del globals()["test_a_fork_in_the_middle_of_calls_hangs_nobody"]  # a known limit of diskcache


@pytest.fixture
def cachu_backend(tmp_path):
    return {"backend": "diskcache", "diskcache_dir": tmp_path}


@pytest.fixture
def cachu_foreign(tmp_path):
    (tmp_path / "cache.db").write_bytes(b"theirs")
    return lambda: (tmp_path / "cache.db").read_bytes() == b"theirs"
