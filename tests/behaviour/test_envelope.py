"""What cannot be read back, or not be stored, costs nobody a result."""

import logging
import pickle
import sys
from types import ModuleType

import pytest
import shelves

import cachu
from cachu.entries import CacheEntry
from cachu.serializers import PickleSerializer
from cachu.serializers.envelope import Codec
from cachu.testing import FakeClock


@pytest.fixture(params=["full", "lease"])
def cachu_backend(request):
    return request.param


def rows_of(colour):
    plugin = {"full": shelves.FULL, "lease": shelves.LEASE}[colour.backend_name]
    return plugin.of(colour.package).rows


def spoil(colour, f, data):
    row = rows_of(colour)[f.key(1)]
    rows_of(colour)[f.key(1)] = (data, *row[1:])


def warnings_of(caplog):
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


def check_recomputed(colour, f, caplog):
    """One read of what was spoiled is a miss, with a new entry and one warning."""
    before, misses = f.runs, f.info().misses
    assert f(1) == [1, before + 1]
    assert f(1) == [1, before + 1]
    assert f.info().misses == misses + 1
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize("key", [None, "secret"])
def test_truncated_and_extended(colour, caplog, key):
    colour.configure(secret_key=key or cachu.DEFAULT)
    f = colour.cached()
    f(1)
    size = len(rows_of(colour)[f.key(1)][0])
    for length in range(size):
        whole = rows_of(colour)[f.key(1)][0]
        spoil(colour, f, whole[:length])
        check_recomputed(colour, f, caplog)
    spoil(colour, f, rows_of(colour)[f.key(1)][0] + b"\0")
    check_recomputed(colour, f, caplog)


@pytest.mark.parametrize("key", [None, "secret"])
def test_flipped_bits(colour, caplog, key):
    colour.configure(secret_key=key or cachu.DEFAULT)
    f = colour.cached()
    f(1)
    size = len(rows_of(colour)[f.key(1)][0])
    for bit in range(0, size * 8, 3):
        data = bytearray(rows_of(colour)[f.key(1)][0])
        data[bit // 8] ^= 1 << bit % 8
        spoil(colour, f, bytes(data))
        check_recomputed(colour, f, caplog)


@pytest.mark.parametrize("data", [b"", b"x", b"\x80\x05N.", pickle.dumps([1, 1]), b"{}" * 100])
def test_foreign_bytes(colour, caplog, data):
    f = colour.cached()
    f(1)
    spoil(colour, f, data)
    check_recomputed(colour, f, caplog)


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, "secret"), ("secret", None), ("secret", "other"), (b"s" * 100, b"s" * 99)],
)
def test_signatures(colour, caplog, before, after):
    colour.configure(secret_key=before or cachu.DEFAULT)
    f = colour.cached()
    assert f(1) == f(1) == [1, 1]
    colour.configure(secret_key=after or cachu.DEFAULT)
    check_recomputed(colour, f, caplog)


def test_another_serializer(colour, caplog):
    f = colour.cached()
    f(1)
    colour.configure(serializer="json")
    check_recomputed(colour, f, caplog)


def test_what_is_read_through_the_backend(colour, caplog):
    f = colour.cached()
    f(1)
    spoil(colour, f, b"foreign")
    assert colour.get_backend().get(f.key(1), "default") == "default"
    assert f.key(1) not in rows_of(colour)
    assert not f.holds(1)
    assert len(warnings_of(caplog)) == 1
    assert "the first" not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_class_that_moved(colour, caplog):
    module = sys.modules["moved"] = ModuleType("moved")
    exec("class Moved: pass", module.__dict__)  # noqa: S102
    f = colour.cached(lambda x: module.Moved() if f.runs == 1 else x)
    f(1)
    del sys.modules["moved"]
    assert f(1) == 1
    assert f(1) == 1
    assert f.runs == 2
    assert len(warnings_of(caplog)) == 1


def test_what_cannot_be_stored_is_returned(colour, caplog):
    f = colour.cached(lambda x: lambda: x)
    assert f(1)() == f(1)() == 1
    assert f.runs == 2
    assert not f.holds(1)
    assert list(f.info()) == [0, 2, 0]
    assert len(warnings_of(caplog)) == 1
    assert "SerializationError" in caplog.text


def test_json_refuses_what_it_would_change(colour, caplog):
    f = colour.cached(lambda x: (x,), serializer="json")
    assert f(1) == f(1) == (1,)
    assert f.runs == 2
    assert len(warnings_of(caplog)) == 1


def test_setting_what_cannot_be_stored_says_so(colour):
    f = colour.cached()
    with pytest.raises(cachu.SerializationError):
        f.set(lambda: 1, 1)
    with pytest.raises(cachu.SerializationError):
        colour.get_backend().set("own", lambda: 1)


@pytest.mark.parametrize("secret", [None, "secret"])
@pytest.mark.parametrize("where", ["key", "region", "package"])
def test_v3_an_entry_that_was_moved_is_refused(colour, caplog, secret, where):
    """What is whole, and signed, answers only the call and the region that it was made for."""
    colour.configure(secret_key=secret or cachu.DEFAULT)
    plugin = {"full": shelves.FULL, "lease": shelves.LEASE}[colour.backend_name]
    other = colour.beside()
    other.configure(secret_key=secret or cachu.DEFAULT)
    f = colour.cached(name="f", ttl=60)
    moved = {
        "key": f,
        "region": colour.cached(name="f", ttl=90),
        "package": other.cached(name="f", ttl=60),
    }[where]
    f(1)
    argument = 2 if where == "key" else 1
    moved(argument)
    rows = {shelf.name: shelf.rows for shelf in plugin.rack.values()}
    package = other.package if where == "package" else colour.package
    target = rows[package, "", 90.0 if where == "region" else 60.0]
    source = rows[colour.package, "", 60.0]
    target[moved.key(argument)] = source[f.key(1)]
    runs = moved.runs
    assert moved(argument) == moved(argument) == [argument, runs + 1]
    assert len(warnings_of(caplog)) == 1
    other.close()


TIMES_AND_VALUE = "41d954fc4000000041d954fc8b0000008005950d000000000000005d94284b018c0374776f94652e"
HEADS = {None: "c5cc0100067069636b6c65", b"secret": "c5cc0101067069636b6c65"}
CHECKS = {None: "0912c208", b"secret": "a0afb99a10229dacf87815820bc07e36"}


@pytest.mark.parametrize("secret", [None, b"secret"], ids=["checked", "signed"])
def test_v3_the_bytes_are_stable(secret):
    """A store outlives the release that wrote it."""
    codec = Codec(PickleSerializer(), "pickle", "app::300", secret)
    data = bytes.fromhex(HEADS[secret] + CHECKS[secret] + TIMES_AND_VALUE)
    with FakeClock(1_700_000_001.0):
        entry = codec.unpack("app:f:k", data)
    assert entry == CacheEntry([1, "two"], 1_700_000_000.0)
    assert codec.pack("app:f:k", entry, 300) == data
