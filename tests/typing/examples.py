"""What type checkers must make of cached functions. It is checked by them, and runs as a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, overload

import cachu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


@cachu.cache(ttl=60)
async def last(values: Sequence[T], default: T) -> T:
    return values[-1] if values else default


@overload
def parse(source: str) -> str: ...
@overload
def parse(source: bytes) -> bytes: ...
@cachu.cache(ttl=60)
def parse(source: str | bytes) -> str | bytes:
    return source


class Repository:
    @cachu.cache(ttl=300)
    def find(self, number: int, *, deep: bool = False) -> str:
        return f"{number}{deep}"

    @cachu.cache
    def only(self, item: T) -> list[T]:
        return [item]

    @overload
    def read(self, key: int) -> int: ...
    @overload
    def read(self, key: str) -> str: ...
    @cachu.cache(ttl=300)
    def read(self, key: int | str) -> int | str:
        return key

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

    @classmethod
    @cachu.cache(ttl=300)
    async def fetch_kind(cls, suffix: str) -> str:
        return cls.__name__ + suffix

    @staticmethod
    @cachu.cache(ttl=300)
    def version() -> int:
        return 1

    @staticmethod
    @cachu.cache(ttl=300)
    def twice(number: int) -> int:
        return 2 * number

    @cachu.cache(ttl=300)
    @staticmethod
    def thrice(number: int) -> int:
        return 3 * number

    @staticmethod
    @cachu.async_cache(ttl=300)
    async def fetch_twice(number: int) -> int:
        return 2 * number


class Archive(Repository):
    def find_both(self) -> str:
        return self.find(1) + super().find(2)


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


def generics_and_overloads() -> None:
    assert_type(first(("a",)), str)
    assert_type(first.refresh((1, 2)), int)
    assert_type(first.get((1, 2)), int)
    assert_type(parse("a"), str)
    assert_type(parse(b"a"), bytes)
    assert_type(cachu.cache_delete(parse, "a"), bool)  # checkers see no twins of overloads
    assert_type(Repository().only(1), list[int])
    assert_type(Repository().only("a"), list[str])
    assert_type(Repository.only.refresh(Repository(), "a"), list[str])
    assert_type(Repository().read(1), int)
    assert_type(Repository().read("a"), str)
    assert_type(Shelf("a").take(1), tuple[str, int])


def methods() -> None:
    repository = Repository()
    assert_type(repository.find(1), str)
    assert_type(repository.find(1, deep=True), str)
    assert_type(repository.find(1, _skip_cache=True), str)
    assert_type(Archive().find_both(), str)
    find: Callable[[int], str] = repository.find
    assert_type(list(map(find, [1, 2])), list[str])


def methods_of_methods() -> None:
    repository = Repository()
    Repository.find.set("one", repository, 1)
    assert_type(Repository.find.get(repository, 1), str)
    assert_type(Repository.find.refresh(repository, 1, deep=True), str)
    assert_type(Repository.find.skip(repository, 1), str)
    assert_type(Repository.find.key(repository, 1), str)
    assert_type(Repository.find.invalidate(repository, 1), bool)
    assert_type(Repository.find.info(), cachu.CacheInfo)
    assert_type(Archive.find.invalidate(Archive(), 1), bool)
    assert_type(cachu.cache_delete(repository.find, 1), bool)


def class_and_static_methods() -> None:
    repository = Repository()
    assert_type(Repository.kind("!"), str)
    assert_type(repository.kind("!"), str)
    assert_type(Archive.kind("!"), str)
    assert_type(Repository.kind_over("!"), str)
    assert_type(repository.kind_over("!"), str)
    assert_type(Repository.kind.invalidate(Repository, "!"), bool)
    assert_type(Repository.version(), int)
    assert_type(repository.version(), int)
    assert_type(Repository.twice(1), int)
    assert_type(repository.twice(1), int)
    assert_type(Repository.thrice(1), int)
    assert_type(repository.thrice(1), int)
    assert_type(Repository.twice.refresh(1), int)
    assert_type(repository.twice.invalidate(1), bool)
    assert_type(Repository.version.info(), cachu.CacheInfo)


async def asynchronous() -> None:
    assert_type(await double(2), int)
    assert_type(await double(2, _skip_cache=True), int)
    assert_type(await double.get(2), int)
    await double.set(4, 2)
    assert_type(await double.refresh(2), int)
    assert_type(await double.skip(2), int)
    assert_type(await double.invalidate(2), bool)
    assert_type(double.key(2), str)
    assert_type(await double.info(), cachu.CacheInfo)
    assert_type(await shout("text"), str)
    assert_type(await last([1, 2], 3), int)
    assert_type(await last.refresh(["a"], "b"), str)


async def asynchronous_methods() -> None:
    repository = Repository()
    assert_type(await repository.fetch(1), str)
    assert_type(await Repository.fetch.get(repository, 1), str)
    await Repository.fetch.set("one", repository, 1)
    assert_type(await Repository.fetch.invalidate(repository, 1), bool)
    assert_type(await Repository.fetch.info(), cachu.CacheInfo)
    assert_type(await Repository.fetch_kind("!"), str)
    assert_type(await repository.fetch_kind("!"), str)
    assert_type(await Repository.fetch_twice(1), int)
    assert_type(await repository.fetch_twice(1), int)
    assert_type(await Repository.fetch_twice.get(1), int)


def refused() -> None:
    get_user()  # type: ignore[call-overload]
    get_user("1")  # type: ignore[call-overload]
    get_user(1, 2, 3)  # type: ignore[call-overload]
    get_user(1, limits=2)  # type: ignore[call-overload]
    get_user(1, _skip_cache="yes")  # type: ignore[call-overload]
    get_user.key("1")  # type: ignore[arg-type]
    get_user.get()  # type: ignore[call-arg]
    get_user.set("no dict", 1)  # type: ignore[arg-type]
    get_user.set({"id": 1})  # type: ignore[call-arg]
    get_user.refresh("1")  # type: ignore[arg-type]
    get_user.skip(1, 2, 3)  # type: ignore[call-arg]
    get_user.invalidate("1")  # type: ignore[arg-type]
    get_user.info(1)  # type: ignore[call-arg]
    get_user.cached(1)  # type: ignore[attr-defined]
    length(1)  # type: ignore[call-overload]
    parse(1)  # type: ignore[call-overload]


def refused_methods(repository: Repository) -> None:
    repository.find()  # type: ignore[call-overload]
    repository.find("1")  # type: ignore[call-overload]
    repository.find(1, True)  # type: ignore[call-overload]
    repository.find.invalidate(1)  # type: ignore[attr-defined]
    repository.kind(1)  # type: ignore[call-overload]
    repository.twice("1")  # type: ignore[call-overload]
    Repository.find.invalidate(1)  # type: ignore[call-arg, arg-type]
    Repository.find.get(repository, "1")  # type: ignore[arg-type]
    Repository.kind()  # type: ignore[call-overload]
    Repository.twice.key("1")  # type: ignore[arg-type]


async def refused_coroutines() -> None:
    await double("2")  # type: ignore[call-overload]
    await double.set("4", 2)  # type: ignore[call-overload]
    await double.invalidate("2")  # type: ignore[call-overload]
    await double.get("2")  # type: ignore[arg-type]
    await last(1, 2)  # type: ignore[call-overload]
    double.get(2).bit_length()  # type: ignore[attr-defined]
    cachu.async_cache(length)  # type: ignore[arg-type]


def refused_options() -> None:
    cachu.cache(ttl="300")  # type: ignore[call-overload]
    cachu.cache(tag=3)  # type: ignore[call-overload]
    cachu.cache(time_to_live=300)  # type: ignore[call-overload]
    cachu.cache(ttl=300)(5)  # type: ignore[call-overload]
    cachu.configure(key_prefix=1)  # type: ignore[arg-type]
