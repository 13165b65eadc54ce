"""No call ever has two entries, two classes never share one, and hits let signals through."""

from __future__ import annotations

import signal
import sys
import threading
import time
from functools import partial
from typing import Any

import pytest

import cachu


def test_s4_a_set_by_key_wins_over_a_computation_under_way() -> None:
    started, finish = threading.Event(), threading.Event()

    @cachu.cache
    def f(x: int) -> str:
        started.set()
        assert finish.wait(10)
        return "computed"

    key = f.key(5)
    leader = threading.Thread(target=f, args=(5,))
    leader.start()
    assert started.wait(10)
    cachu.get_backend().set(key, "set")
    finish.set()
    leader.join(10)
    assert f(5) == f.get(5) == cachu.get_backend().get(key) == "set"
    assert f.info().currsize == 1
    assert f.invalidate(5)
    assert not f.invalidate(5)
    with pytest.raises(KeyError):
        f.get(5)


@pytest.mark.parametrize("known", [True, False], ids=["known key", "rebuilt key"])
def test_s4_a_set_by_key_replaces_a_computed_entry(known: bool) -> None:
    @cachu.cache
    def f(x: int) -> int:
        return x

    assert f(5) == 5
    backend = cachu.get_backend()
    key = f.key(5)
    if not known:
        f.__cachu__.calls().shelf._aliases.clear()
    backend.set(key, "set")
    assert (f(5), f.get(5), f.info().currsize) == ("set", "set", 1)
    f.set("again", 5)
    assert (f(5), backend.get(key), f.info().currsize) == ("again", "again", 1)
    assert backend.delete(key)
    assert f(5) == 5


def test_s4_sets_by_key_are_never_lost_to_racing_calls() -> None:
    backend = cachu.get_backend()
    stop = threading.Event()

    @cachu.cache
    def f(x: int) -> str:
        return "computed"

    def hammer() -> None:
        while not stop.is_set():
            f(1)
            f.invalidate(2)

    key = f.key(1)
    callers = [threading.Thread(target=hammer) for _ in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for caller in callers:
            caller.start()
        for number in range(2000):
            backend.set(key, number)
            assert f(1) == number
            assert f.invalidate(1)
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        for caller in callers:
            caller.join(10)


def test_k7_classes_of_a_metaclass_do_not_share() -> None:
    class Meta(type):
        @cachu.cache
        def who(cls) -> str:
            return cls.__name__

        @cachu.cache
        def named(self) -> str:  # noqa: N804  some metaclasses call it so
            return self.__name__

    class A(metaclass=Meta):
        pass

    class B(metaclass=Meta):
        pass

    for _ in range(2):
        assert (A.who(), B.who(), A.named(), B.named()) == ("A", "B", "A", "B")


def test_k7_classes_of_one_name_do_not_share() -> None:
    class Base:
        factor = 0

        @cachu.cache
        def times(self, values: list[int]) -> list[int]:
            return [self.factor * value for value in values]

    first, second = (type("Same", (Base,), {"factor": factor}) for factor in (1, 2))
    assert (first().times([1]), second().times([1])) == ([1], [2])
    assert (first().times([1]), second().times([1])) == ([1], [2])


def test_k7_a_class_does_not_inherit_the_entries_of_a_dead_one() -> None:
    class Base:
        factor = 0

        @cachu.cache
        def times(self, values: list[int]) -> list[int]:
            return [self.factor * value for value in values]

    def made(factor: int) -> Any:
        class Local(Base):
            pass

        Local.factor = factor
        return Local()

    assert made(1).times([1]) == [1]
    assert made(2).times([1]) == [2]


def test_k6_connections_among_many_arguments_do_not_count() -> None:
    class Connection:
        def cursor(self) -> None: ...
        def commit(self) -> None: ...
        def rollback(self) -> None: ...
        def close(self) -> None: ...

    calls = []

    @cachu.cache
    def query(*args: Any, **kwargs: Any) -> int:
        calls.append(args)
        return len(calls)

    assert query("select 1", Connection(), db=Connection()) == 1
    assert query("select 1", Connection(), db=Connection()) == 1
    assert query("select 2", Connection(), db=Connection()) == 2


def test_v6_what_can_be_used_only_once_cannot_be_set() -> None:
    @cachu.cache
    def f(x: int) -> object:
        return x

    with pytest.raises(cachu.UncacheableResultError, match="generator"):
        f.set((n for n in range(3)), 1)
    assert f(1) == 1


def test_d4_no_value_may_be_the_default() -> None:
    @cachu.cache
    def f(x: int) -> int:
        return x

    assert cachu.cache_get(f, 1, default=cachu.NO_VALUE) is cachu.NO_VALUE


def test_d1_a_property_says_what_to_do() -> None:
    with pytest.raises(cachu.ConfigurationError, match="put @cache below"):
        cachu.cache(property(lambda self: 1))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer signals on this system")
def test_a_signal_that_arrives_during_hits_reaches_the_caller() -> None:
    class AlarmError(Exception):
        pass

    def ring(*_: object) -> None:
        raise AlarmError

    @cachu.cache
    def f(x: int) -> int:
        return x

    f(1)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        for _ in range(30):
            give_up = time.monotonic() + 30
            with pytest.raises(AlarmError):  # noqa: PT012
                signal.setitimer(signal.ITIMER_REAL, 0.001)
                while time.monotonic() < give_up:
                    for _ in range(1000):
                        f(1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_d1_a_partial_of_a_method_with_nothing_left_to_pass() -> None:
    class Meter:
        def read(self) -> int:
            return 5

    read = cachu.cache(partial(Meter.read, Meter()))
    assert (read(), read(), read.info().hits) == (5, 5, 1)


def test_c1_a_bound_that_changes_during_a_computation_loses_nothing() -> None:
    started, finish = threading.Event(), threading.Event()
    runs: list[int] = []

    @cachu.cache
    def f(x: int) -> int:
        runs.append(x)
        started.set()
        assert finish.wait(10)
        return x

    leader = threading.Thread(target=f, args=(1,))
    leader.start()
    assert started.wait(10)
    cachu.configure(memory_maxsize=10)
    try:
        assert not f.invalidate(2)  # binds anew while the leader runs
        finish.set()
        leader.join(10)
        assert f(1) == 1
        assert runs == [1]
    finally:
        cachu.configure(memory_maxsize=cachu.DEFAULT)
