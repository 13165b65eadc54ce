"""What a clear reaches when backends fail or belong to others."""

import asyncio

import pytest

import cachu
from cachu import plugins, regions
from cachu.backends import Capability
from cachu.backends.stores import Store
from cachu.hookspecs import hookimpl
from cachu.settings import Settings

RACKS = {}


class RackStore(Store):
    capabilities = Capability.CLEAR | Capability.REGIONS | Capability.SHARED

    def __init__(self, region):
        self.rack = RACKS.setdefault(region.config.rack_dir, {})
        self.rows = self.rack.setdefault(region.identity, {})

    def load(self, key, tag=None):
        return self.rows.get(key)

    def store(self, key, data, ttl, tag=""):
        self.rows[key] = data

    def delete(self, key):
        return self.rows.pop(key, None) is not None

    def clear(self, tag=None):
        if "down" in self.rows:
            message = "down"
            raise RuntimeError(message)
        found = len(self.rows)
        self.rows.clear()
        return found

    def regions(self):
        return [name for name, rows in self.rack.items() if rows]


class RackSettings(Settings):
    rack_dir: str = "default"


class Plugin:
    def __init__(self):
        self.asked = []

    @hookimpl
    def cachu_make_backend(self, name, region):
        if name != "rack":
            return None
        self.asked.append(region.package)
        return RackStore(region)

    @hookimpl
    def cachu_settings(self, name):
        return RackSettings if name == "rack" else None


@pytest.fixture
def plugin():
    made = Plugin()
    plugins.register(made, "rack")
    yield made
    cachu.configure(rack_dir=cachu.DEFAULT)
    cachu.clear_backends()
    plugins.unregister("rack")
    RACKS.clear()


def test_a_backend_that_fails_keeps_no_other_from_being_cleared(colour, plugin):
    f = colour.define("x", backend="rack", ttl=10, name=f"ten-{colour.name}")
    g = colour.define("x", backend="rack", ttl=20, name=f"twenty-{colour.name}")
    h = colour.define("x", backend="memory")
    f(1), g(1), h(1)
    (rack,) = RACKS.values()
    (broken,) = (rows for (_, _, ttl), rows in rack.items() if ttl == 10)
    broken["down"] = b""
    other = colour.define("x", backend="null", name=f"null-{colour.name}")
    other(1)
    with pytest.raises(cachu.BackendError, match="down"):
        colour.operation("cache_clear")()
    assert h.info().currsize == 0
    assert [ttl for (_, _, ttl), rows in rack.items() if rows] == [10]


def test_listed_regions_are_cleared_in_the_store_that_lists_them(colour, plugin):
    cachu.configure(rack_dir="X")
    RACKS["X"] = {("lib_b", "", 300.0): {"k": b""}}
    assert colour.operation("cache_clear")(backend="rack", package="*") == 1
    assert not any(RACKS["X"].values())
    assert set(RACKS) == {"X"}


def test_a_package_here_is_cleared_in_its_own_store_too(colour, plugin):
    cachu.configure(rack_dir="X")
    cachu.configure(rack_dir="Y", package="lib_b")
    regions.get_backend("rack", 300, "lib_b").set("k", 1)
    RACKS["X"] = {("lib_b", "", 300.0): {"k": b""}}
    assert colour.operation("cache_clear")(backend="rack", package="*") == 2
    cachu.configure(rack_dir=cachu.DEFAULT, package="lib_b")


def test_the_caller_is_taken_when_the_coroutine_is_made(plugin):
    scope = {"__name__": "lib_c", "cachu": cachu}
    exec("def clear(): return cachu.async_cache_clear(backend='rack', package='*')", scope)  # noqa: S102
    asyncio.run(scope["clear"]())
    assert plugin.asked == ["lib_c"]
