"""Where the tests of this folder find servers, and cachu in both colours on them."""

import asyncio
import sys
from inspect import isawaitable
from pathlib import Path

import pytest

import cachu
from cachu.testing.suite import clock  # noqa: F401
from cachu.testing.suite.colours import Asynchronous, Both, Plain

sys.path.append(str(Path(__file__).parent))  # for servers/ and children.py

from servers import stations
from servers.fixtures import *  # noqa: F403


class InOneLoop(Asynchronous):
    """cachu for asynchronous code, as a service uses it: all calls are made in one event loop."""

    def __init__(self, options, package=None):
        self.loop = asyncio.new_event_loop()
        super().__init__(options, package)

    def lift(self, result):
        if isawaitable(result):
            return self.loop.run_until_complete(asyncio.wait_for(result, 30))
        return result

    def close(self):
        try:
            self.clear()
        finally:
            self.leave()

    def leave(self):
        """Close everything; leave what is stored as it is."""
        try:
            self.lift(cachu.clear_async_backends())
            self.lift(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()


class InThisThread(Plain):
    """cachu for plain code."""

    def leave(self):
        """Close everything; leave what is stored as it is."""
        cachu.clear_backends()


@pytest.fixture(params=stations.names())
def station(request):
    """Each kind of server, as many tests use it."""
    return stations.station(request.param)


@pytest.fixture(params=[InThisThread, InOneLoop], ids=["sync", "async"])
def kind(request):
    """Each colour in turn."""
    return request.param


@pytest.fixture
def cachu_backend(station):
    return {"backend": "redis", **stations.patiently(station)}


@pytest.fixture
def colour(kind, cachu_backend):
    """cachu in one colour on a station, in a package of its own."""
    made = kind(cachu_backend)
    yield made
    made.close()


@pytest.fixture
def both(cachu_backend):
    """cachu in both colours on a station, in one package."""
    made = Both(InThisThread(cachu_backend), InOneLoop(cachu_backend))
    made.asynchronous.package = made.plain.package
    yield made
    made.asynchronous.leave()
    made.plain.close()


@pytest.fixture
def connect(kind):
    """Uses cachu on whatever address the test names, be it one where nobody answers."""
    made = []

    def use(url, **options):
        made.append(kind({"backend": "redis", "redis_url": url, **stations.PATIENT, **options}))
        return made[-1]

    yield use
    for each in made:
        each.leave()


@pytest.fixture
def both_kinds():
    """Uses cachu in both colours, each in a package of its own, on servers that die but once."""
    made = []

    def use(url, **options):
        given = {"backend": "redis", "redis_url": url, **stations.PATIENT, **options}
        made.extend(kind(given) for kind in (InThisThread, InOneLoop))
        return [(each, each.cached(tag="users")) for each in made]

    yield use
    for each in made:
        each.leave()
