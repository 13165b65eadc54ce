"""What the tests of the file store share: stores, and other processes."""

import asyncio
import subprocess
import sys
import textwrap
from itertools import count

import pytest

import cachu
from cachu.regions import Region
from cachu_file.plugin import cachu_make_async_backend, cachu_make_backend

PATIENCE = 30
_serial = count(1)
_HEAD = """
import asyncio, os, signal, sys, time
import cachu
from cachu.regions import Region
from cachu_file.plugin import cachu_make_async_backend, cachu_make_backend

def region(root, package, ttl=300.0, **options):
    settings = cachu.configure(package=package, backend="file", file_dir=root, **options)
    return Region(package, ttl, settings)

def made(root, package, **options):
    return cachu_make_backend("file", region(root, package, **options))

def made_async(root, package, **options):
    return cachu_make_async_backend("file", region(root, package, **options))

def say(*words):
    print(*words, flush=True)

root, package = sys.argv[1:3]
"""


class Shelf:
    """The file stores of one package."""

    def __init__(self, root):
        self.root = root
        self.package = f"file_tests_{next(_serial)}"
        self.made = []
        self.made_async = []

    def region(self, ttl=300.0, **options):
        settings = cachu.configure(
            package=self.package, backend="file", file_dir=self.root, **options
        )
        return Region(self.package, ttl, settings)

    def plain(self, ttl=300.0, **options):
        self.made.append(cachu_make_backend("file", self.region(ttl, **options)))
        return self.made[-1]

    def asynchronous(self, ttl=300.0, **options):
        self.made_async.append(cachu_make_async_backend("file", self.region(ttl, **options)))
        return self.made_async[-1]

    async def close(self):
        for store in self.made:
            store.close()
        for store in self.made_async:
            await store.close()

    def files(self, pattern="*"):
        return sorted(self.root.glob(f"cachu-*/{pattern}"))

    @property
    def database(self):
        (found,) = self.files(f"{self.package}-v*.db")
        return found

    @property
    def values(self):
        return self.files(f"{self.package}-v*.values/*")

    def process(self, code, *arguments):
        """Start a process that runs *code*, in which `made(root, package)` makes a store."""
        command = [sys.executable, "-W", "error", "-c", _HEAD + textwrap.dedent(code)]
        return subprocess.Popen(
            [*command, str(self.root), self.package, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code, *arguments):
        """Run *code* in another process and return what it printed."""
        process = self.process(code, *arguments)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert not err
        return out.strip()


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(tmp_path)
    yield made
    asyncio.run(made.close())
    asyncio.run(cachu.clear_async_backends())
    cachu.clear_backends()
