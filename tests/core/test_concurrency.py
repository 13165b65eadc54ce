"""One run per cold key, whoever asks, and no lock that anybody can be caught in (C1, C2, C4)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import cachu
from cachu.counters import FREE_THREADED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cachu.testing import FakeClock
    from conftest import Colour

PATIENCE = 20  # seconds
THREADS, TASKS = 50, 500


class Work:
    """A function that says when it has begun and waits until it may go on.

    Attributes:
        runs: How often it ran.
        errors: What its runs are to raise, the first first.
    """

    def __init__(self) -> None:
        self.runs = 0
        self.begun = threading.Event()
        self.go = threading.Event()
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()

    def start(self) -> int:
        with self._lock:
            self.runs += 1
            run = self.runs
        self.begun.set()
        return run

    def finish(self, run: int) -> object:
        if self.errors:
            raise self.errors.pop(0)
        return ("result", run)

    def plain(self, x: object = 1) -> object:
        run = self.start()
        assert self.go.wait(PATIENCE)
        return self.finish(run)

    async def asynchronous(self, x: object = 1) -> object:
        run = self.start()
        for _ in range(int(PATIENCE / 0.001)):
            if self.go.is_set():
                return self.finish(run)
            await asyncio.sleep(0.001)
        raise AssertionError("nobody let it go on")


class Crowd:
    """Threads that call and are then joined; what they got is in `results`."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self._threads: list[threading.Thread] = []

    def call(self, function: Callable[[], Any], times: int = 1) -> None:
        for _ in range(times):
            thread = threading.Thread(target=self._run, args=(function,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, function: Callable[[], Any]) -> None:
        try:
            self.results.append(function())
        except BaseException as error:
            self.results.append(error)

    def join(self) -> list[Any]:
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), "somebody is caught"
        return self.results


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)


async def until_async(condition: Callable[[], bool]) -> None:
    """Wait for another task."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.001)


def parked() -> int:
    """How many callers wait for somebody else's run."""
    from cachu import flights

    return len(flights._parked)


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work()
    yield made
    made.go.set()


@pytest.mark.parametrize("argument", [1, (1,)], ids=["raw", "spelled"])
@pytest.mark.parametrize(
    "options", [{}, {"ttl": None}, {"copy": True}, {"validate": lambda entry: True}], ids=repr
)
def test_c1_threads_on_one_cold_key_run_it_once(work: Work, options: Any, argument: Any) -> None:
    f = cachu.cache(**options)(work.plain)
    crowd = Crowd()
    crowd.call(lambda: f(argument), THREADS)
    until(lambda: parked() == THREADS - 1)
    work.go.set()
    assert crowd.join() == [("result", 1)] * THREADS
    assert work.runs == 1
    assert tuple(f.info()) == (THREADS - 1, 1, 1)
    assert parked() == 0


@pytest.mark.parametrize("argument", [1, (1,)], ids=["raw", "spelled"])
def test_c1_tasks_on_one_cold_key_run_it_once(work: Work, argument: Any) -> None:
    f = cachu.cache(work.asynchronous)

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(f(argument)) for _ in range(TASKS)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.go.set()
        return await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)

    assert asyncio.run(main()) == [("result", 1)] * TASKS
    assert work.runs == 1


@pytest.mark.parametrize("leader", ["sync", "async"])
def test_c1_threads_and_tasks_together(work: Work, leader: str) -> None:
    plain = cachu.cache(name="together")(work.plain)
    asynchronous = cachu.cache(name="together")(work.asynchronous)
    first, others = Crowd(), Crowd()
    first.call(plain if leader == "sync" else lambda: asyncio.run(asynchronous()))
    assert work.begun.wait(PATIENCE)

    async def gathered() -> list[Any]:
        return list(await asyncio.gather(*(asynchronous() for _ in range(20))))

    others.call(plain, 10)
    others.call(lambda: asyncio.run(gathered()), 5)
    until(lambda: parked() == 110)
    work.go.set()
    flat = [r for got in others.join() for r in (got if isinstance(got, list) else [got])]
    assert first.join() == [("result", 1)]
    assert flat == [("result", 1)] * 110
    assert work.runs == 1


def test_c1_loops_in_several_threads(work: Work) -> None:
    f = cachu.cache(work.asynchronous)
    crowd = Crowd()
    crowd.call(lambda: asyncio.run(f()), 12)
    until(lambda: parked() == 11)
    work.go.set()
    assert crowd.join() == [("result", 1)] * 12
    assert work.runs == 1


def test_c1_other_keys_do_not_wait(work: Work) -> None:
    f = cachu.cache(work.plain)
    crowd = Crowd()
    crowd.call(lambda: f(1))
    assert work.begun.wait(PATIENCE)
    crowd.call(lambda: f(2))
    crowd.call(lambda: f((1,)))
    crowd.call(lambda: f("1"))
    until(lambda: work.runs == 4)
    work.go.set()
    crowd.join()


def test_c1_a_lookalike_gets_its_own_value(work: Work) -> None:
    seen: list[Any] = []

    def function(x: Any) -> Any:
        seen.append(x)
        work.plain()
        return type(x)

    f = cachu.cache(function)
    crowd = Crowd()
    crowd.call(lambda: (1, f(1)))
    assert work.begun.wait(PATIENCE)
    for value in (True, 1.0, True, 1.0, 1):
        crowd.call(lambda value=value: (value, f(value)))
    work.go.set()
    assert all(type(value) is got for value, got in crowd.join())
    assert len(seen) == 3


def test_c1_an_error_reaches_who_ran_and_the_others_try_one_at_a_time(work: Work) -> None:
    f = cachu.cache(work.plain)
    work.errors = [LookupError("first"), LookupError("second")]
    crowd = Crowd()
    crowd.call(f, 20)
    until(lambda: parked() == 19)
    work.go.set()
    results = crowd.join()
    errors = sorted(str(result) for result in results if isinstance(result, LookupError))
    assert errors == ["first", "second"]
    assert results.count(("result", 3)) == 18
    assert work.runs == 3


def test_c1_the_same_for_tasks(work: Work) -> None:
    f = cachu.cache(work.asynchronous)
    work.errors = [LookupError("first"), LookupError("second")]

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(f()) for _ in range(20)]
        await asyncio.sleep(0)
        work.go.set()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)

    results = asyncio.run(main())
    assert sum(isinstance(result, LookupError) for result in results) == 2
    assert results.count(("result", 3)) == 18


class Interruption(BaseException):
    """Like KeyboardInterrupt."""


def test_c2_an_interrupted_run_frees_who_waits(work: Work) -> None:
    f = cachu.cache(work.plain)
    work.errors = [Interruption()]
    crowd = Crowd()
    crowd.call(f, 5)
    until(lambda: parked() == 4)
    work.go.set()
    results = crowd.join()
    assert sum(isinstance(result, Interruption) for result in results) == 1
    assert results.count(("result", 2)) == 4


def test_c2_a_cancelled_leader_frees_who_waits(work: Work) -> None:
    f = cachu.cache(name="cancelled")(work.asynchronous)
    plain = cachu.cache(name="cancelled")(work.plain)

    async def main() -> list[Any]:
        leader = asyncio.create_task(f())
        await asyncio.sleep(0)
        waiters = [asyncio.create_task(f()) for _ in range(5)]
        threads = [asyncio.create_task(asyncio.to_thread(plain)) for _ in range(3)]
        await until_async(lambda: parked() == 8)
        assert work.runs == 1
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        work.go.set()
        return await asyncio.wait_for(asyncio.gather(*waiters, *threads), PATIENCE)

    assert asyncio.run(main()) == [("result", 2)] * 8
    assert work.runs == 2


def test_c2_a_cancelled_waiter_leaves_the_others_alone(work: Work) -> None:
    f = cachu.cache(work.asynchronous)

    async def main() -> Any:
        tasks = [asyncio.create_task(f()) for _ in range(3)]
        await until_async(lambda: parked() == 2)
        tasks[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        assert parked() == 1
        work.go.set()
        return await asyncio.gather(tasks[0], tasks[2])

    assert asyncio.run(main()) == [("result", 1)] * 2
    assert parked() == 0


def test_c2_a_loop_that_is_closed_under_a_waiter(work: Work) -> None:
    f = cachu.cache(name="closed")(work.plain)
    asynchronous = cachu.cache(name="closed")(work.asynchronous)
    crowd = Crowd()
    crowd.call(f)
    assert work.begun.wait(PATIENCE)

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asynchronous(), 0.01)

    asyncio.run(give_up())
    work.go.set()
    assert crowd.join() == [("result", 1)]
    assert parked() == 0


def test_c2_an_abandoned_loop_frees_its_keys(work: Work) -> None:
    f = cachu.cache(work.asynchronous)
    loop = asyncio.new_event_loop()
    task = loop.create_task(f())
    loop.run_until_complete(asyncio.sleep(0))
    task._log_destroy_pending = False
    task.get_coro().close()
    del task
    loop.close()
    work.go.set()
    assert asyncio.run(asyncio.wait_for(f(), PATIENCE)) == ("result", 2)


@pytest.mark.parametrize("argument", [1, (1,)], ids=["raw", "spelled"])
def test_c2_recursion_on_the_same_key(colour: Colour, argument: Any) -> None:
    call = "await f.cached(x)" if colour.name == "async" else "f.cached(x)"
    scope: dict[str, Any] = {}
    f = colour.define("x", f"return [*{call}, depth()] if depth() < 3 else [3]", scope)
    f.plain.__globals__.update(f=f, depth=lambda: len(f.calls))
    crowd = Crowd()
    crowd.call(lambda: f(argument))
    assert crowd.join() == [[3, 3, 3]]
    assert f.counts == (0, 3, 1)


def test_c2_mutual_recursion_of_two_colours() -> None:
    depth = [0]

    @cachu.cache(name="mutual")
    def plain(x: int) -> int:
        depth[0] += 1
        return asyncio.run(asynchronous(x)) + 1 if depth[0] < 3 else 0

    @cachu.cache(name="mutual")
    async def asynchronous(x: int) -> int:
        depth[0] += 1
        return plain(x) + 1 if depth[0] < 3 else 0

    crowd = Crowd()
    crowd.call(lambda: plain(1))
    assert crowd.join() == [2]


@pytest.mark.parametrize("how", ["gather", "task", "to_thread", "deep"])
def test_c2_recursion_by_way_of_children(how: str) -> None:
    depth = [0]

    @cachu.cache(name="children")
    async def f(x: int) -> int:
        depth[0] += 1
        if depth[0] > 2:
            return 0
        if how == "gather":
            return 1 + max(await asyncio.gather(f(x), f(x)))
        if how == "task":
            return 1 + await asyncio.create_task(f(x))
        if how == "deep":
            return 1 + await other(x)
        return 1 + await asyncio.to_thread(plain, x)

    @cachu.cache
    async def other(x: int) -> int:
        return await asyncio.create_task(f(x))

    @cachu.cache(name="children")
    def plain(x: int) -> int:
        depth[0] += 1
        return 0

    async def main() -> int:
        return await asyncio.wait_for(f(1), PATIENCE)

    assert asyncio.run(main()) > 0


def test_c2_one_task_leads_several_keys_in_turn() -> None:
    """C2: a flight that has landed does not hide those around it."""
    order: list[int] = []

    @cachu.cache
    async def f(x: int) -> int:
        order.append(x)
        if x == 0 and order.count(0) < 2:
            for n in (1, 2, 3):
                await f(n)
            return await f(0)
        return x

    assert asyncio.run(asyncio.wait_for(f(0), PATIENCE)) == 0
    assert order == [0, 1, 2, 3, 0]


@pytest.mark.parametrize("how", ["thread", "task"])
def test_c2_a_leader_that_never_returns(work: Work, clock: FakeClock, how: str) -> None:
    """C2: after lock_timeout a waiter computes by itself, and its result is the one that stays."""
    hang = threading.Event()

    def stuck(x: int) -> str:
        if not work.begun.is_set():
            work.begun.set()
            assert hang.wait(PATIENCE)
            return "too late"
        return "taken over"

    async def stuck_async(x: int) -> str:
        return stuck(x)

    f = cachu.cache(lock_timeout=5, name="stuck")(stuck)
    g = cachu.cache(lock_timeout=5, name="stuck")(stuck_async)
    leader, waiter = Crowd(), Crowd()
    leader.call(lambda: f(1))
    assert work.begun.wait(PATIENCE)
    waiter.call((lambda: f(1)) if how == "thread" else lambda: asyncio.run(g(1)))
    until(lambda: parked() == 1)
    clock.advance(4.9)
    until(lambda: parked() == 1)
    assert waiter.results == []
    clock.advance(0.2)
    assert waiter.join() == ["taken over"]
    assert f(1) == "taken over"
    hang.set()
    assert leader.join() == ["too late"]
    assert f(1) == "taken over"
    assert f.get(1) == "taken over"


def test_c2_a_clear_lets_new_callers_compute(work: Work) -> None:
    f = cachu.cache(tag="t")(work.plain)
    crowd = Crowd()
    for clear in (cachu.cache_clear, lambda: cachu.cache_clear(tag="t"), f.invalidate):
        work.begun.clear()
        crowd.call(f)
        assert work.begun.wait(PATIENCE)
        runs = work.runs
        clear()
        crowd.call(f)
        until(lambda runs=runs: work.runs == runs + 1)
        clear()
    work.go.set()
    crowd.join()
    assert tuple(f.info())[2] == 0


def test_c1_overwriting_takes_over_from_a_run_under_way(work: Work) -> None:
    f = cachu.cache(work.plain)
    crowd, second = Crowd(), Crowd()
    crowd.call(f)
    assert work.begun.wait(PATIENCE)
    crowd.call(f, 3)
    until(lambda: parked() == 3)
    second.call(lambda: f(_overwrite_cache=True))
    until(lambda: work.runs == 2)
    until(lambda: parked() == 3)
    work.go.set()
    assert second.join() == [("result", 2)]
    assert sorted(crowd.join()) == [("result", 1)] + [("result", 2)] * 3
    assert f() == ("result", 2)


def test_c1_setting_a_value_ends_the_wait(work: Work) -> None:
    f = cachu.cache(work.plain)
    leader, waiters = Crowd(), Crowd()
    leader.call(f)
    assert work.begun.wait(PATIENCE)
    waiters.call(f, 3)
    until(lambda: parked() == 3)
    f.set("by hand")
    assert waiters.join() == ["by hand"] * 3
    work.go.set()
    assert leader.join() == [("result", 1)]
    assert f() == "by hand"


def test_c1_hammering_keys_that_come_and_go() -> None:
    """C1: no two runs of one key at a time, whatever else goes on."""
    running: dict[int, int] = {}
    clashes: list[int] = []
    lock = threading.Lock()

    def function(x: int) -> int:
        with lock:
            running[x] = running.get(x, 0) + 1
            if running[x] > 1:
                clashes.append(x)
        time.sleep(0)
        with lock:
            running[x] -= 1
        return x

    f = cachu.cache(function)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    ran = [0]

    def calls(number: int) -> None:
        for round_ in range(300):
            for x in range(5):
                assert f(round_ * 5 + x) == round_ * 5 + x

    try:
        with ThreadPoolExecutor(16) as pool:
            for done in [pool.submit(calls, n) for n in range(16)]:
                done.result(60)
    finally:
        sys.setswitchinterval(interval)
    assert clashes == []
    assert ran == [0]
    assert tuple(f.info()) == (16 * 1500 - 1500, 1500, 1500)


def test_k1_two_functions_of_one_name_first_called_at_once() -> None:
    """K1: whoever comes first, and whatever the order of parameters, the values are right."""

    def forwards(a: int, b: int) -> tuple[int, int]:
        return a, b

    def backwards(b: int, a: int) -> tuple[int, int]:
        return a, b

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for n in range(100):
            f = cachu.cache(name=f"at once {n}")(forwards)
            g = cachu.cache(name=f"at once {n}")(backwards)
            barrier = threading.Barrier(2, timeout=PATIENCE)
            crowd = Crowd()
            for call in (f, g):
                crowd.call(
                    lambda call=call, barrier=barrier: (
                        barrier.wait() >= 0,
                        [call(a=1, b=2) for _ in range(5)],
                    )
                )
            assert crowd.join() == [(True, [(1, 2)] * 5)] * 2
            assert f(1, 2) == f(a=1, b=2) == g(2, 1) == g(a=1, b=2) == (1, 2)
            assert f(2, 1) == g(1, 2) == (2, 1)
            assert tuple(f.info())[2] == tuple(g.info())[2]
    finally:
        sys.setswitchinterval(interval)


def test_c4_asyncio_run_many_times() -> None:
    runs = [0]

    @cachu.cache
    async def f(x: int) -> int:
        runs[0] += 1
        await asyncio.sleep(0)
        return x

    for n in range(200):
        assert asyncio.run(f(n % 10)) == n % 10
    assert runs == [10]


def script(source: str, *, timeout: float = 60) -> str:
    """Run *source* in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("backend", ["memory", "null"])
@pytest.mark.parametrize("argument", ["1", "(1,)"])
def test_c4_a_fork_while_a_thread_computes(backend: str, argument: str) -> None:
    assert (
        script(
            f"""
        import os, sys, threading, warnings
        import cachu
        warnings.simplefilter("ignore", DeprecationWarning)
        cachu.configure(backend={backend!r})
        begun, go = threading.Event(), threading.Event()
        parent = os.getpid()

        @cachu.cache
        def f(x):
            if os.getpid() == parent:
                begun.set()
                assert go.wait(20)
            return os.getpid()

        thread = threading.Thread(target=f, args=({argument},))
        thread.start()
        assert begun.wait(20)
        child = os.fork()
        if child == 0:
            ok = f({argument}) == os.getpid()
            f.refresh({argument}), f.invalidate({argument}), f.info(), cachu.cache_clear()
            with cachu.disabled():
                f(2)
            cachu.configure(key_prefix="v2:")
            ok = ok and f({argument}) == os.getpid()
            os._exit(0 if ok else 1)
        _, status = os.waitpid(child, 0)
        go.set()
        thread.join(20)
        assert f({argument}) == parent
        print(os.waitstatus_to_exitcode(status))
        """
        )
        == "0"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_c4_no_fork_waits_for_an_import_that_was_interrupted() -> None:
    """C4: wherever the interrupt came; and a fork still waits for the next import."""
    assert (
        script(
            """
        import os, sys, threading, time, warnings
        from cachu import loads as room
        warnings.simplefilter("ignore", DeprecationWarning)

        def interrupting(at):
            left = at
            def trace(frame, event, argument):
                nonlocal left
                if frame.f_code.co_filename != room.__file__:
                    return None
                left -= 1
                if left == 0:
                    raise KeyboardInterrupt
                return trace
            return trace

        def load(at):
            sys.settrace(interrupting(at))
            with room.loads:
                pass

        def fork():
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)

        def forked():
            thread = threading.Thread(target=fork)
            thread.start()
            return thread

        at, slow, early, interrupted = 0, [], [], True
        while interrupted:
            at += 1
            try:
                load(at)
            except KeyboardInterrupt:
                pass
            else:
                interrupted = False
            sys.settrace(None)
            start = time.monotonic()
            forked().join()
            if time.monotonic() - start > 5:
                slow.append(at)
            with room.loads:
                thread = forked()
                thread.join(0.02)
                if not thread.is_alive():
                    early.append(at)
            thread.join()
        print(at > 10, slow, early)
        """,
            timeout=300,
        )
        == "True [] []"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.skipif(FREE_THREADED, reason="a child inherits the locks of single objects there")
def test_c4_forks_among_busy_threads() -> None:
    """C4: whatever lock a thread of the parent holds at the fork, the child goes on."""
    assert (
        script(
            """
        import os, sys, threading, time, warnings, signal
        import cachu
        warnings.simplefilter("ignore", DeprecationWarning)
        sys.setswitchinterval(1e-6)
        running = True

        def make():
            @cachu.cache(tag="t")
            def f(x):
                return x
            return f

        shared = make()
        shared((1,)), shared.key(1), cachu.cache_clear(), cachu.configure(memory_maxsize=9)
        # All is imported by now: a fork in the middle of an import is more than Python survives.

        def busy(n):
            while running:
                f = make()
                for x in range(20):
                    f(x), shared((x, n)), f((x,))
                shared.invalidate((1, n))
                shared.key((n,))
                with cachu.disabled():
                    f(1)
                cachu.cache_clear(tag="t")

        def configuring():
            n = 0
            while running:
                n += 1
                cachu.configure(memory_maxsize=10 + n % 7)

        threads = [threading.Thread(target=busy, args=(n,)) for n in range(4)]
        threads.append(threading.Thread(target=configuring))
        for thread in threads:
            thread.start()
        bad = 0
        for _ in range(40):
            child = os.fork()
            if child == 0:
                signal.alarm(10)
                f = make()
                ok = f(1) == 1 and f(1) == 1 and shared(5) == 5 and shared((5,)) == (5,)
                shared.key(3), shared.info(), cachu.cache_clear()
                with cachu.disabled():
                    f(2)
                cachu.configure(key_prefix="child:")
                ok = ok and f(1) == 1
                cachu.clear_backends()
                os._exit(0 if ok else 1)
            _, status = os.waitpid(child, 0)
            bad += status != 0
        running = False
        for thread in threads:
            thread.join(20)
        print(bad)
        """,
            timeout=300,
        )
        == "0"
    )


def test_c4_spawned_processes(tmp_path: Any) -> None:
    path = tmp_path / "spawning.py"
    path.write_text(
        textwrap.dedent(
            """
            import multiprocessing, os
            import cachu

            @cachu.cache
            def f(x):
                return os.getpid()

            def child(x):
                return f(x), f(x), tuple(f.info()), os.getpid(), cachu.get_config().package

            if __name__ == "__main__":
                f(1)
                cachu.configure(key_prefix="x")
                with multiprocessing.get_context("spawn").Pool(2) as pool:
                    for first, second, info, pid, package in pool.map(child, [1, 2], 1):
                        assert first == second == pid != os.getpid()
                        assert info[1] >= 1
                        assert package == cachu.get_config().package == "__main__.spawning"
                print("fine")
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("fine", "")


def test_c4_interpreter_shutdown() -> None:
    assert (
        script(
            """
        import asyncio, atexit, threading
        import cachu

        class Late:
            def __del__(self):
                try:
                    f(3)
                except Exception as error:
                    if type(error).__name__ not in ("TypeError", "AttributeError"):
                        print(type(error))

        @cachu.cache
        def f(x):
            return Late() if x == 1 else x

        @cachu.cache
        async def g(x):
            return x

        f(1)
        asyncio.run(g(1))
        hanging = threading.Thread(target=cachu.cache(threading.Event().wait), daemon=True)
        hanging.start()
        atexit.register(f, 2)
        print("done")
        """
        )
        == "done"
    )


def test_c4_nothing_is_left_running(colour: Colour) -> None:
    before = threading.active_count()
    f = colour.define("x")
    f(1)
    cachu.clear_backends()
    asyncio.run(cachu.clear_async_backends())
    assert threading.active_count() <= before
    assert f(1) == {"x": 1}
