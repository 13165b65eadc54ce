import pytest

from cachu.testing.suite import *


@pytest.fixture
def cachu_backend(tmp_path):
    return {"backend": "file", "file_dir": tmp_path}


@pytest.fixture
def cachu_foreign(tmp_path):
    theirs = [tmp_path / "theirs.db", tmp_path / f"cachu-{'x' * 5}" / "theirs"]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"theirs")
    return lambda: all(path.read_bytes() == b"theirs" for path in theirs)
