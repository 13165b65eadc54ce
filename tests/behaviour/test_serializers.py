"""Value serializers: what comes back is what went in, or it is refused; some never run code."""

import pickle
import sys

import pytest
import shelves

import cachu
from cachu.errors import ConfigurationError, PluginError
from cachu.serializers import PickleSerializer

CANNOT = [(1,), {1, 2}, {"a": (1,)}, [[(1,)]], b"x", bytearray(b"x"), 1j, {1: 2}, {("a",): 1}]


class Text(str):
    __slots__ = ()


@pytest.fixture
def cachu_backend():
    return "full"


def warned(caplog):
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("value", [*CANNOT, Text("x"), {Text("x"): 1}, [True, Text("x")]])
def test_v2_json_refuses_what_would_come_back_changed(colour, caplog, value):
    f = colour.cached(lambda _: value, serializer="json")
    assert f(1) is f(1) is value
    assert f.runs == 2
    (line,) = warned(caplog)
    assert "SerializationError" in line
    assert "use serializer='pickle'" in line


@pytest.mark.parametrize(
    "value",
    [*(v for v in CANNOT if v not in (b"x", {1: 2})), Text("x"), 2**64, "\ud800", {1.5: 1}],
)
def test_v2_msgpack_refuses_what_would_come_back_changed(colour, caplog, value):
    f = colour.cached(lambda _: value, serializer="msgpack")
    assert f(1) is f(1) is value
    assert f.runs == 2
    assert "SerializationError" in warned(caplog)[0]


def test_v2_what_msgpack_takes_comes_back(colour, caplog):
    values = [
        *(None, True, False, 0, -1, 2**63, -(2**63), 2**64 - 1, 1.0, -0.0, float("inf"), ""),
        *("é\x00", b"", b"\x00\xff", [], [[], {}], {}, {"a": {1: [b"x", None, 2.5]}, b"k": "v"}),
    ]
    f = colour.cached(lambda x: values[x], serializer="msgpack")
    for index, value in enumerate(values):
        f(index)
        assert f(index) == value
        assert type(f(index)) is type(value)
    assert f.runs == len(values)
    assert not caplog.records


def test_msgpack_is_an_extra(colour, monkeypatch):
    monkeypatch.setitem(sys.modules, "msgspec", None)
    for _ in range(2):
        with pytest.raises(PluginError, match=r'pip install "cachu\[msgpack\]"') as caught:
            colour.configure(serializer="msgpack")
        assert isinstance(caught.value, ConfigurationError)
        monkeypatch.undo()
        colour.configure(serializer="msgpack")
        monkeypatch.setitem(sys.modules, "msgspec", None)
    assert cachu.get_config(colour.package).serializer == "msgpack"


def test_c5_pickle_signed_takes_a_secret_key(colour):
    colour.configure(serializer="pickle-signed")
    f = colour.cached()
    with pytest.raises(ConfigurationError, match=r"cachu\.configure\(secret_key=\.\.\.\)"):
        f(1)
    assert f.runs == 0
    colour.configure(secret_key="secret")
    assert f(1) == f(1) == [1, 1]


TRACES = []


def leave_a_trace():
    TRACES.append("code ran")


class Planted:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self):
        return leave_a_trace, ()


@pytest.mark.parametrize("how", ["plain", "unsigned entry", "of another key"])
def test_c5_what_was_not_signed_with_our_key_is_never_decoded(colour, caplog, how):
    secrets = {"plain": None, "unsigned entry": None, "of another key": "theirs"}
    theirs = colour.beside()
    theirs.configure(serializer="pickle", secret_key=secrets[how] or cachu.DEFAULT)
    theirs.get_backend().set("planted", Planted())
    data = shelves.FULL.of(theirs.package).rows["planted"][0]
    if how == "plain":
        data = pickle.dumps(Planted())
    colour.configure(serializer="pickle-signed", secret_key="ours")
    f = colour.cached()
    f(1)
    rows = shelves.FULL.of(colour.package).rows
    rows[f.key(1)] = (data, *rows[f.key(1)][1:])
    assert f(1) == f(1) == [1, 2]
    assert len(warned(caplog)) == 1
    assert TRACES == []
    theirs.get_backend().get("planted")
    assert TRACES == ["code ran"]
    TRACES.clear()
    theirs.close()


def test_serializers_of_ones_own_are_given_bytes(colour):
    """Only those that say so are given views."""

    class Own:
        def dumps(self, value):
            return value.encode()

        def loads(self, data):
            assert type(data) is bytes
            return data.decode()

    f = colour.cached(lambda x: "x" * x, serializer=Own())
    for size in (0, 10, 5000, 100_000):
        f(size)
        assert f(size) == "x" * size
    assert f.runs == 4


class Inheriting(PickleSerializer):
    def dumps(self, value):
        return b"own:" + super().dumps(value)


class Delegating:
    def __init__(self):
        self.inner = PickleSerializer()

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def dumps(self, value):
        return b"own:" + self.inner.dumps(value)


class Assigning(PickleSerializer):
    def __init__(self):
        super().__init__()
        self.dumps = lambda value: b"own:" + PickleSerializer.dumps(self, value)


@pytest.mark.parametrize("kind", [Inheriting, Delegating, Assigning])
def test_serializers_built_on_pickle_have_the_say(colour, kind):
    """The parts in which pickle hands over large bytes are not those of another serializer."""

    class Own(kind):
        def loads(self, data):
            assert bytes(data[:4]) == b"own:"
            return pickle.loads(data[4:])

    f = colour.cached(bytes, serializer=Own())
    for size in (10, 100_000):
        f(size)
        assert f(size) == bytes(size)
    assert f.runs == 2


class Yielding(PickleSerializer):
    def dumps(self, value):
        return b"".join(self.pieces(value))

    def pieces(self, value):
        yield from (b"own:", pickle.dumps(value))

    def loads(self, data):
        return pickle.loads(data[4:])


@pytest.mark.parametrize("secret_key", [None, "s3cret"])
def test_parts_may_be_yielded(colour, secret_key):
    if secret_key is not None:
        colour.configure(secret_key=secret_key)
    f = colour.cached(bytes, serializer=Yielding())
    assert [f(100), f(100)] == [bytes(100)] * 2
    assert f.runs == 1


@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
@pytest.mark.parametrize("size", [4000, 4096, 100_000])
def test_large_values(colour, serializer, size):
    f = colour.cached(lambda x: {"text": "é" * size}, serializer=serializer, name="f")
    assert f(1) == f(1) == {"text": "é" * size}
    assert f.runs == 1


def _of_module(module):
    """Make a serializer whose class is called as those of other modules are."""

    class Digits:
        def dumps(self, value):
            return repr(value).encode()

        def loads(self, data):
            return int(data)

    Digits.__module__, Digits.__qualname__ = module, "Digits"
    return Digits()


def test_v3_serializers_of_one_name_do_not_read_each_other(colour):
    """V3: the id of a serializer of one's own is its module and class."""
    f = colour.cached(lambda x: x, serializer=_of_module("one"), name="same")
    g = colour.cached(lambda x: x, serializer=_of_module("two"), name="same")
    assert f(10) == g(10) == 10
    assert (f.runs, g.runs) == (1, 1)


def test_c5_a_secret_key_may_be_any_text(colour):
    cachu.configure(secret_key="\ud800", package=colour.package)
    f = colour.cached()
    assert f(1) == f(1)
    assert f.runs == 1


class Blob(bytes):
    pass


@pytest.mark.parametrize("size", [16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 1 << 20])
@pytest.mark.parametrize("kind", [bytes, bytearray, Blob])
def test_v2_large_bytes_are_plain_pickles(kind, size):
    """V2: which any pickle module reads, and which keep the type."""
    value = kind(bytes(range(256)) * (size // 256 + 1))[:size]
    value = kind(value)
    data = PickleSerializer().dumps(value)
    for found in (pickle.loads(data), PickleSerializer().loads(memoryview(data))):
        assert (type(found), found) == (kind, value)
