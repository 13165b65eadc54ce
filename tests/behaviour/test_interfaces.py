"""What holds beyond the suite: direct access, all packages, bridges, what is imported."""

import asyncio
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from threading import Event

import pytest
import shelves

import cachu
from cachu.backends import Capability
from cachu.testing.suite.colours import wait_until
from cachu.testing.suite.gates import needs


@pytest.fixture(params=["memory", "dict", "async-dict", "full", "lease"])
def cachu_backend(request):
    return request.param


@pytest.mark.parametrize("operation", ["delete", "set", "clear"])
def test_direct_access_keeps_older_computations_out(colour, operation):
    gate = Event()
    f = colour.cached(lambda x: colour.hold(gate.is_set, "old") if f.runs == 1 else "new")
    running = colour.start(f, 1)
    wait_until(lambda: f.runs == 1)
    backend = colour.get_backend()
    if operation == "delete":
        backend.delete(f.key(1))
    elif operation == "set":
        backend.set(f.key(1), "new")
    else:
        backend.clear()
    gate.set()
    assert running.result() == "old"
    assert f(1) == "new"


def test_clearing_backends_drops_memory_and_keeps_what_is_shared(colour):
    f = colour.cached()
    f(1)
    colour.get_backend().set("own", 1)
    cachu.clear_backends()
    kept = colour.backend_name != "memory"
    assert colour.get_backend().get("own", None) == (1 if kept else None)
    assert f(1) == [1, 1 if kept else 2]


def test_clearing_async_backends_leaves_no_thread(colour):
    f = colour.cached()
    f(1)
    asyncio.run(cachu.clear_async_backends())
    assert not [thread for thread in threading.enumerate() if "cachu" in thread.name]
    cachu.clear_backends()
    assert not [thread for thread in threading.enumerate() if "cachu" in thread.name]
    assert f(2)[0] == 2


@needs(Capability.CLEAR)
def test_all_packages(colour):
    others = [colour.beside() for _ in range(2)]
    functions = [package.cached(name="same") for package in (colour, *others)]
    for function in functions:
        function(1)
    clear = colour._api("cache_clear")
    cleared = colour.lift(clear(backend=colour.backend_name, package="*"))
    assert cleared >= 3 or cleared == -1
    assert not any(function.holds(1) for function in functions)


@needs(Capability.REGIONS | Capability.COUNT)
def test_all_packages_from_a_cold_process(colour):
    f = colour.cached()
    f(1)
    plugin = {"full": shelves.FULL, "lease": shelves.LEASE}[colour.backend_name]
    # What another program stored, which this process has never heard of.
    row = next(iter(plugin.of(colour.package).rows.values()))
    theirs = shelves.Shelf(type("", (), {"shared_package": "t", "key_prefix": "p", "ttl": 5.0}))
    theirs.rows["k"] = row
    plugin.rack["t:p:5"] = theirs
    cachu.clear_backends()
    clear = colour._api("cache_clear")
    assert colour.lift(clear(backend=colour.backend_name, package="*")) >= 2
    assert not theirs.rows
    assert not plugin.of(colour.package).rows


SCRIPT = """
    import sys
    sys.path.insert(0, {here!r})
    import asyncio, cachu, shelves

    cachu.configure(backend={backend!r}{lock})

    @cachu.cache
    def f(x):
        return x

    @cachu.cache
    async def g(x):
        return x

    assert f(1) == f(1) == 1
    assert asyncio.run(g(1)) == asyncio.run(g(1)) == 1
    print("dogpile" in sys.modules)
"""


@pytest.mark.parametrize("backend", ["dict", "lease"])
@pytest.mark.parametrize("lock", ["", ", lock='thread'"])
def test_dogpile_is_only_there_for_locks(backend, lock):
    script = SCRIPT.format(here=str(Path(__file__).parent), backend=backend, lock=lock)
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(backend == "dict" and lock != "")
