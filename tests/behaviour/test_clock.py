import subprocess
import sys
import time
from datetime import timedelta

import pytest

import cachu
from cachu.testing import FakeClock


def test_it_starts_now_and_stands_still():
    before = time.time()
    with FakeClock() as clock:
        assert before <= clock.now <= before + 60
        assert time.time() == time.time() == clock.now


def test_it_starts_where_it_is_told():
    with FakeClock(1_000_000) as clock:
        assert time.time() == clock.now == 1_000_000.0
        clock.advance(0.5)
        clock.advance(timedelta(minutes=1))
        assert time.time() == 1_000_060.5
        clock.set(5)
        assert time.time() == 5.0


def test_it_goes_back_only_when_set():
    with FakeClock() as clock:
        for step in (-1, timedelta(seconds=-1), float("nan")):
            with pytest.raises(ValueError, match="zero or more"):
                clock.advance(step)


def test_clocks_nest_and_leave_nothing_behind():
    real = time.time
    with FakeClock(1000) as outer:
        inner = FakeClock(5)
        with pytest.raises(ZeroDivisionError), inner:
            raise ZeroDivisionError
        with inner:
            inner.advance(1)
            assert time.time() == 6
        assert time.time() == 1000
        with FakeClock():
            assert time.time() == 1000
        with pytest.raises(RuntimeError, match="running"):
            outer.__enter__()
        assert time.time() == 1000
    assert time.time is real
    with outer:
        assert time.time() == 1000
    assert time.time is real


def test_the_readme_example():
    @cachu.cache(ttl=300)
    def f():
        runs.append(1)

    runs = []
    with FakeClock() as clock:
        f()
        clock.advance(299)
        f()
        assert len(runs) == 1
        clock.advance(2)
        f()
        assert len(runs) == 2


def test_it_costs_no_pytest():
    code = (
        "import sys, cachu.testing; assert 'cachu.testing.clock' not in sys.modules; "
        "from cachu.testing import FakeClock; assert 'pytest' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'FakeClocks'"):
        cachu.testing.FakeClocks  # noqa: B018
