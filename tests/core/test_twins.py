"""The twins of a cached function, and the functions that reach its entries (D3, D4, D7)."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from typing import TYPE_CHECKING, Any

import pytest

import cachu

if TYPE_CHECKING:
    from conftest import Colour

MANY = "a, /, b=2, *more, c=3, **rest"
CALLS = [
    ((1,), {}),
    ((1, 5), {}),
    ((1, 2, 3), {}),
    ((1,), {"c": 4}),
    ((1,), {"other": 5}),
    (("1",), {}),
    (((1, 2),), {}),
    ((True,), {}),
    ((1.0,), {}),
    ((0.0,), {}),
]


class Repo:
    @cachu.cache
    def get_user(self, user_id: int) -> int:
        return user_id

    @classmethod
    @cachu.cache
    def by_class(cls, user_id: int) -> tuple[str, int]:
        return cls.__name__, user_id

    @staticmethod
    @cachu.cache
    def guest(user_id: int) -> int:
        return user_id

    @cachu.async_cache
    async def get_user_async(self, user_id: int) -> int:
        return user_id


@pytest.mark.parametrize(("args", "kwargs"), CALLS, ids=repr)
def test_d3_a_twin_does_what_it_says(colour: Colour, args: Any, kwargs: Any) -> None:
    f = colour.define(MANY)
    with pytest.raises(KeyError) as missing:
        f.get(*args, **kwargs)
    assert missing.value.args == (f.key(*args, **kwargs),)
    assert f.invalidate(*args, **kwargs) is False
    f.set("set", *args, **kwargs)
    assert f.get(*args, **kwargs) == "set"
    assert f(*args, **kwargs) == "set"
    assert f.calls == []
    made = f.refresh(*args, **kwargs)
    assert made == colour.run(f.plain(*args, **kwargs))
    assert f(*args, **kwargs) is made
    assert f.skip(*args, **kwargs) is not made
    assert f.get(*args, **kwargs) is made
    assert f.invalidate(*args, **kwargs) is True
    assert f.invalidate(*args, **kwargs) is False
    assert f.counts == (2, 1, 0)
    assert f(*args, **kwargs) == made


@pytest.mark.parametrize(("args", "kwargs"), CALLS, ids=repr)
def test_d4_the_functions_do_the_same(colour: Colour, args: Any, kwargs: Any) -> None:
    f = colour.define(MANY)
    get, put = colour.operation("cache_get"), colour.operation("cache_set")
    delete, info = colour.operation("cache_delete"), colour.operation("cache_info")
    with pytest.raises(KeyError) as missing:
        get(f.cached, *args, **kwargs)
    assert missing.value.args == (f.key(*args, **kwargs),)
    for default in (None, 0, "x"):
        assert get(f.cached, *args, default=default, **kwargs) is default
    assert delete(f.cached, *args, **kwargs) is False
    assert put(f.cached, None, *args, **kwargs) is None
    assert get(f.cached, *args, **kwargs) is None
    assert get(f.cached, *args, default=1, **kwargs) is None
    assert f(*args, **kwargs) is None
    assert tuple(info(f.cached)) == (1, 0, 1)
    assert delete(f.cached, *args, **kwargs) is True
    assert tuple(info(f.cached)) == (1, 0, 0)
    assert isinstance(info(f.cached), cachu.CacheInfo)


def test_d3_the_colours_of_the_twins(colour: Colour) -> None:
    f = colour.define("x").cached
    asynchronous = colour.name == "async"
    assert isinstance(f.key(1), str)
    for twin in ("get", "set", "invalidate", "refresh", "skip", "info"):
        assert inspect.iscoroutinefunction(getattr(f, twin)) is asynchronous
    assert colour.run(f.skip(1)) == {"x": 1}


def test_d7_the_other_functions_are_coroutines() -> None:
    async def main() -> None:
        for made in (
            cachu.get_async_backend("memory"),
            cachu.async_cache_clear(),
            cachu.clear_async_backends(),
        ):
            assert inspect.iscoroutine(made)
            await made
        backend = await cachu.get_async_backend("memory", ttl=60)
        await backend.set("k", 1)
        assert await backend.get("k") == 1
        assert cachu.get_backend("memory", ttl=60).get("k") == 1
        assert await backend.delete("k") is True
        assert await backend.get("k", default=3) == 3

    asyncio.run(main())


def test_d7_both_decorators_make_the_same_kind_of_function() -> None:
    async def main() -> None:
        for decorator in (cachu.cache, cachu.async_cache, cachu.cache(60), cachu.async_cache(60)):

            @decorator
            async def f(x: int) -> int:
                return x

            await cachu.async_cache_set(f, 5, 1)
            assert await cachu.async_cache_get(f, x=1) == 5
            assert await f(1) == 5
            assert tuple(await cachu.async_cache_info(f)) == (1, 0, 1)
            assert await cachu.async_cache_delete(f, 1)

    asyncio.run(main())


OPERATIONS = ["cache_get", "cache_set", "cache_delete", "cache_info"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_d7_the_wrong_colour_says_which_to_call(operation: str) -> None:
    @cachu.cache
    def plain(x: int) -> int:
        return x

    @cachu.cache
    async def asynchronous(x: int) -> int:
        return x

    arguments = (5,) if operation == "cache_set" else ()
    with pytest.raises(cachu.ConfigurationError, match=rf"asynchronous.*await async_{operation}\("):
        getattr(cachu, operation)(asynchronous, *arguments)
    with pytest.raises(cachu.ConfigurationError, match=rf"plain.*use {operation}\("):
        asyncio.run(getattr(cachu, f"async_{operation}")(plain, *arguments))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("thing", [len, lambda: 0, None, Repo, "f"], ids=repr)
def test_d4_what_is_not_cached_is_refused(colour: Colour, operation: str, thing: Any) -> None:
    call = colour.operation(operation)
    arguments = (5,) if operation == "cache_set" else ()
    with pytest.raises(cachu.ConfigurationError, match="not cached; decorate it with"):
        call(thing, *arguments)


def test_d4_bound_methods() -> None:
    repo, other = Repo(), Repo()
    cachu.cache_set(repo.get_user, "seven", 7)
    assert other.get_user(7) == "seven"
    assert cachu.cache_get(other.get_user, user_id=7) == "seven"
    assert cachu.cache_get(Repo.get_user, repo, 7) == "seven"
    assert Repo.get_user.get(repo, 7) == "seven"
    assert Repo.get_user.get(self=repo, user_id=7) == "seven"
    assert tuple(cachu.cache_info(repo.get_user)) == (1, 0, 1)
    assert cachu.cache_delete(repo.get_user, 7) is True
    assert cachu.cache_get(repo.get_user, 7, default=None) is None
    assert repo.get_user(7) == 7
    assert Repo.get_user.invalidate(repo, 7) is True


def test_d4_methods_of_classes_and_static_methods() -> None:
    class Sub(Repo):
        pass

    cachu.cache_set(Repo.by_class, "here", 7)
    assert Repo.by_class(7) == "here"
    assert Sub.by_class(7) == ("Sub", 7)
    assert cachu.cache_delete(Sub.by_class, 7) is True
    assert cachu.cache_delete(Repo().by_class, 7) is True
    cachu.cache_set(Repo.guest, "me", 1)
    assert Repo().guest(1) == "me"
    assert cachu.cache_delete(Repo.guest, user_id=1) is True


def test_d4_bound_methods_of_coroutines() -> None:
    async def main() -> None:
        repo = Repo()
        await cachu.async_cache_set(repo.get_user_async, "seven", 7)
        assert await repo.get_user_async(7) == "seven"
        assert await Repo.get_user_async.get(repo, 7) == "seven"
        assert await cachu.async_cache_delete(repo.get_user_async, 7) is True

    asyncio.run(main())


@pytest.mark.parametrize(
    "signature",
    ["fn, value, default", "function, args, kwargs", "*, value=1, default=2, fn=3", "**rest"],
)
def test_d3_parameters_called_like_those_of_the_operations(colour: Colour, signature: str) -> None:
    f = colour.define(signature)
    names = {"fn": 1, "value": 2, "default": 3, "function": 4, "self": 5}
    if not signature.startswith("*"):
        names = dict.fromkeys(signature.split(", "), 7)
    elif "rest" not in signature:
        names = {"fn": 1, "value": 2, "default": 3}
    f.set("kept", **names)
    assert f.get(**names) == "kept"
    assert f(**names) == "kept"
    assert f.invalidate(**names) is True
    assert f.refresh(**names) == f.skip(**names)
    assert isinstance(f.key(**names), str)


def test_d4_a_parameter_called_function_is_reached_by_operations(colour: Colour) -> None:
    f = colour.define("function, value")
    colour.operation("cache_set")(f.cached, "kept", function=1, value=2)
    assert colour.operation("cache_get")(f.cached, function=1, value=2) == "kept"
    assert colour.operation("cache_delete")(f.cached, value=2, function=1) is True


@pytest.mark.parametrize(("args", "kwargs"), CALLS, ids=repr)
def test_d3_a_key_is_what_the_backend_takes(colour: Colour, args: Any, kwargs: Any) -> None:
    f = colour.define(MANY)
    backend = cachu.get_backend("memory", ttl=300)
    key = f.key(*args, **kwargs)
    assert backend.get(key) is cachu.NO_VALUE
    made = f(*args, **kwargs)
    assert backend.get(key) is made
    backend.set(key, "by hand")
    assert f(*args, **kwargs) == "by hand"
    assert f.get(*args, **kwargs) == "by hand"
    f.set("again", *args, **kwargs)
    assert backend.get(key) == "again"
    assert f(*args, **kwargs) == "again"
    assert backend.delete(key) is True
    assert backend.delete(key) is False
    assert f.counts == (2, 1, 0)
    assert f(*args, **kwargs) == made
    assert backend.count() == 1


@pytest.mark.parametrize(("args", "kwargs"), CALLS, ids=repr)
@pytest.mark.parametrize("signature", [MANY, "a, b=2, *, c=3", "a", "self, a=0", "a, *more"])
def test_d3_a_key_known_from_elsewhere_finds_the_entry(
    colour: Colour, signature: str, args: Any, kwargs: Any
) -> None:
    f = colour.define(signature)
    try:
        key = f.key(*args, **kwargs)
    except TypeError:
        return  # not a call of this one
    cachu.cache_clear()  # forgets, too, which key was asked for
    made = f(*args, **kwargs)
    backend = cachu.get_backend("memory")
    assert backend.get("".join(list(key))) is made
    cachu.cache_clear()
    f(*args, **kwargs)
    assert backend.delete("".join(list(key))) is True
    assert f.counts == (0, 2, 0)
    cachu.cache_clear()
    made = f(*args, **kwargs)
    backend.set("".join(list(key)), "by hand")
    assert f(*args, **kwargs) == "by hand"
    assert f.counts == (1, 3, 1)


def test_d3_every_entry_is_found_under_its_own_key(sync: Colour) -> None:
    f = sync.define("x, *, y=(0,)")
    arguments = [0, False, 0.0, -0.0, 1, True, "1", b"1", (1,), (True,), None, "", ()]
    keys = [f.key(argument) for argument in arguments]
    assert len(set(keys)) == len(keys)
    for order in (arguments, arguments[::-1]):
        cachu.cache_clear()
        for argument in order:
            f(argument)
        backend = cachu.get_backend("memory")
        for key, argument in zip(keys, arguments):
            assert repr(backend.get(key)["x"]) == repr(argument)
        assert backend.count() == len(arguments)


def test_s4_setting_by_key_while_it_is_computed_wins(sync: Colour) -> None:
    """S4: whoever sets or deletes an entry by its key overrules a computation under way."""
    backend = cachu.get_backend("memory")
    for asked, action in itertools.product((True, False), ("set", "delete")):
        keys: list[str] = []

        def meanwhile(keys: list[str] = keys, action: str = action) -> None:
            if action == "set":
                backend.set(keys[0], "by hand")
            else:
                backend.delete(keys[0])

        f = sync.define("x", "meanwhile(); return 'computed'", {"meanwhile": meanwhile})
        keys.append(f.key(1))
        if not asked:
            cachu.cache_clear()
        assert f(1) == "computed"
        expected = "by hand" if action == "set" else cachu.NO_VALUE
        assert backend.get(keys[0]) == expected
        assert f.counts[2] == (action == "set")
        backend.clear()


def test_t3_an_entry_set_by_hand_lives_as_long_as_others(colour: Colour, clock: Any) -> None:
    f = colour.define("x", ttl=60)
    f.set("kept", 1)
    clock.advance(59.9)
    assert f(1) == "kept"
    clock.advance(0.1)
    with pytest.raises(KeyError):
        f.get(1)
    assert f.invalidate(1) is False
    assert f(1) == {"x": 1}


def test_v2_copies_for_every_caller_and_twin(colour: Colour) -> None:
    f = colour.define("x", body="return [x]", copy=True)
    mine = f(1)
    mine.append("spoilt")
    theirs = f(1)
    assert theirs == [1]
    theirs.append("spoilt")
    assert f(1) == f.get(1) == [1]
    assert f(1) is not f(1)
    given = [5]
    f.set(given, 1)
    given.append("spoilt")
    assert f(1) == [5]
    f.refresh(1).append("spoilt")
    assert f(1) == [1]
    assert f.get(1) is not f.get(1)


def test_v2_references_unless_copies_are_asked_for(colour: Colour) -> None:
    f = colour.define("x", body="return [x]")
    assert f(1) is f(1)
    assert f.get(1) is f(1)


def test_readme_validate_sees_entries(colour: Colour, clock: Any) -> None:
    seen: list[cachu.CacheEntry] = []

    def validate(entry: cachu.CacheEntry) -> bool:
        seen.append(entry)
        return entry.age < 1800

    f = colour.define("x", ttl=3600, validate=validate)
    f(1)
    made = clock.now
    clock.advance(1799)
    f(1)
    assert f.get(1) == {"x": 1}
    assert seen[0].value == {"x": 1}
    assert seen[0].created_at == pytest.approx(made)
    assert seen[0].age == pytest.approx(1799)
    clock.advance(1)
    assert cachu.get_backend("memory", ttl=3600).get(f.key(1)) == {"x": 1}
    f(1)
    assert f.counts == (1, 2, 1)
