"""What is not cachu's stays as it is, whatever cachu does beside it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import cachu
from cachu.backends import Capability
from cachu.testing.suite.colours import Colour
from cachu.testing.suite.gates import skip
from cachu.testing.suite.keys import HOSTILE


def test_data_of_others_is_untouched(
    colour: Colour, cachu_foreign: Callable[[], bool] | None
) -> None:
    if cachu_foreign is None:
        skip(colour, "it has no cachu_foreign fixture, which puts the data of others beside it")
        return
    assert cachu_foreign(), "the fixture cachu_foreign says so before anything was done"
    f, g = colour.cached(tag="*"), colour.cached(ttl=None)
    backend = colour.get_backend()
    for key in HOSTILE[:100]:
        backend.set(key, key, tag=key[:100])
        f(key[:100])
    g(1)
    assert cachu_foreign()
    for key in HOSTILE[:100]:
        backend.delete(key)
    if Capability.TAGS in colour.capabilities:
        for tag in ("*", "?", "[a-z]*", "%", "..", "/"):
            colour.clear(tag=tag)
    if Capability.CLEAR in colour.capabilities:
        colour.clear(ttl=inf)
        colour.clear()
    assert cachu_foreign()
    cachu.clear_backends()
    f(1)
    assert cachu_foreign()
