import pytest

from cachu.testing.suite import *


@pytest.fixture
def cachu_backend(tmp_path):
    return {"backend": "diskcache", "diskcache_dir": tmp_path}


@pytest.fixture
def cachu_foreign(tmp_path):
    (tmp_path / "cache.db").write_bytes(b"theirs")
    return lambda: (tmp_path / "cache.db").read_bytes() == b"theirs"
