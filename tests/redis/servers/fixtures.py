"""Servers as fixtures; `from servers.fixtures import *` in a conftest.py hands them to tests."""

from __future__ import annotations

import pytest

from servers import finding, stations
from servers.processes import Server
from servers.proxies import Authority, BlackHole, Proxy

__all__ = [
    "authority",
    "black_hole",
    "engine",
    "redis_url",
    "server",
    "start_proxy",
    "start_server",
]


@pytest.fixture(scope="session")
def redis_url():
    """The address of a server that other tests use too."""
    return stations.shared_url()


def _engines():
    return [pytest.param(each, id=each.name) for each in finding.engines()] or [
        pytest.param(None, id="none")
    ]


@pytest.fixture(params=_engines())
def engine(request):
    """Each engine that is here; the test that asks for it fails where there is none."""
    return request.param or finding.engine()


@pytest.fixture
def start_server(engine):
    """Starts a server of the test's own, which it may kill."""
    started = []

    def start(*arguments, **options):
        started.append(Server(engine, *arguments, **options))
        return started[-1].start()

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def server(start_server):
    """A server of the test's own."""
    return start_server()


@pytest.fixture
def start_proxy():
    """Starts what stands in front of a server."""
    started = []

    def start(target, **options):
        started.append(Proxy(target, **options).start())
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def black_hole():
    made = BlackHole()
    yield made.start()
    made.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Certificates of this run."""
    return Authority(tmp_path_factory.mktemp("authority"))
