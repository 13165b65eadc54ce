"""Which tests are for a backend, and what each test tells the report at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from cachu.backends import Capability
from cachu.testing.suite.colours import Colour

T = TypeVar("T")
REPORTED = "cachu_suite"
"""The user property of a test's report; `pytest_cachu` reads it."""


def needs(capability: Capability) -> Callable[[T], T]:
    """Mark a test that is only for backends that declare *capability*."""

    def mark(test: T) -> T:
        test.cachu_needs = capability  # type: ignore[attr-defined]
        return test

    return mark


def names(capability: Capability) -> str:
    """Return the names of several capabilities, for a message."""
    return ", ".join(str(each.name) for each in Capability if each and each in capability)


def tell(request: pytest.FixtureRequest, subject: str, details: str = "") -> None:
    """Have the report at the end say of *subject* how this test went."""
    area = request.function.__module__.rpartition(".")[2]
    request.node.user_properties.append((REPORTED, [subject, details, area]))


def gate(request: pytest.FixtureRequest, colour: Colour) -> None:
    """Skip a test that needs what the backend does not declare."""
    capabilities = colour.capabilities
    tell(request, f"backend {colour.backend_name!r}", names(capabilities))
    needed: Capability = getattr(request.function, "cachu_needs", Capability.NONE)
    lacking = needed & ~capabilities
    if lacking:
        skip(colour, f"it does not declare {names(lacking)}")


def skip(colour: Colour, reason: str) -> Any:
    """Skip a test whose backend was configured already."""
    colour.close()
    pytest.skip(f"backend {colour.backend_name!r}: {reason}")
