"""What cachu adds to pytest: fixtures for tests of code that caches, and the suite's report.

pytest loads this at every start, wherever cachu-core is installed. So it imports nothing that is
not there by then, least of all cachu itself: tests that use none of it pay nothing, and coverage
sees the modules of cachu being imported.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachu.testing.chaos import Chaos
    from cachu.testing.clock import FakeClock
    from cachu.testing.recording import Recording

__all__ = [
    "cachu_chaos",
    "cachu_clean",
    "cachu_clock",
    "cachu_disabled",
    "cachu_recording",
    "pytest_addoption",
    "pytest_terminal_summary",
]


@pytest.fixture
def cachu_clean() -> Iterator[None]:
    """Begin and end with empty memory, counters at zero, and settings and switches as before.

    What is in files and on servers stays there: whoever tests with such a backend gives the tests
    a directory or a server of their own.
    """
    from cachu.testing.isolation import isolated

    with isolated():
        yield


@pytest.fixture
def cachu_disabled() -> Iterator[None]:
    """Turn caching off: every call of a cached function runs it."""
    from cachu.testing.isolation import switched_off

    with switched_off():
        yield


@pytest.fixture
def cachu_clock() -> Iterator[FakeClock]:
    """A clock that stands still until the test moves it: `cachu_clock.advance(301)`."""
    from cachu.testing.clock import FakeClock

    with FakeClock() as clock:
        yield clock


@pytest.fixture
def cachu_recording(cachu_clean: None) -> Iterator[Recording]:  # noqa: ARG001
    """A backend, `"recording"`, that keeps entries in memory and notes what is done to them."""
    from cachu.testing.recording import Recording

    with Recording() as recording:
        yield recording


@pytest.fixture
def cachu_chaos(cachu_clean: None) -> Iterator[Chaos]:  # noqa: ARG001
    """A backend, `"chaos"`, that is slow, fails or damages what it keeps, when it is told to."""
    from cachu.testing.chaos import Chaos

    with Chaos() as chaos:
        yield chaos


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Have cachu imported as it is.

    pytest explains the asserts of all that a distribution with a plugin contains, for which it
    compiles it anew. There are none in cachu but in the suite, which asks for that by itself.
    """
    marked = getattr(getattr(pluginmanager, "rewrite_hook", None), "_must_rewrite", None)
    if isinstance(marked, set):
        marked.discard("cachu")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the suite proved of which backend, and what it did not, and why."""
    reports = [
        (outcome, report)
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(outcome, ())
        if any(name == "cachu_suite" for name, _ in getattr(report, "user_properties", ()))
    ]
    if reports:
        from cachu.testing.report import lines

        terminalreporter.section("cachu: what the suite proved")
        for line in lines(reports):
            terminalreporter.line(line)
