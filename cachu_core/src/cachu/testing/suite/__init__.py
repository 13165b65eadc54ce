"""The tests that every backend has to pass, in both colours.

A plugin's author writes one module, and pytest finds all tests in it::

    import pytest
    from cachu.testing.suite import *

    @pytest.fixture
    def cachu_backend():
        return {"backend": "mine", "mine_url": "mine://localhost"}

The fixture returns what the backend is configured with: the arguments of `cachu.configure()`, or
just the backend's name. Every test uses packages of its own, so that what is stored elsewhere
does not matter, and clears them afterwards if the backend can.

A test that needs a capability is skipped, with the reason, if the backend does not declare it.
Nothing else is ever skipped. The fixture `cachu_values` returns the values that must survive being
stored; override it if a value serializer takes fewer.
"""

from __future__ import annotations

import pytest

_NAMES = (
    *("colours", "gates", "children", "fixtures", "values", "keys", "expiry", "calls", "sharing"),
    *("clearing", "fencing", "concurrency", "processes", "damage", "foreign", "model"),
)
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _NAMES))

from cachu.testing.suite import (  # noqa: E402  after what has their asserts explained
    calls,
    clearing,
    concurrency,
    damage,
    expiry,
    fencing,
    fixtures,
    foreign,
    keys,
    model,
    processes,
    sharing,
    values,
)

_ROOMS = (
    *(values, keys, expiry, calls, sharing, clearing, fencing, concurrency),
    *(processes, damage, foreign, model),
)
_FIXTURES = {
    **{name: getattr(fixtures, name) for name in fixtures.FIXTURES},
    "cachu_values": values.cachu_values,
}
_TESTS = {
    name: test for room in _ROOMS for name, test in vars(room).items() if name.startswith("test_")
}
globals().update(_FIXTURES, **_TESTS)

__all__ = [*_FIXTURES, *_TESTS]  # pyright: ignore[reportUnsupportedDunderAll]  # noqa: PLE0604
