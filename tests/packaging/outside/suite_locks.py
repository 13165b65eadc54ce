import pytest

from cachu.testing.lock_suite import *


@pytest.fixture(params=["thread", "file"])
def cachu_lock(request, tmp_path):
    return {"lock": request.param, "file_dir": tmp_path}
