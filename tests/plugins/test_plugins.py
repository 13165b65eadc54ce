"""Plugins are found by name, one at a time, and say clearly what is wrong (S6)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pluggy
import pytest

from cachu import catalogue, plugins
from cachu.config import configure, get_config
from cachu.errors import (
    BrokenPluginError,
    ConfigurationError,
    PluginConflictError,
    UnknownPluginError,
)
from cachu.hookspecs import hookimpl
from cachu.settings import Settings

Distribute = Callable[..., Path]

SOURCE = str(Path(plugins.__file__).parents[1])
BROKEN = "import a_driver_that_is_not_installed\n"
MISSPELT = """
from cachu.hookspecs import hookimpl

@hookimpl
def cachu_make_backnd(name, region): ...
"""


def test_a_plugin_is_loaded_when_it_is_asked_for(distribute: Distribute) -> None:
    """S6: its entry-point name is its name."""
    distribute("shelf")
    assert "cachu_shelf" not in sys.modules
    region = object()
    assert plugins.make("cachu_make_backend", "shelf", region) == ("shelf", region)
    assert "cachu_shelf" in sys.modules


def test_exactly_one_plugin_is_loaded(distribute: Distribute) -> None:
    """S6: the others are not imported."""
    distribute("shelf")
    distribute("drawer")
    plugins.ensure("shelf")
    assert "cachu_drawer" not in sys.modules
    assert plugins.installed() == {"drawer": "cachu-drawer 1.2.3", "shelf": "cachu-shelf 1.2.3"}


def test_a_plugin_that_is_known_but_not_installed(site: Path) -> None:
    """S6: the error is a ConfigurationError, and a LookupError, and names the extra."""
    with pytest.raises(UnknownPluginError, match=r'pip install "cachu\[redis\]"') as caught:
        plugins.ensure("redis")
    assert isinstance(caught.value, ConfigurationError)
    assert isinstance(caught.value, LookupError)
    for name, command in catalogue.KNOWN.items():
        if name == "msgpack":
            continue  # ships with the core, and needs a package that is there in the tests
        with pytest.raises(UnknownPluginError) as caught:
            plugins.ensure(name)
        assert str(caught.value).endswith(command)


def test_a_misspelt_name(distribute: Distribute) -> None:
    """S6: did you mean, and what there is."""
    distribute("shelf")
    with pytest.raises(UnknownPluginError, match=r"'memmory'.*Did you mean 'memory'.*shelf"):
        plugins.ensure("memmory")
    with pytest.raises(UnknownPluginError, match="Did you mean 'shelf'"):
        plugins.ensure("shelv")
    with pytest.raises(UnknownPluginError, match=r"Did you mean 'redis'\? Install it with: pip"):
        plugins.ensure("rediss")
    with pytest.raises(UnknownPluginError) as caught:
        plugins.ensure("quite something else")
    assert "Did you mean" not in str(caught.value)


def test_two_distributions_with_one_name(distribute: Distribute) -> None:
    """S6: both are named, and neither is taken."""
    distribute("shelf")
    distribute("shelf", dist="cachu-shelf-fork", version="0.3")
    with pytest.raises(PluginConflictError, match=r"cachu-shelf 1\.2\.3, cachu-shelf-fork 0\.3"):
        plugins.ensure("shelf")
    assert "cachu_shelf" not in sys.modules
    assert "fork" in plugins.installed()["shelf"]


def test_an_import_that_breaks(distribute: Distribute) -> None:
    """S6: the distribution is named, and the cause chained."""
    distribute("broken", BROKEN)
    with pytest.raises(
        BrokenPluginError, match=r"'broken' from cachu-broken 1\.2\.3.*ModuleNot"
    ) as e:
        plugins.ensure("broken")
    assert isinstance(e.value.__cause__, ModuleNotFoundError)


def test_a_misspelt_hook(distribute: Distribute) -> None:
    """S6: it would otherwise never be called."""
    distribute("typo", MISSPELT)
    pattern = r"'cachu_make_backnd'.*Did you mean 'cachu_make_backend'"
    for _ in range(2):
        with pytest.raises(BrokenPluginError, match=pattern):
            plugins.ensure("typo")


def test_a_hook_with_wrong_arguments(distribute: Distribute) -> None:
    """S6: pluggy's own check, under the plugin's name."""
    source = MISSPELT.replace("backnd(name, region)", "backend(name, colour)")
    distribute("typo", source)
    with pytest.raises(BrokenPluginError, match="colour"):
        plugins.ensure("typo")


@pytest.mark.parametrize("source", [BROKEN, MISSPELT])
def test_a_broken_plugin_disturbs_nobody(distribute: Distribute, source: str) -> None:
    """S6: neither before it was asked for, nor after."""
    distribute("broken", source)
    distribute("shelf")
    plugins.ensure("shelf")
    with pytest.raises(BrokenPluginError):
        plugins.ensure("broken")
    assert plugins.make("cachu_make_backend", "shelf", None)
    assert plugins.settings_of("memory") is not None
    plugins.manager().check_pending()
    configure(package="app", shelf_size=1)


def test_a_plugin_without_the_thing_that_was_asked_for(distribute: Distribute) -> None:
    """S6: a backend is no lock."""
    distribute("shelf")
    with pytest.raises(UnknownPluginError, match="'shelf' has no lock provider"):
        plugins.make("cachu_make_lock_provider", "shelf", None)
    assert plugins.optional("cachu_make_lock_provider", "shelf", None) is None
    with pytest.raises(UnknownPluginError, match="no value serializer"):
        plugins.ensure("shelf", "cachu_make_value_serializer")
    with pytest.raises(UnknownPluginError, match=r"'digest' has no backend.*memory, null"):
        plugins.ensure("digest", "cachu_make_backend")
    plugins.ensure("shelf", "cachu_make_backend", "cachu_make_async_backend")


def test_a_foreign_plugin_called_memory_is_never_imported(distribute: Distribute) -> None:
    """S6: what ships with the core comes first."""
    distribute("memory", BROKEN, dist="cachu-impostor")
    plugins.ensure("memory")
    assert plugins.settings_of("memory") is not None


def test_one_module_may_serve_several_names(distribute: Distribute) -> None:
    """S6: as a distribution with two backends in one module does."""
    info = distribute("shelf")
    with (info / "entry_points.txt").open("a") as file:
        file.write("shelf-two = cachu_shelf\n")
    plugins.ensure("shelf")
    plugins.ensure("shelf-two")
    plugins.unregister("shelf")
    assert plugins.manager().is_registered(sys.modules["cachu_shelf"])


def test_settings_must_begin_with_the_plugins_name(distribute: Distribute) -> None:
    """S6: options begin with the plugin's entry-point name."""
    source = """
    from cachu.hookspecs import hookimpl
    from cachu.settings import Settings

    class Wrong(Settings):
        size: int = 1

    @hookimpl
    def cachu_settings(name):
        return Wrong
    """
    distribute("wrong", source)
    with pytest.raises(BrokenPluginError, match=r"cachu-wrong.*'size'.*'wrong_'"):
        plugins.settings_of("wrong")


def test_what_was_installed_meanwhile_is_found(distribute: Distribute) -> None:
    """S6: as in a notebook, after `%pip install`."""
    with pytest.raises(UnknownPluginError):
        plugins.ensure("shelf")
    distribute("shelf")
    plugins.ensure("shelf")
    assert plugins.owner("shelf_size") == "shelf"


def test_what_was_uninstalled_meanwhile_is_gone(distribute: Distribute) -> None:
    """S6: the last scan is no promise."""
    info = distribute("shelf")
    assert "shelf" in plugins.installed()
    shutil.rmtree(info)
    assert plugins.installed() == {}


@pytest.mark.parametrize(
    ("option", "owner"),
    [
        ("memory_maxsize", "memory"),
        ("redis_url", "redis"),
        ("shelf_size", "shelf"),
        ("shelf_two_size", "shelf-two"),
        ("dogpile_cache_dbm_filename", "dogpile.cache.dbm"),
        ("shelf", None),
        ("shelfsize", None),
        ("nobodys_option", None),
    ],
)
def test_an_option_belongs_to_the_longest_name(
    distribute: Distribute, option: str, owner: str | None
) -> None:
    """S6: installed or merely known; dots and dashes of a name are underscores in options."""
    for name in ("shelf", "shelf-two", "dogpile.cache.dbm"):
        distribute(name, BROKEN, dist=f"cachu-{name.replace('.', '-')}")
    assert plugins.owner(option) == owner


class Drawer:
    """A plugin of the application's own."""

    class Options(Settings):
        drawer_depth: int = 3

    @hookimpl
    def cachu_settings(self, name: str) -> type[Settings] | None:
        return self.Options if name == "drawer" else None

    @hookimpl
    def cachu_make_backend(self, name: str, region: object) -> object:
        return "made" if name == "drawer" else None


def test_a_plugin_registered_by_the_application(site: Path) -> None:
    """S6: it needs no entry point, and is as good as an installed one."""
    assert plugins.register(Drawer(), "drawer") == "drawer"
    assert plugins.make("cachu_make_backend", "drawer", None) == "made"
    configured = configure("drawer", package="app", drawer_depth=5)
    assert configured.drawer_depth == 5
    plugins.unregister("drawer")
    with pytest.raises(UnknownPluginError):
        plugins.ensure("drawer")
    with pytest.raises(UnknownPluginError):
        plugins.unregister("drawer")


def test_names_are_taken_once(site: Path) -> None:
    """S6: what is there stays."""
    plugins.register(Drawer(), "drawer")
    for name in ("drawer", "memory"):
        with pytest.raises(PluginConflictError, match=name):
            plugins.register(Drawer(), name)


def test_a_registered_plugin_with_a_misspelt_hook(site: Path) -> None:
    """S6: said at once, and nothing stays behind."""

    class Typo:
        @hookimpl
        def cachu_make_bakend(self, name: str, region: object) -> None: ...

    with pytest.raises(BrokenPluginError, match="cachu_make_bakend"):
        plugins.register(Typo(), "typo")
    plugins.register(Drawer(), "typo")


def test_a_plugin_may_wrap_anothers_hook(distribute: Distribute) -> None:
    """S6: to add metrics or encryption; such a plugin needs no name."""

    class Counting:
        made = 0

        @hookimpl(wrapper=True)
        def cachu_make_backend(self, name: str):
            self.made += 1
            return (yield)

    distribute("shelf")
    counting = Counting()
    name = plugins.register(counting)
    plugins.make("cachu_make_backend", "shelf", None)
    assert counting.made == 1
    plugins.unregister(name)
    plugins.make("cachu_make_backend", "shelf", None)
    assert counting.made == 1


def test_many_threads_load_a_plugin_once(distribute: Distribute) -> None:
    """C1: there is one manager, and one registration."""
    distribute("shelf")
    together = threading.Barrier(8)
    managers = []

    def ask() -> None:
        together.wait()
        plugins.ensure("shelf")
        managers.append(plugins.manager())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(managers) == 8
    assert len({id(each) for each in managers}) == 1


def test_a_broken_plugin_at_configure(distribute: Distribute) -> None:
    """S6: it raises where it is chosen; its options are kept for those who only set them."""
    distribute("broken", BROKEN)
    configured = configure(package="app", broken_size=3, key_prefix="v1:")
    assert configured.options == {"broken_size": 3}
    with pytest.raises(BrokenPluginError, match="cachu-broken"):
        configure("broken", package="app")
    with pytest.raises(BrokenPluginError):
        configured.settings("broken")
    with pytest.raises(AttributeError, match="cachu-broken"):
        configured.broken_url  # noqa: B018
    assert get_config("app") is configured


def test_two_distributions_at_configure(distribute: Distribute) -> None:
    """S6: nobody else is disturbed."""
    distribute("shelf")
    distribute("shelf", dist="cachu-shelf-fork")
    configure(package="app", shelf_size=1)
    with pytest.raises(PluginConflictError):
        configure("shelf", package="app")


def test_options_of_an_installed_plugin_are_checked(distribute: Distribute) -> None:
    """S6: names, types, and with a did-you-mean."""
    distribute("shelf")
    with pytest.raises(ConfigurationError, match=r"shelf_size must be int \| None"):
        configure(package="app", shelf_size="3")
    with pytest.raises(ConfigurationError, match="Did you mean 'shelf_url'"):
        configure(package="app", shelf_ulr="x")
    with pytest.raises(ConfigurationError, match="Did you mean 'shelf_url'"):
        configure(package="app", shlf_url="x")
    assert get_config("app").options == {}
    assert get_config("app").shelf_url == "shelf://localhost"
    assert configure("shelf", package="app", shelf_size=3).settings("shelf").shelf_size == 3


def test_options_kept_for_later_are_checked_when_the_plugin_is_there(
    distribute: Distribute,
) -> None:
    """S6: the options of a plugin that is not installed fail when that backend is used."""
    configured = configure(package="app", redis_url=3)
    assert configured.redis_url == 3
    with pytest.raises(UnknownPluginError, match="pip install"):
        configured.settings("redis")
    distribute("redis")
    with pytest.raises(ConfigurationError, match="redis_url must be str"):
        configure("redis", package="app")
    assert get_config("app").backend == "memory"


ALONE = """
import sys, types
before = set(sys.modules)
sys.path[:0] = {path!r}
sys.modules["cachu"] = package = types.ModuleType("cachu")  # without its __init__
package.__path__ = [{source!r} + "/cachu"]
{code}
names = set(sys.modules) - before
loaded = names | {{name.partition(".")[0] for name in names}}
print(*loaded & {heavy!r})
"""
HEAVY = {"pluggy", "importlib.metadata", "asyncio", "dogpile", "redis", "sqlite3", "dataclasses"}
LIGHT = HEAVY | {"typing", "inspect", "logging", "re", "datetime"}


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import cachu.config, cachu.packages, cachu.ttls, cachu.settings", LIGHT),
        ("import cachu.plugins", LIGHT),
        ("from cachu.ttls import *; seconds(3)", LIGHT),
        ("from cachu.packages import *; caller_package()", LIGHT),
        ("from cachu.config import *; configure('memory', key_prefix='a', lock_timeout=3)", LIGHT),
        ("from cachu.config import *; configure(key_serializer='text', serializer='json')", LIGHT),
        ("from cachu.config import *; get_config().backend; get_all_configs()", LIGHT),
        ("from cachu.config import *; configure(memory_maxsize=3)", {"importlib.metadata"}),
        ("from cachu.plugins import *; settings_of('memory')", {"importlib.metadata"}),
    ],
)
def test_nothing_heavy_is_loaded_for_nothing(code: str, heavy: set[str]) -> None:
    """S6: an application on memory scans no metadata; core's own options do not load pluggy."""
    path = [SOURCE, str(Path(pluggy.__file__).parents[1])]
    program = ALONE.format(path=path, source=SOURCE, code=code, heavy=heavy)
    # -S: without the .pth files of site-packages, which import what they like before we look.
    command = [sys.executable, "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")
