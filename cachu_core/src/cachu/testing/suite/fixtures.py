"""The fixtures of the suite: a backend in one colour or both, a clock, what is stored as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from cachu.testing.clock import FakeClock
from cachu.testing.suite.children import Child, Children
from cachu.testing.suite.colours import Asynchronous, Both, Colour, Plain
from cachu.testing.suite.gates import gate, skip

FIXTURES = ("both", "cachu_foreign", "child", "clock", "colour")
_children = Children()


def _options(cachu_backend: str | Mapping[str, Any]) -> Mapping[str, Any]:
    return {"backend": cachu_backend} if isinstance(cachu_backend, str) else cachu_backend


@pytest.fixture(params=[Plain, Asynchronous], ids=["sync", "async"])
def colour(
    request: pytest.FixtureRequest, cachu_backend: str | Mapping[str, Any]
) -> Iterator[Colour]:
    """One colour after the other, each in a package of its own."""
    made: Colour = request.param(_options(cachu_backend))
    gate(request, made)
    yield made
    made.close()


@pytest.fixture
def both(request: pytest.FixtureRequest, cachu_backend: str | Mapping[str, Any]) -> Iterator[Both]:
    """Both colours at once, in one package."""
    plain = Plain(_options(cachu_backend))
    gate(request, plain)
    yield Both(plain, Asynchronous(plain.options, plain.package))
    plain.close()


@pytest.fixture
def child(colour: Colour) -> Child:
    """Another process, which uses the same backend in the same colour and package."""
    try:
        return _children.of(colour)
    except LookupError as reason:
        return skip(colour, str(reason))  # type: ignore[no-any-return]


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """A clock that stands still until the test moves it."""
    with FakeClock() as made:
        yield made


@pytest.fixture
def cachu_foreign() -> Callable[[], bool] | None:
    """What tells that data which is not cachu's is untouched; a module may override this.

    The fixture puts such data where the backend keeps its own, and returns a callable without
    arguments that says whether all of it is still there and unchanged.
    """
    return None
