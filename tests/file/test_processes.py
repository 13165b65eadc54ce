"""Several processes on one store; the scenes of benchmarks/soak, briefly."""

import os
import sys
from pathlib import Path

import pytest

import cachu

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "soak"))

import agreement
import turns
from stage import check

posix = pytest.mark.skipif(os.name == "nt", reason="no SIGSTOP there")


@pytest.mark.parametrize("colours", ["sync", "async", "both"])
def test_c1_eight_processes_compute_a_cold_key_once(tmp_path, colours):
    """C1: the file backend extends that over processes, and over colours."""
    check(turns.cold_key(tmp_path, 2, colours))


def test_c2_a_killed_holder_frees_its_waiters(tmp_path):
    """C2: one of them computes it, and not before."""
    check(turns.killed_holder(tmp_path, 2))


@posix
@pytest.mark.parametrize("where", ["ticket", "transaction"])
def test_c2_a_stopped_writer_stops_nobody(tmp_path, where):
    """C2, C3: calls return their results, and once it is gone they are stored."""
    check(turns.stopped_writer(tmp_path, 1, "turns:stopping", where=where))


def test_s4_processes_and_colours_agree_with_a_model(tmp_path):
    """S2, S4, T1, D5: calls, own entries, clears, counts and expiry."""
    check(agreement.mixed(tmp_path, 500))


def test_s4_what_one_colour_stores_the_other_finds(tmp_path):
    """S4: in another process, under the same `name=`."""
    check(agreement.shared(tmp_path))


_REFUSING = """
cachu.configure(package=package, backend="file", file_dir=root)
options = {"package": package, "name": "f", "validate": lambda entry: entry.value[0] != "old"}

def body(x):
    time.sleep(0.3)
    return ["new", os.getpid()]

if sys.argv[3] == "async":
    async def body_async(x):
        await asyncio.sleep(0.3)
        return ["new", os.getpid()]

    f_async = cachu.async_cache(**options)(body_async)
    f = lambda x: asyncio.run(f_async(x))
else:
    f = cachu.cache(**options)(body)
f(0)
say("ready")
sys.stdin.readline()
say(*f(1))
"""


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_c1_an_entry_that_validate_refuses_is_replaced_once(shelf, colour):
    """C1: those who find it wait for who computes the next one, in other processes, too."""
    cachu.configure(package=shelf.package, backend="file", file_dir=shelf.root)
    cachu.cache(package=shelf.package, name="f")(lambda x: x).set(["old", 0], 1)
    processes = [shelf.process(_REFUSING, colour) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go on\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=30)[0] for process in processes}
    assert len(answers) == 1
    assert answers.pop().startswith("new ")
