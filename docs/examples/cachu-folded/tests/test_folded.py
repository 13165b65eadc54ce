"""Folded keys, in plain and in asynchronous code."""

import asyncio

import pytest

import cachu

cachu.configure(key_serializer="folded", package="folded_tests")


def test_case_and_space_make_no_difference() -> None:
    @cachu.cache(package="folded_tests")
    def find(email: object, *, limit: int = 10) -> object:
        return email

    assert find("Ada@Example.com ") == "Ada@Example.com "
    assert find("ada@example.com") == "Ada@Example.com "
    assert find.info().misses == 1
    other = [1, 1.0, True, None, "1", ["1"], ["a", "b"], ["a, b"], {"a": 1}, {"a": "1"}]
    assert len({find.key(each) for each in other}) == len(other)
    assert find.key("a", limit=1) != find.key("a")
    assert find.key({"a": "X", "b": 1}) == find.key({"b": 1, "a": "x"})


def test_coroutine_functions_too() -> None:
    @cachu.cache(package="folded_tests")
    async def find(email: str) -> str:
        return email

    async def both() -> tuple[str, str]:
        return await find("A"), await find("a")

    assert asyncio.run(both()) == ("A", "A")


@pytest.mark.parametrize("value", [(1,), {1}, b"a", object(), {1: 2}])
def test_what_cannot_be_folded_is_refused(value: object) -> None:
    @cachu.cache(package="folded_tests")
    def find(email: object) -> object:
        return email

    with pytest.raises(cachu.UncacheableArgumentError, match=r"'email'.*is not folded"):
        find([value])
