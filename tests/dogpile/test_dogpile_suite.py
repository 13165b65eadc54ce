"""Backends of dogpile.cache pass the suite, a real memcached among them; one more does outside."""

import os
import tempfile
from pathlib import Path

import memcached
import pytest

from cachu.testing.suite import *  # noqa: F403

# dbm opens and closes its file for every operation.
MEMORY = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
CASES = {
    "dbm": lambda folder: {"filename": str(folder / "cache.dbm")},
    "pymemcache": lambda _: {"url": memcached.shared().url},
}


@pytest.fixture(params=CASES)
def cachu_backend(request):
    with tempfile.TemporaryDirectory(prefix="cachu-dogpile-", dir=MEMORY) as folder:
        arguments = CASES[request.param](Path(folder))
        yield {"backend": f"dogpile.cache.{request.param}", "dogpile_arguments": arguments}
