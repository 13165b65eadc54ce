"""Keys that depend on a secret, in plain and in asynchronous code."""

import asyncio

import pytest

import cachu

PACKAGE = "keyed_tests"


@pytest.fixture(autouse=True)
def configured() -> None:
    cachu.configure("memory", package=PACKAGE, key_serializer="keyed", keyed_secret="secret")


@cachu.cache(package=PACKAGE)
def find(email: object, *, limit: int = 10) -> object:
    return [email]


def test_different_arguments_have_different_keys() -> None:
    other = [1, 1.0, True, None, "1", b"1", [1], (1,), ["1"], [["list", [1]]], {1: 2}, {"1": 2}]
    assert len({find.key(each) for each in other}) == len(other)
    assert find.key("a", limit=1) != find.key("a")
    assert find.key({"a": 1, "b": 2}) == find.key({"b": 2, "a": 1})


def test_keys_depend_on_the_secret() -> None:
    first = find.key("ada@example.com")
    assert "ada" not in first
    cachu.configure(package=PACKAGE, keyed_secret="another")
    assert find.key("ada@example.com") != first


def test_calls_are_cached() -> None:
    assert find(["ada"]) is find(["ada"])

    @cachu.cache(package=PACKAGE)
    async def find_async(emails: list[str]) -> list[str]:
        return [*emails]

    async def both() -> bool:
        return await find_async(["ada"]) is await find_async(["ada"])

    assert asyncio.run(both())


def test_without_a_secret_it_says_so() -> None:
    cachu.configure(package=PACKAGE, keyed_secret=cachu.DEFAULT)
    with pytest.raises(cachu.ConfigurationError, match="needs keyed_secret="):
        find("ada")


@pytest.mark.parametrize("value", [{1}, object(), range(3)])
def test_what_it_does_not_know_is_refused(value: object) -> None:
    with pytest.raises(cachu.UncacheableArgumentError, match=r"'email'.*does not know"):
        find([value])
