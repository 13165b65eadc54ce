"""Keys of recent calls are not spelled anew; they are the right ones all the same."""

import itertools
import uuid

import pytest

import cachu
from cachu.wrappers import known_keys

_serial = itertools.count()


@pytest.fixture
def package(tmp_path):
    name = f"known_keys_{next(_serial)}"
    cachu.configure(package=name, backend="file", file_dir=tmp_path)
    yield name
    cachu.clear_backends()


def spelled(function):
    """Return how often a key of *function* was spelled."""
    keys = function.__cachu__.calls()._key.__self__
    spell, calls = keys._spell, []

    def counting(*call):
        calls.append(call)
        return spell(*call)

    keys._spell = counting
    return lambda: len(calls)


def test_k3_equal_arguments_of_other_types_have_keys_of_their_own(package):
    """K3: also when the calls follow each other again and again."""

    @cachu.cache(package=package)
    def f(x):
        return type(x).__name__, repr(x)

    zone = uuid.UUID(int=1)
    values = [1, True, 1.0, "1", b"1", 0, False, 0.0, -0.0, (1,), (True,), (1.0,), zone, None]
    for _ in range(3):
        for value in values:
            assert f(value) == (type(value).__name__, repr(value))
    assert f.info().misses == len(values)


def test_k7_classes_of_self_are_told_apart(package):
    """K7: a subclass never gets its parent's key."""

    class Parent:
        @cachu.cache(package=package)
        def name(self, x):
            return type(self).__name__, x

    class Child(Parent):
        pass

    for _ in range(3):
        assert Parent().name(1) == ("Parent", 1)
        assert Child().name(1) == ("Child", 1)
    assert Parent.name.info().misses == 2


def test_k9_a_new_prefix_is_a_new_key(package):
    """K9: from the next call on."""
    results = iter(range(9))

    @cachu.cache(package=package)
    def f(x):
        return next(results)

    assert [f(1), f(1)] == [0, 0]
    cachu.configure(package=package, key_prefix="new:")
    assert [f(1), f(1)] == [1, 1]
    cachu.configure(package=package, key_prefix="")
    assert [f(1), f(1)] == [0, 0]


def test_a_key_is_spelled_once(package):
    @cachu.cache(package=package)
    def f(x, y=0, *rest):
        return [x]

    count = spelled(f)
    for _ in range(5):
        f(1), f(1, 0), f(x=1), f(1, y=0)
    assert count() == 1
    for _ in range(5):
        f([1]), f(1, 2, 3)  # what is not a plain value is looked at each time
    assert count() == 11


@pytest.mark.parametrize("argument", ["x" * 5_000, ("x" * 5_000, 1), b"y" * 5_000])
def test_large_arguments_are_not_kept_alive(package, argument):
    @cachu.cache(package=package)
    def f(x):
        return 1

    count = spelled(f)
    assert [f(argument), f(argument)] == [1, 1]
    assert count() == 2


def test_only_so_many_keys_are_kept(package, monkeypatch):
    monkeypatch.setattr(known_keys, "_MOST", 10)

    @cachu.cache(package=package)
    def f(x):
        return x

    keys = f.__cachu__.calls()._key.__self__
    for x in range(35):
        assert f(x) == x
        assert len(keys._known) <= 10
    assert [f(x) for x in range(35)] == list(range(35))


def test_a_key_serializer_of_ones_own_is_asked_each_time(package):
    """K4: it may look at more than the arguments, such as who is logged in."""
    tenant = ["a"]
    cachu.configure(package=package, key_serializer=lambda arguments: f"{tenant}{arguments}")

    @cachu.cache(package=package)
    def f(x):
        return tenant[0], x

    assert [f(1), f(1)] == [("a", 1), ("a", 1)]
    tenant[0] = "b"
    assert [f(1), f(1)] == [("b", 1), ("b", 1)]
