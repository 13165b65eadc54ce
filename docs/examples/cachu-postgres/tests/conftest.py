"""A PostgreSQL server for the tests: the one that CACHU_POSTGRES_URL names, or one of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start a server on a Unix socket in a folder of its own, and kill it in the end."""
    if url := os.environ.get("CACHU_POSTGRES_URL"):
        yield url
        return
    if os.environ.get("CACHU_TEST_POSTGRES") == "none":
        pytest.skip("CACHU_TEST_POSTGRES=none")
    folder = tempfile.mkdtemp(prefix="cachu-pg-")
    root = os.geteuid() == 0  # whom PostgreSQL refuses to run as
    account = {"user": "nobody"} if root else {}
    if root:
        shutil.chown(folder, "nobody")
    data = f"{folder}/data"
    try:
        command = [binary("initdb"), "--no-sync", "--auth=trust", "--username=cachu", "-D", data]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **account)
        options = ["fsync=off", "full_page_writes=off", "listen_addresses=", "shared_buffers=16MB"]
        settings = [word for option in options for word in ("-c", option)]
        command = [binary("postgres"), "-D", data, "-k", folder, *settings]
        with Path(folder, "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **account)
        try:
            url = f"postgresql://cachu@/postgres?host={folder}"
            wait_for(url, server)
            yield url
        finally:
            server.kill()
            server.wait(PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def binary(name: str) -> str:
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    if found is None:
        pytest.fail(f"There is no {name} here: apt-get install postgresql, or CACHU_POSTGRES_URL")
    return found


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert server.poll() is None, "PostgreSQL ended at once"
            assert time.monotonic() < limit, "PostgreSQL does not answer"
            time.sleep(0.02)
        else:
            return
