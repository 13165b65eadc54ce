"""The file backend passes the suite in both colours, on a new directory for every test."""

import pytest

from cachu.testing.suite import *  # noqa: F403

CASES = {
    "file": {},
    "file-signed": {"secret_key": "secret"},
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def cachu_backend(request, tmp_path):
    return {"backend": "file", "file_dir": tmp_path, **request.param}
