"""Forks at the worst of moments: while another thread imports what the first call needs (C4)."""

import os
import subprocess
import sys

import pytest

# Imports stop where they are told to until the process has forked, or is seen not to.
_FORK_IN_THE_MIDDLE = """
import faulthandler, threading
at = sys.argv[3]
begun, forked = threading.Event(), threading.Event()

class Stopping:
    def find_spec(self, name, path, target=None):
        if name == at and not begun.is_set():
            begun.set()
            forked.wait(0.5)

sys.meta_path.insert(0, Stopping())

def plain(x):
    return x

async def asynchronous(x):
    return x

def first_call():
    if "async" in sys.argv[4]:
        f = cachu.async_cache(backend="file", package=package)(asynchronous)
        cachu.configure(package=package, file_dir=root)
        return asyncio.run(f(1))
    f = cachu.cache(backend="file", package=package)(plain)
    cachu.configure(package=package, file_dir=root)
    return f(1)

thread = threading.Thread(target=first_call)
thread.start()
assert begun.wait(20), "nothing imports it"
child = os.fork()
if not child:
    faulthandler.dump_traceback_later(19)  # to tell where it hangs
    signal.alarm(20)
    os._exit(0 if first_call() == 1 else 1)
forked.set()
thread.join()
say(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(
    ("module", "colour"),
    [
        ("cachu_file.settings", "sync"),
        ("cachu.backends.stored", "sync"),
        ("cachu_file.engine", "sync"),
        ("cachu.backends.async_stored", "async"),
        ("aiosqlite.core", "async"),
    ],
)
def test_c4_a_fork_while_a_thread_imports(shelf, module, colour):
    """C4: the child does not wait for a thread that it does not have."""
    quiet = "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n"  # on forking
    assert shelf.run(quiet + _FORK_IN_THE_MIDDLE, module, colour) == "0"


# Logging has a lock of its own held during forks; what is registered later is called earlier.
_LOGGING_LATER = """
import os, signal, sys, threading
import cachu
import logging

begun, forked = threading.Event(), threading.Event()

class Stopping:
    def find_spec(self, name, path, target=None):
        if name == "cachu_file.engine" and not begun.is_set():
            begun.set()
            forked.wait(0.5)

sys.meta_path.insert(0, Stopping())
cachu.configure(package="app", backend="file", file_dir=sys.argv[1])

@cachu.cache(package="app")
def f(x):
    return x

thread = threading.Thread(target=f, args=(1,))
thread.start()
assert begun.wait(20), "nothing imports it"
child = os.fork()
if not child:
    signal.alarm(20)
    os._exit(0 if f(1) == 1 else 1)
forked.set()
thread.join()
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_c4_a_fork_takes_no_lock_that_an_import_waits_for(tmp_path):
    """C4: not even if logging was imported after cachu."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _LOGGING_LATER, tmp_path]
    assert subprocess.check_output(command, timeout=60) == b"0\n"


# What a task that failed leaves behind is a cycle, which may have the connection in it.
_COLLECT_IN_THE_CHILD = """
import faulthandler, gc, threading
asked, taken, done = threading.Event(), threading.Event(), threading.Event()
# Called last of all, for it is registered first: all connections are closed by then.
os.register_at_fork(before=lambda: (asked.set(), taken.wait(20)))
store = made_async(root, package)
loop = asyncio.new_event_loop()
loop.run_until_complete(store.store("f:1", b"x", 60))
(courier,) = store._couriers._alive

def hold():
    asked.wait(20)
    with courier.carrier.busy:
        taken.set()
        done.wait(20)

thread = threading.Thread(target=hold)
thread.start()
cycle = [courier._connection]
cycle.append(cycle)
courier._connection = None
child = os.fork()
if not child:
    faulthandler.dump_traceback_later(19)  # to tell where it hangs
    signal.alarm(20)
    del cycle
    gc.collect()
    os._exit(asyncio.run(store.load("f:1")) != b"x")
done.set()
thread.join()
say(os.waitpid(child, 0)[1])
loop.run_until_complete(store.close())
loop.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_c4_a_child_closes_no_connection_of_its_parent(shelf):
    """C4: not even one that the garbage collector finds, whose lock some thread had."""
    quiet = "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n"  # on forking
    assert shelf.run(quiet + _COLLECT_IN_THE_CHILD) == "0"


_FORK_AMONG_NEW_STORES = """
import gc, threading
sys.setswitchinterval(1e-6)
kept = [made(root, f"{package}{number}") for number in range(200)]
running = True

def make(name):
    number = 0
    while running and number < 300:
        number += 1
        kept.append(made(root, f"{package}{name}{number}"))

threads = [threading.Thread(target=make, args=(name,)) for name in "ab"]
for thread in threads:
    thread.start()
for _ in range(12):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
running = False
for thread in threads:
    thread.join()
say("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_c4_a_fork_waits_for_connections_while_stores_are_made(shelf):
    """The list of what a fork waits for grows meanwhile; Python would complain on stderr."""
    assert shelf.run(_FORK_AMONG_NEW_STORES) == "done"
