"""Bytes that are not what was stored are a miss, and never a wrong value or an error."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cachu.backends.stores import AsyncStore, Store
from cachu.testing.suite.colours import Colour, Lifted
from cachu.testing.suite.gates import skip

FOREIGN = [b"", b"\x00", b"null", b"text", b"\xff" * 1000, pickle.dumps([1, 1])]


class Bytes:
    """What a store keeps for the calls of a function.

    Args:
        colour: The colour of the function.
        function: The function.
    """

    def __init__(self, colour: Colour, function: Lifted) -> None:
        backend: Any = colour.get_backend()
        store = getattr(backend._backend, "wrapped", None)  # noqa: SLF001  of the same suite
        if not isinstance(store, (Store, AsyncStore)):
            skip(colour, "it keeps objects, no bytes that could be damaged")
        self._store: Any = store
        self._colour, self._function = colour, function

    def of(self, x: Any) -> bytes:
        """Return what is stored for a call with *x*."""
        data = self._colour.lift(self._store.load(self._function.key(x)))
        assert data is not None
        return bytes(data)

    def put(self, x: Any, data: bytes) -> None:
        """Store other bytes for a call with *x*."""
        self._colour.lift(self._store.store(self._function.key(x), data, 300.0))


def _is_a_miss(colour: Colour, damages: Callable[[bytes], Iterator[bytes]]) -> None:
    f = colour.cached()
    f(0)
    stored = Bytes(colour, f)
    for number, data in enumerate(damages(stored.of(0)), 2):
        stored.put(0, data)
        assert f(0) == [0, number], f"{data[:100]!r} was taken for an entry"
        assert f(0) == [0, number]
    assert f.info().misses == f.runs > 1
    assert not f.info().faults


def test_an_entry_that_was_cut_is_a_miss(colour: Colour) -> None:
    def cut(data: bytes) -> Iterator[bytes]:
        for length in sorted({1, 2, 3, 4, 10, len(data) // 2, len(data) - 2, len(data) - 1}):
            yield data[:length]
        yield data + b"\x00"

    _is_a_miss(colour, cut)


def test_a_flipped_bit_is_a_miss(colour: Colour) -> None:
    def flipped(data: bytes) -> Iterator[bytes]:
        step = max(1, len(data) // 20)
        for index in {*range(0, len(data), step), len(data) - 1}:
            changed = bytearray(data)
            changed[index] ^= 1 << index % 8
            yield bytes(changed)

    _is_a_miss(colour, flipped)


def test_what_cachu_did_not_write_is_a_miss(colour: Colour) -> None:
    _is_a_miss(colour, lambda _: iter(FOREIGN))


def test_the_entry_of_another_key_is_a_miss(colour: Colour) -> None:
    f = colour.cached()
    f(1)
    f(2)
    stored = Bytes(colour, f)
    stored.put(1, stored.of(2))
    assert f(1) == [1, 3]
    assert f(2) == [2, 2]


def test_damage_is_told_once(colour: Colour, caplog: pytest.LogCaptureFixture) -> None:
    f = colour.cached()
    f(1)
    stored = Bytes(colour, f)
    for _ in range(5):
        stored.put(1, b"damaged")
        f(1)
    assert [record.name for record in caplog.records] == ["cachu"]
