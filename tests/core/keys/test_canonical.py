"""Canonical bytes are equal if and only if type and content are: K3 and K4, in one process."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import gc
import io
import math
import operator
import os
import pathlib
import re
import socket
import sys
import threading
import typing
import uuid
import weakref
import zoneinfo

import attrs
import numpy as np
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cachu.errors import UncacheableArgumentError
from cachu.keys.canonical import MAX_DEPTH, encode


class Color(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796 - an alias
    BLUE = 2


class Shade(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(typing.NamedTuple):
    x: object
    y: object = None


class OtherPair(typing.NamedTuple):
    x: object
    y: object = None


@dataclasses.dataclass
class Point:
    x: object
    y: object = None


@dataclasses.dataclass(frozen=True)
class Slotted:
    __slots__ = ("x",)
    x: object


class SlottedMore(Slotted):
    """A plain subclass of a dataclass, with a slot that is no field."""

    __slots__ = ("y",)


class Tagged(Point):
    """A plain subclass of a dataclass, with an attribute that is no field."""

    def __init__(self, x: object, tag: str) -> None:
        super().__init__(x)
        self.tag = tag


@dataclasses.dataclass
class Derived:
    x: int
    scale: dataclasses.InitVar[int] = 1

    def __post_init__(self, scale: int) -> None:
        self.scaled = self.x * scale

    @functools.cached_property
    def double(self) -> int:
        return self.x * 2


@dataclasses.dataclass
class FailureError(Exception):
    code: int


@dataclasses.dataclass
class Table(dict):
    name: str

    def __init__(self, name: str, **items: object) -> None:
        super().__init__(**items)
        self.name = name


@attrs.define
class Attr:
    x: object
    y: object = None


@attrs.frozen(slots=False, cache_hash=True)
class Hashed:
    x: str


class Model(pydantic.BaseModel):
    x: object
    y: int = 0


class Open(pydantic.BaseModel, extra="allow"):
    x: int

    @functools.cached_property
    def double(self) -> int:
        return self.x * 2


class Plain:
    def __init__(self, **attributes: object) -> None:
        vars(self).update(attributes)

    def method(self) -> None: ...

    @classmethod
    def made(cls) -> None: ...


class Other(Plain): ...


class Slots:
    __slots__ = ("__private", "x")

    def __init__(self, x: object, private: object = None) -> None:
        self.x = x
        self.__private = private


class Keyed:
    def __init__(self, key: object, rest: object = None) -> None:
        self.key = key
        self.rest = rest

    def __cache_key__(self) -> object:
        return self.key


class OtherKeyed(Keyed): ...


class Chosen:
    def __init__(self, kept: object, dropped: object) -> None:
        self.kept, self.dropped = kept, dropped

    def __getstate__(self) -> object:
        return {"kept": self.kept}


class Reduced:
    def __init__(self, kept: object) -> None:
        self.kept = kept

    def __reduce__(self) -> tuple[object, ...]:
        return (Reduced, (self.kept,))


class Singleton:
    def __reduce__(self) -> str:
        return "SINGLETON"


SINGLETON = Singleton()


class Text(str):
    """A str whose methods lie about its content."""

    __slots__ = ("note",)

    def encode(self, *args: object) -> bytes:
        return b"lie"

    def __str__(self) -> str:
        return "lie"


class Int(int): ...


class Float(float): ...


class Complex(complex): ...


class Bytes(bytes): ...


class ByteArray(bytearray): ...


class Tuple(tuple): ...  # noqa: SLOT001 - the attributes count


class List(list): ...


class Set(set): ...


class FrozenSet(frozenset): ...


class Dict(dict): ...


class Lies(tuple):
    """A tuple that says it has other elements."""

    __slots__ = ()

    def __iter__(self) -> typing.Iterator[object]:
        return iter(())


class Moment(dt.datetime): ...


class Odd(dt.date):
    @property
    def year(self) -> float:
        return 0.5


class Private(float):
    __slots__ = ("__note",)

    def noted(self, note: object) -> object:
        self.__note = note
        return self


class StatedSet(set):
    def __init__(self, items: object, kept: object, dropped: object) -> None:
        super().__init__(items)
        self.kept, self.dropped = kept, dropped

    def __getstate__(self) -> object:
        return self.kept


class ReducedText(str):
    __slots__ = ("hidden",)

    def __new__(cls, text, hidden):
        self = super().__new__(cls, text)
        self.hidden = hidden
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return (ReducedText, (str(self), self.hidden))

    def __getstate__(self) -> None:
        return None


class Filled:
    """Pickled as an empty object, into which items are put."""

    def __init__(self, items: object = (), pairs: object = ()) -> None:
        self.items, self.pairs = items, pairs

    def __reduce__(self) -> tuple[object, ...]:
        return (Filled, (), None, iter(self.items), iter(self.pairs))


class Array(np.ndarray): ...


class Lying:
    def __repr__(self) -> str:
        return "the same for all"


def module_function() -> None: ...


# A machine may be as slow as it likes.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What is equal must have equal bytes, and what differs other ones: by an oracle of its own.


def describe(value: object) -> object:  # noqa: C901, PLR0911, PLR0912 - one case per type
    """Spell type and content of a value so that `==` and `hash` compare nothing but them."""
    kind = type(value)
    if isinstance(value, float) and kind is float:
        return (kind, "nan") if math.isnan(value) else (kind, math.copysign(1, value), value)
    if kind is complex:
        return (kind, describe(value.real), describe(value.imag))
    if kind in (list, tuple, Pair, OtherPair):
        return (kind, tuple(describe(item) for item in value))
    if kind in (set, frozenset):
        return (kind, bag(describe(item) for item in value))
    if kind is dict:
        return (kind, bag((describe(key), describe(item)) for key, item in value.items()))
    if kind in (bytearray, Text):
        return (kind, tuple(bytes(value) if kind is bytearray else str.__iter__(value)))
    if kind is decimal.Decimal:
        return (kind, value.as_tuple())
    if kind in (dt.datetime, dt.time):
        return (kind, value.replace(tzinfo=None), value.fold, describe(value.tzinfo))
    if kind is dt.timezone:
        return (kind, value.utcoffset(None), value.tzname(None))
    if kind is zoneinfo.ZoneInfo:
        return (kind, value.key)
    if kind is range:
        return (kind, value.start, value.stop, value.step)
    if kind in (Point, Attr, Model):
        return (kind, describe(value.x), describe(value.y))
    if kind is Plain:
        return (kind, describe(vars(value)))
    if kind is np.ndarray:
        return (kind, value.dtype, value.shape, tuple(map(describe, value.ravel().tolist())))
    if isinstance(value, np.generic):
        return (kind, value.dtype, describe(value.item()))
    return (kind, value)


def bag(items: typing.Iterable[object]) -> object:
    return frozenset(collections.Counter(items).items())


ZONES = st.sampled_from(
    [
        None,
        dt.timezone.utc,
        dt.timezone(dt.timedelta(0), "Zulu"),
        dt.timezone(dt.timedelta(hours=1)),
        zoneinfo.ZoneInfo("UTC"),
    ]
)
PATHS = (pathlib.Path, pathlib.PurePosixPath, pathlib.PureWindowsPath)
HASHABLE = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 10, 16, 0.0, -0.0, 1.0, 0j, complex(-0.0, 0)]),
    st.sampled_from(["", "1", "a", "i1;", "s1:a", b"", b"1", b"i1;", "ab", "\ud800", "\u00e9"]),
    st.sampled_from([Color.RED, Color.BLUE, Shade.RED, Number.ONE, Right.READ | Right.WRITE]),
    st.sampled_from([int, bool, str, Point, Color, len, module_function, type(None), ...]),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.decimals(allow_nan=False),
    st.sampled_from([decimal.Decimal(text) for text in ("1.0", "1.00", "-0", "0", "NaN", "inf")]),
    st.fractions(),
    st.uuids(),
    st.dates(),
    st.timedeltas(),
    st.builds(
        lambda moment, fold: moment.replace(fold=fold),
        st.datetimes(timezones=ZONES) | st.times(timezones=ZONES),
        st.integers(0, 1),
    ),
    ZONES,
    st.builds(lambda kind, text: kind(text), st.sampled_from(PATHS), st.sampled_from(["a", "a/b"])),
    st.builds(range, st.integers(0, 3), st.integers(0, 3), st.integers(1, 2)),
)
LEAVES = HASHABLE | st.one_of(
    st.binary().map(bytearray),
    st.just(decimal.Decimal("sNaN")),
    # Hashable, but not comparable with a Decimal.
    st.sampled_from([np.int64(1), np.int32(1), np.float64(1), np.float64("nan"), np.bool_(True)]),
    st.builds(Text, st.sampled_from(["", "1", "a"])),
    st.builds(
        lambda items, kind, shape: np.array(items, dtype=kind).reshape(shape),
        st.lists(st.integers(0, 2), min_size=4, max_size=4),
        st.sampled_from(["<i4", "<i8", ">i8", "<f8", "O", "U2"]),
        st.sampled_from([(4,), (2, 2), (1, 4)]),
    ),
)


def containers(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.sets(HASHABLE, max_size=3),
        st.frozensets(HASHABLE, max_size=3),
        st.dictionaries(HASHABLE, inner, max_size=3),
        st.builds(Pair, inner, inner),
        st.builds(OtherPair, inner, inner),
        st.builds(Point, inner, inner),
        st.builds(Attr, inner, inner),
        st.builds(lambda x, y: Model(x=x, y=y), inner, st.integers(0, 1)),
        st.builds(Plain, x=inner, y=inner),
    )


VALUES = st.recursive(LEAVES, containers, max_leaves=8)


def rebuild(value: object) -> object:  # noqa: PLR0911 - one case per type
    """Copy a value so that it shares nothing, and with what has no order in the reverse order."""
    kind = type(value)
    if kind in (list, tuple, Pair, OtherPair):
        items = [rebuild(item) for item in value]
        return kind(*items) if kind in (Pair, OtherPair) else kind(items)
    if kind in (set, frozenset):
        return kind(list(value)[::-1])
    if kind is dict:
        return {key: rebuild(item) for key, item in reversed(value.items())}
    if kind in (Point, Attr):
        return kind(rebuild(value.x), rebuild(value.y))
    if kind is Plain:
        return Plain(y=rebuild(value.y), x=rebuild(value.x))
    if kind is np.ndarray:
        return np.asfortranarray(value)
    if kind in (str, bytes) and len(value) > 1:
        return value[:1] + value[1:]
    return value


@settings(UNTIMED, max_examples=400)
@given(st.lists(VALUES, min_size=2, max_size=5))
def test_k3_k4_bytes_are_equal_if_and_only_if_type_and_content_are(values):
    values += [rebuild(value) for value in values]
    described = [describe(value) for value in values]
    encoded = [encode(value) for value in values]
    for one, its_bytes in zip(described, encoded, strict=True):
        for other, other_bytes in zip(described, encoded, strict=True):
            assert (one == other) == (its_bytes == other_bytes)


@settings(UNTIMED, max_examples=200)
@given(st.lists(VALUES, min_size=2, max_size=5))
def test_k3_no_encoding_is_the_beginning_of_another(values):
    encoded = {encode(value) for value in values}
    for one in encoded:
        assert not [other for other in encoded if other != one and other.startswith(one)]


# K3


def test_k3_equal_numbers_and_texts_of_different_types_are_different():
    ones = [1, True, 1.0, 1 + 0j, "1", b"1", bytearray(b"1"), Number.ONE, np.int64(1), Int(1)]
    for wrap in (
        lambda v: v,
        lambda v: (v,),
        lambda v: [v],
        lambda v: {"k": v},
        lambda v: {0: (v,)},
    ):
        assert len({encode(wrap(one)) for one in ones}) == len(ones)


def test_k3_keys_of_dicts_and_elements_of_sets_keep_their_types():
    assert len({encode({key: 0}) for key in (1, True, 1.0, "1", b"1", Int(1))}) == 6
    assert len({encode({item}) for item in (1, True, 1.0, "1", b"1", Int(1))}) == 6


def test_k3_sets_and_dicts_are_by_content():
    names = [f"name {number}" for number in range(50)]
    assert encode({*names}) == encode({*reversed(names)})
    assert encode(dict.fromkeys(names)) == encode(dict.fromkeys(reversed(names)))
    assert encode({"a": {1: 2, 3: 4}}) == encode({"a": {3: 4, 1: 2}})


def test_k3_container_types_are_different_also_when_empty():
    empty = [(), [], set(), frozenset(), {}, "", b"", bytearray(), None, collections.OrderedDict()]
    assert len({encode(value) for value in empty}) == len(empty)


def test_k3_nothing_moves_between_neighbours():
    assert encode(("ab", "c")) != encode(("a", "bc"))
    assert encode(((1,), 2)) != encode((1, (2,)))
    assert encode([[], []]) != encode([[[]]])
    assert encode({"a": "b"}) != encode({"b": "a"})


def test_k3_keys_of_dicts_are_told_from_their_lookalikes_however_many_there_were():
    many = {f"key {number}": number for number in range(3000)}
    before = encode(many)
    assert encode(dict(reversed(many.items()))) == before
    assert encode({Text("key 7"): 7}) != encode({"key 7": 7})
    assert encode({"key 7": 7}) == encode({"key " + str(7): 7})
    assert encode(many) == before


# scalars, K4


def test_k4_nan_is_one_key_and_zeros_are_two():
    assert encode(float("nan")) == encode(-float("nan")) == encode(float("inf") - float("inf"))
    assert encode(0.0) != encode(-0.0)
    assert len({encode(complex(x, y)) for x in (0.0, -0.0) for y in (0.0, -0.0)}) == 4


def test_k4_lone_surrogates_are_text():
    assert encode("\ud83d\ude00") != encode("\U0001f600")
    assert encode("\udcff") != encode("\udcfe")


def test_k4_integers_of_any_length():
    assert encode(10**10_000) != encode(10**10_000 + 1)


def test_k4_enum_members_are_by_class_and_name():
    assert encode(Color.RED) == encode(Color.CRIMSON)
    assert len({encode(v) for v in (Color.RED, Color.BLUE, Shade.RED, 1, "RED")}) == 5
    assert encode(Right.READ | Right.WRITE) == encode(Right.WRITE | Right.READ)
    assert encode(Right.READ | Right.WRITE) != encode(Right.READ)


def test_k4_moments_keep_zone_and_fold():
    naive = dt.datetime(2024, 10, 27, 2, 30)  # noqa: DTZ001 - naive ones are keys, too
    berlin, paris = zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("Europe/Paris")
    moments = [
        naive,
        naive.replace(fold=1),
        naive.replace(tzinfo=berlin),
        naive.replace(tzinfo=berlin, fold=1),
        naive.replace(tzinfo=paris),
        naive.replace(tzinfo=dt.timezone.utc),
        naive.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))),
        naive.replace(tzinfo=dt.timezone(dt.timedelta(0), "Zulu")),
        naive.date(),
        naive.time(),
        Moment(2024, 10, 27, 2, 30),
    ]
    assert len({encode(moment) for moment in moments}) == len(moments)
    assert encode(zoneinfo.ZoneInfo.no_cache("Europe/Berlin")) == encode(berlin)


def test_k4_decimals_keep_their_places_whatever_the_context():
    assert encode(decimal.Decimal("1.0")) != encode(decimal.Decimal("1.00"))
    before = encode(decimal.Decimal("1E+30"))
    with decimal.localcontext() as context:
        context.capitals = 0
        assert encode(decimal.Decimal("1E+30")) == before


# containers of the standard library, K4


def test_k4_subclasses_of_dict_are_by_class_and_content():
    content = {"a": 1, "b": 2}
    kinds = [
        content,
        Dict(content),
        collections.OrderedDict(content),
        collections.Counter(content),
        collections.defaultdict(int, content),
        collections.defaultdict(list, content),
        collections.UserDict(content),
        collections.ChainMap(content),
    ]
    assert len({encode(value) for value in kinds}) == len(kinds)
    assert encode(Dict(a=1, b=2)) == encode(Dict(b=2, a=1))
    assert encode(collections.Counter("aab")) == encode(collections.Counter("baa"))


def test_k4_an_ordered_dict_has_an_order():
    one = collections.OrderedDict(a=1, b=2)
    other = collections.OrderedDict(b=2, a=1)
    assert encode(one) != encode(other)
    other.move_to_end("b")
    assert encode(one) == encode(other)


def test_k4_deques_are_by_content_and_bound():
    assert encode(collections.deque([1, 2])) == encode(collections.deque([1, 2]))
    assert encode(collections.deque([1, 2])) != encode(collections.deque([1, 2], 2))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Int, 7),
        (Float, 7.0),
        (Complex, 7j),
        (Text, "seven"),
        (Bytes, b"7"),
        (ByteArray, b"7"),
        (Tuple, (7,)),
        (List, [7]),
        (Set, {7}),
        (FrozenSet, {7}),
        (Dict, {7: 7}),
    ],
)
def test_k4_subclasses_of_built_in_types_are_by_class_content_and_attributes(kind, content):
    assert encode(kind(content)) == encode(kind(content))
    assert encode(kind(content)) not in (encode(kind()), encode(content))
    noted = kind(content)
    noted.note = "x"
    assert encode(noted) != encode(kind(content))


def test_k4_subclasses_of_built_in_types_may_say_what_their_state_is():
    noted = [encode(Private(1).noted(note)) for note in ("a", "a", "b")]
    assert noted[0] == noted[1] != noted[2]
    assert encode(StatedSet({1, 2}, "a", 1)) == encode(StatedSet({2, 1}, "a", 2))
    assert encode(StatedSet({1}, "a", 1)) != encode(StatedSet({1}, "b", 1))
    assert encode(StatedSet({1}, "a", 1)) != encode(StatedSet({2}, "a", 1))
    assert encode(ReducedText("a", 1)) != encode(ReducedText("a", 2))


def test_k4_subclasses_of_sets_have_no_order():
    names = [f"name {number}" for number in range(50)]
    assert encode(Set(names)) == encode(Set(reversed(names)))


def test_k4_content_counts_and_not_what_overridden_methods_say():
    assert encode(Text("a")) != encode(Text("b"))
    assert encode(Lies((1,))) == encode(Lies((1,))) != encode(Lies((2,)))


def test_k4_subclasses_of_values_may_override_their_attributes():
    assert encode(Odd(2024, 1, 1)) != encode(Odd(2024, 1, 2))
    assert encode(Odd(2024, 1, 1)) != encode(dt.date(2024, 1, 1))


# records, K4


def test_k4_records_are_by_class_and_fields():
    records = [
        record
        for x, y in ((1, 2), (1, True), (2, 1))
        for record in (
            Point(x, y),
            Pair(x, y),
            OtherPair(x, y),
            Attr(x, y),
            Plain(x=x, y=y),
            Other(x=x, y=y),
            (x, y),
        )
    ]
    assert len({encode(record) for record in records}) == len(records)
    assert encode(Point(1, {1, 2})) == encode(Point(1, {2, 1}))
    assert encode(Slotted(1)) == encode(Slotted(1)) != encode(Slotted(2))


def test_k4_no_attribute_of_a_record_is_lost():
    assert encode(Tagged(1, "a")) != encode(Tagged(1, "b"))
    assert encode(Derived(1, 2)) != encode(Derived(1, 3))
    assert encode(FailureError(1)) != encode(FailureError(2))
    failure = FailureError(1)
    failure.args = ("another",)
    assert encode(failure) != encode(FailureError(1))
    one, other = SlottedMore(1), SlottedMore(1)
    for record, y in ((one, 1), (other, 2)):
        object.__setattr__(record, "y", y)
    assert encode(one) != encode(other)
    assert encode(Table("t", a=1)) != encode(Table("t", a=2))
    assert encode(Table("t", a=1)) != encode(Table("u", a=1))


def test_k4_fields_that_are_missing_or_too_many_count():
    usual, bare, more, other = Point(1), Point(1), Point(1), Point(1)
    del bare.x
    more.noted = 1
    del other.x
    other.noted = 1
    assert len({encode(point) for point in (usual, bare, more, other)}) == 4
    slotted = Slotted(1)
    object.__delattr__(slotted, "x")
    assert encode(slotted) != encode(Slotted(None))
    halves = Attr(1), Attr(2)
    for half in halves:
        del half.y
    assert len({encode(attr) for attr in (*halves, Attr(1), Attr(2))}) == 4
    assert encode(Model.model_construct(y=1)) != encode(Model(x=None, y=1))


def test_k4_reading_a_record_does_not_change_its_key():
    derived, hashed, model = Derived(1), Hashed("a"), Open(x=1, z=1)
    before = encode(derived), encode(hashed), encode(model)
    assert derived.double == model.double == 2
    assert hash(hashed)
    assert (encode(derived), encode(hashed), encode(model)) == before


def test_k4_pydantic_models_are_by_class_and_fields():
    assert encode(Model(x=1)) == encode(Model(x=1, y=0))
    assert len({encode(m) for m in (Model(x=1), Model(x="1"), Model(x=1, y=1))}) == 3
    assert encode(Open(x=1, z=1)) != encode(Open(x=1, z=2))


# numpy, K4


def test_k4_arrays_are_by_dtype_shape_and_content():
    array = np.arange(6, dtype="<i4").reshape(2, 3)
    assert encode(array) == encode(np.asfortranarray(array)) == encode(array.copy())
    assert encode(array) == encode(np.arange(12, dtype="<i4")[::2].reshape(2, 3) // 2)
    different = [
        array,
        array.T,
        array.reshape(3, 2),
        array.astype("<i8"),
        array.astype(">i4"),
        array.astype(object),
        array.view(np.uint32),
        array.view(Array),
        array.view(np.memmap),
        array.tolist(),
        np.ma.array(array, mask=array > 3),
        np.array(5),
        np.int64(5),
        np.dtype("<i4"),
        np.dtype([("x", "<i4")]),
        np.dtype([("y", "<i4")]),
    ]
    assert len({encode(value) for value in different}) == len(different)


def test_k4_structured_arrays_are_by_their_fields_and_not_by_the_bytes_between():
    kind = np.dtype([("flag", "?"), ("value", "<f8")], align=True)
    one, other = (np.full(kind.itemsize * 2, fill, "u1").view(kind) for fill in (0, 1))
    for array in (one, other):
        array["flag"], array["value"] = True, 1.5
    assert one.tobytes() != other.tobytes()
    assert encode(one) == encode(other)
    assert encode(one[0]) == encode(other[0])
    other["value"][1] = 2
    assert encode(one) != encode(other)


def test_k4_object_arrays_are_by_their_elements():
    one, other = (np.array([items, "a"], dtype=object) for items in ([1, 2], [1, 3]))
    assert encode(one) == encode(np.array([[1, 2], "a"], dtype=object)) != encode(other)
    assert encode(np.array([1], dtype=object)) != encode(np.array([True], dtype=object))


# names, K4


def test_k4_functions_and_classes_are_by_name():
    named = [
        module_function,
        len,
        math.sin,
        Point,
        Plain.method,
        Plain.made,
        Plain().method,
        Other().method,
        [].append,
        [1].append,
        str.upper,
        "a".upper,
        int,
        np.add,
        functools.partial(int, base=2),
        functools.partial(int, base=3),
        re.compile("a"),
        re.compile("a", re.IGNORECASE),
        re.compile(b"a"),
        operator.attrgetter("a"),
        operator.attrgetter("b"),
        list[int],
        list[str],
    ]
    assert len({encode(value) for value in named}) == len(named)
    assert encode(Plain().method) == encode(Plain().method)


def test_k4_a_name_that_leads_elsewhere_is_no_name(monkeypatch):
    old = module_function
    monkeypatch.setitem(globals(), "module_function", lambda: None)
    with pytest.raises(UncacheableArgumentError, match="module_function"):
        encode(old)


def test_k4_singletons_that_pickle_by_name():
    assert encode(SINGLETON) == encode(SINGLETON)
    with pytest.raises(UncacheableArgumentError, match="very object"):
        encode(Singleton())


# __cache_key__ and pickled state, K4


def test_k4_cache_key_replaces_the_state():
    assert encode(Keyed(1, "a")) == encode(Keyed(1, "b"))
    assert (
        len({encode(v) for v in (Keyed(1), Keyed(2), Keyed("1"), Keyed(True), OtherKeyed(1), 1)})
        == 6
    )


def test_k4_cache_key_is_enough_for_a_local_class():
    class Local:
        def __cache_key__(self):
            return 1

    assert encode(Local()) == encode(Local())


def test_k4_errors_of_cache_key_are_the_callers():
    class Broken:
        def __cache_key__(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        encode(Broken())


def test_k4_other_objects_are_by_class_and_the_state_that_pickle_would_save():
    assert encode(Plain(a=1, b=2)) == encode(Plain(b=2, a=1))
    assert encode(Plain(a=1)) not in (encode(Plain(a=2)), encode(Other(a=1)), encode(Plain(b=1)))
    assert encode(Slots(1, 2)) == encode(Slots(1, 2))
    assert len({encode(Slots(*state)) for state in ((1, 2), (1, 3), (2, 2))}) == 3
    assert encode(Chosen(1, "a")) == encode(Chosen(1, "b")) != encode(Chosen(2, "a"))
    assert encode(Reduced({1, 2})) == encode(Reduced({2, 1})) != encode(Reduced({1}))
    assert (
        len({encode(Filled(*state)) for state in ((), ([1],), ([2],), ([1, 2],), ([2, 1],))}) == 5
    )
    assert encode(Filled((), [(1, 2), (3, 4)])) == encode(Filled((), [(3, 4), (1, 2)]))
    assert len({encode(Filled((), pairs)) for pairs in ([], [(1, 2)], [(1, 3)], [(2, 2)])}) == 4
    assert encode(io.BytesIO(b"a")) != encode(io.BytesIO(b"b"))
    assert encode(ValueError(1)) != encode(ValueError("1"))


def test_k4_a_repr_is_never_trusted():
    assert encode(Lying()) != encode(Plain())
    one, other = Plain(a=1), Plain(a=2)
    Plain.__repr__ = Lying.__repr__
    try:
        assert encode(one) != encode(other)
    finally:
        del Plain.__repr__


def test_k4_shared_references_do_not_count():
    part = ["a", {"b"}]
    assert encode([part, part]) == encode([["a", {"b"}], ["a", {"b"}]])
    text = str(10**9)
    assert encode((text, text)) == encode((str(10**9), str(10**9)))
    shared = Plain(x=part, y=part)
    assert encode(shared) == encode(Plain(x=["a", {"b"}], y=["a", {"b"}]))


# what has no stable form, K4


def local_function():
    def inner(): ...

    return inner


def local_instance():
    class Inner: ...

    return Inner()


def local_record():
    @dataclasses.dataclass
    class Inner:
        x: int = 0

    return Inner()


@pytest.mark.parametrize(
    "make",
    [
        lambda: lambda: None,
        local_function,
        local_instance,
        local_record,
        lambda: type(local_instance()),
        lambda: functools.partial(lambda: None),
        lambda: collections.defaultdict(lambda: 0),
        threading.Lock,
        threading.RLock,
        threading.Event,
        threading.local,
        asyncio.Lock,
        lambda: (number for number in ()),
        pathlib.Path(os.devnull).open,
        socket.socket,
        lambda: weakref.ref(Plain),
        lambda: sys,
        lambda: memoryview(b""),
        sys._getframe,
        object,
        lambda: Plain(lock=threading.Lock()),
        lambda: Point(1, lambda: None),
        lambda: Model(x=lambda: None),
        lambda: np.array([lambda: None]),
        lambda: Keyed(threading.Lock()),
    ],
)
def test_k4_what_has_no_stable_form_is_refused_everywhere(make):
    value = make()
    for wrapped in (value, (value,), [[value]], {"k": value}, Point(value), Plain(x=value)):
        with pytest.raises(UncacheableArgumentError) as caught:
            encode(wrapped)
        assert caught.value.reason
        assert caught.value.parameter is None
        assert "0x" not in str(caught.value)
    if hasattr(value, "close"):
        value.close()


def test_k4_the_reason_of_a_refusal_never_quotes_the_value():
    with pytest.raises(UncacheableArgumentError) as caught:
        encode(Plain(password="hunter2", lock=threading.Lock()))
    assert "hunter2" not in str(caught.value)
    assert "_thread.lock" in caught.value.reason


def self_referential():
    items: list[object] = []
    items.append(items)
    pair: list[object] = []
    pair += [pair, pair]
    table: dict[str, object] = {}
    table["me"] = (table,)
    plain = Plain()
    plain.me = plain
    point = Point(None)
    point.x = [point]
    keyed = Keyed(None)
    keyed.key = keyed
    array = np.empty(1, dtype=object)
    array[0] = array
    dictionary = Dict()
    dictionary["me"] = dictionary
    return [items, pair, table, plain, point, keyed, array, dictionary]


@pytest.mark.parametrize("value", self_referential(), ids=lambda value: type(value).__name__)
def test_k4_what_contains_itself_is_refused(value):
    with pytest.raises(UncacheableArgumentError, match="contains itself"):
        encode(value)


def test_k4_depth_has_a_limit_of_its_own():
    value: list[object] = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert encode(value)
    with pytest.raises(UncacheableArgumentError, match="nested more than"):
        encode([value])


@pytest.mark.parametrize(
    ("value", "levels"),
    [
        (dt.date(2024, 1, 2), 1),
        (dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc), 3),
        (dt.time(1, 2), 1),
        (dt.timedelta(1), 1),
        (dt.timezone.utc, 2),
        (decimal.Decimal("1.5"), 2),
        (decimal.Decimal("NaN"), 2),
        (uuid.UUID(int=1), 1),
        (pathlib.PurePosixPath("a"), 1),
        (Color.RED, 1),
        (Keyed(1), 1),
        (Pair(1), 2),
        (Point(1), 2),
        (Slotted(1), 2),
        (Attr(1), 2),
        (Model(x=1), 2),
        ((), 1),
        ({}, 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_k4_the_limit_counts_what_a_value_is_made_of(value, levels):
    for _ in range(MAX_DEPTH - levels):
        value = [value]
    assert encode(value)
    with pytest.raises(UncacheableArgumentError, match="nested more than"):
        encode([value])


def test_classes_are_not_kept_alive():
    module = sys.modules[__name__]
    cls = type("Passing", (), {"__module__": __name__})
    module.Passing = cls
    assert encode(cls()) != encode(Plain())
    del module.Passing
    passed = weakref.ref(cls)
    del cls
    gc.collect()
    assert passed() is None
