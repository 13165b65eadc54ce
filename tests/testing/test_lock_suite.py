"""The lock providers that ship with cachu pass the suite of plugins."""

import pytest

from cachu.testing.lock_suite import *  # noqa: F403


@pytest.fixture(params=["thread", "file"])
def cachu_lock(request, tmp_path):
    return {"lock": request.param, "file_dir": tmp_path}
