"""Every hook is called when its part of a region is made, and what it returns is used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cachu
from cachu import hookspecs, plugins
from cachu.backends import Backend
from cachu.cli import doctor
from cachu.hookspecs import hookimpl
from cachu.settings import Settings
from cachu.testing.dicts import DictStore
from cachu.testing.recording import AsyncRecordingBackend, RecordingBackend

HOOKS = [name for name in vars(hookspecs) if name.startswith("cachu_")]
PACKAGE = "cachu_hooked"


class Options(Settings):
    hooked_size: int = 3


class Upper:
    def dumps(self, value: str) -> bytes:
        return value.upper().encode()

    def loads(self, data: bytes) -> str:
        return bytes(data).decode()


class Locks:
    def __init__(self, taken: list[str]) -> None:
        self.taken = taken

    def mutex(self, key: str) -> Any:
        self.taken.append(key)
        return plugins.make("cachu_make_lock_provider", "thread", None).mutex(key)  # type: ignore[attr-defined]


class Hooked:
    """A plugin that implements every hook, and notes how each was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.taken: list[str] = []
        self.rows: dict[str, Any] = {}

    @hookimpl
    def cachu_settings(self, name: str) -> type[Settings] | None:
        return Options if name == "hooked" else None

    @hookimpl
    def cachu_diagnose(self, name: str, region: Any) -> Any:
        return self._made("cachu_diagnose", name, region, lambda: ["it is a test"])

    @hookimpl
    def cachu_make_backend(self, name: str, region: Any) -> Any:
        return self._made("cachu_make_backend", name, region, lambda: DictStore(self.rows))

    @hookimpl
    def cachu_make_async_backend(self, name: str, region: Any) -> Any:
        made = RecordingBackend(PACKAGE, [])
        hook = "cachu_make_async_backend"
        return self._made(hook, name, region, lambda: AsyncRecordingBackend(made))

    @hookimpl
    def cachu_make_key_serializer(self, name: str, region: Any) -> Any:
        return self._made("cachu_make_key_serializer", name, region, lambda: lambda _: "constant")

    @hookimpl
    def cachu_make_value_serializer(self, name: str, region: Any) -> Any:
        return self._made("cachu_make_value_serializer", name, region, Upper)

    @hookimpl
    def cachu_make_lock_provider(self, name: str, region: Any) -> Any:
        hook = "cachu_make_lock_provider"
        return self._made(hook, name, region, lambda: Locks(self.taken))

    def _made(self, hook: str, name: str, region: Any, make: Any) -> Any:
        if name != "hooked":
            return None
        self.calls.append((hook, region.package, region.ttl))
        return make()


@pytest.fixture
def hooked() -> Any:
    made = Hooked()
    plugins.register(made, "hooked")
    yield made
    cachu.clear_backends()


def use() -> tuple[list[str], str]:
    """Use the plugin for everything that it makes; return the results and the key."""

    @cachu.cache(ttl=7, package=PACKAGE)
    def plain(x: str) -> str:
        return x

    @cachu.cache(ttl=7, package=PACKAGE, serializer="pickle", lock="thread")
    async def coroutine(x: str) -> str:
        return x

    results = [plain("a"), plain("b"), asyncio.run(coroutine("c"))]
    return results, plain.key("anything")


def test_every_hook_is_called(hooked: Any) -> None:
    """S6: each with the region that it is for."""
    cachu.configure(
        backend="hooked",
        key_serializer="hooked",
        serializer="hooked",
        hooked_size=5,
        package=PACKAGE,
    )
    cachu.configure(lock="hooked", package=PACKAGE)
    results, key = use()
    assert results == ["a", "A", "c"]  # one key for all, and the serializer shouts
    assert key.endswith(":constant")
    assert cachu.get_config(PACKAGE).settings("hooked").hooked_size == 5
    assert hooked.taken
    assert {(PACKAGE, 7.0)} == {(package, ttl) for _, package, ttl in hooked.calls}
    texts = [finding.text for finding in doctor.examine(["hooked"]) if finding.level == "warning"]
    assert "it is a test" in texts
    made = {hook for hook, _, _ in hooked.calls}
    assert made | {"cachu_settings"} == set(HOOKS)


class Counting(Backend):
    """Another plugin's backend, wrapped."""

    def __init__(self, wrapped: Backend, calls: list[str]) -> None:
        self._wrapped, self._calls = wrapped, calls
        self.capabilities, self.ttl = wrapped.capabilities, wrapped.ttl

    def load(self, key: str, tag: str | None = None) -> Any:
        self._calls.append("load")
        return self._wrapped.load(key, tag)

    def store(self, key: str, entry: Any, ttl: float, tag: str = "") -> None:
        self._calls.append("store")
        self._wrapped.store(key, entry, ttl, tag)

    def delete(self, key: str) -> bool:
        return self._wrapped.delete(key)

    def clear(self, tag: str | None = None) -> int:
        return self._wrapped.clear(tag)

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        return self._wrapped.count(tag, function)


@pytest.mark.parametrize("backend", ["memory", "null"])
def test_a_plugin_may_wrap_what_others_make(backend: str) -> None:
    calls: list[str] = []

    class Wrapper:
        @hookimpl(wrapper=True)
        def cachu_make_backend(self, name: str, region: Any) -> Any:
            made = yield
            return Counting(made, calls) if isinstance(made, Backend) else made

    name = plugins.register(Wrapper())
    try:

        @cachu.cache(ttl=300, backend=backend, package=PACKAGE)
        def function(x: int) -> int:
            return x

        assert function(1) == function(1) == 1
        kept = backend == "memory"
        assert calls == (["load", "store", "load"] if kept else ["load", "store"] * 2)
    finally:
        plugins.unregister(name)
        cachu.clear_backends()
