"""What type checkers must make of cached functions. It is checked by them, and runs as a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import cachu

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value: object, _: object) -> object:
        return value


T = TypeVar("T")


@cachu.cache(ttl=300, tag="users")
def get_user(user_id: int, limit: int = 10) -> dict[str, int]:
    return {"id": user_id, "limit": limit}


@cachu.cache
def length(text: str) -> int:
    return len(text)


@cachu.cache(ttl=None)
async def double(number: int) -> int:
    return 2 * number


@cachu.async_cache
async def shout(text: str) -> str:
    return text.upper()


@cachu.cache(ttl=60)
def first(values: tuple[T, ...]) -> T:
    return values[0]


class Repository:
    @cachu.cache(ttl=300)
    def find(self, number: int) -> str:
        return f"{number}"

    @cachu.cache(ttl=300)
    async def fetch(self, number: int) -> str:
        return f"{number}"

    @classmethod
    @cachu.cache(ttl=300)
    def kind(cls, suffix: str) -> str:
        return cls.__name__ + suffix

    @cachu.cache(ttl=300)
    @classmethod
    def kind_over(cls, suffix: str) -> str:
        return cls.__name__ + suffix

    @staticmethod
    @cachu.cache(ttl=300)
    def version() -> int:
        return 1


class Shelf(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item

    @cachu.cache(ttl=300)
    def take(self, number: int) -> tuple[T, int]:
        return self.item, number

    def __cache_key__(self) -> object:
        return self.item


def plain() -> None:
    assert_type(get_user(1), dict[str, int])
    assert_type(get_user(1, limit=5), dict[str, int])
    assert_type(get_user(1, _skip_cache=True), dict[str, int])
    assert_type(get_user(1, _overwrite_cache=True), dict[str, int])
    assert_type(get_user.key(1), str)
    assert_type(get_user.get(1), dict[str, int])
    get_user.set({"id": 7}, 7)
    assert_type(get_user.invalidate(7), bool)
    assert_type(get_user.refresh(1), dict[str, int])
    assert_type(get_user.skip(1), dict[str, int])
    assert_type(get_user.info(), cachu.CacheInfo)
    assert_type(cachu.cache_info(get_user).hits, int)
    assert_type(length("text"), int)
    assert_type(first((1, 2)), int)
    assert_type(first(("a",)), str)


def methods() -> None:
    repository = Repository()
    assert_type(repository.find(1), str)
    assert_type(Repository.find.invalidate(repository, 1), bool)
    assert_type(Repository.kind("!"), str)
    assert_type(Repository.kind_over("!"), str)
    assert_type(Repository.version(), int)
    assert_type(Shelf("a").take(1), tuple[str, int])


async def asynchronous() -> None:
    assert_type(await double(2), int)
    assert_type(await double(2, _skip_cache=True), int)
    assert_type(await double.get(2), int)
    assert_type(await double.info(), cachu.CacheInfo)
    assert_type(await shout("text"), str)
    assert_type(await Repository().fetch(1), str)


def refused() -> None:
    get_user("1")  # type: ignore[call-overload]
    get_user.key("1")  # type: ignore[arg-type]
    get_user.set("no dict", 1)  # type: ignore[arg-type]
    length(1)  # type: ignore[call-overload]
    cachu.cache(ttl="300")  # type: ignore[call-overload]
    cachu.async_cache(length)  # type: ignore[arg-type]
    cachu.configure(key_prefix=1)  # type: ignore[arg-type]
