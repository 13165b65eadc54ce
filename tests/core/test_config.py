"""configure() and what it leaves behind (S5, S6, S7, O)."""

from __future__ import annotations

import copy
import importlib.metadata
import json
import math
import pickle
import threading
from datetime import timedelta

import pytest

from cachu import catalogue, config, plugin_manager
from cachu.config import (
    DEFAULT,
    Config,
    configure,
    get_all_configs,
    get_config,
    subscribe,
)
from cachu.errors import ConfigurationError, UnknownPluginError
from cachu.packages import package_of


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is configured, and no plugin is installed beside the core."""
    monkeypatch.setattr(config, "_configs", {})
    monkeypatch.setattr(config, "_subscribers", [])
    monkeypatch.setattr(plugin_manager, "_manager", None)
    monkeypatch.setattr(plugin_manager, "present", {})
    monkeypatch.setattr(catalogue, "_scan", None)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [])


class Locks:
    def mutex(self, key: str) -> None: ...


class Callable:
    def __call__(self, arguments: object) -> str:
        return ""


def test_defaults() -> None:
    """O: the table of options."""
    cfg = get_config("app")
    assert (cfg.package, cfg.backend, cfg.key_prefix, cfg.secret_key) == ("app", "memory", "", None)
    assert (cfg.key_serializer, cfg.serializer) == ("digest", "pickle")
    assert (cfg.lock, cfg.lock_timeout, cfg.fail_open) == (None, 30.0, True)
    assert cfg.options == {}


def test_configure_without_anything_returns_what_there_is() -> None:
    """S6: None leaves everything as it is."""
    assert configure(package="app") == get_config("app") == Config("app")


def test_the_readme_configures_everything_at_once() -> None:
    """S6: options of a known plugin that is not installed are kept."""
    cfg = configure(
        backend="memory",
        key_prefix="v1:",
        file_dir="/var/cache/app",
        redis_url="redis://localhost:6379/0",
        redis_distributed=False,
    )
    assert cfg.package == package_of(__name__)
    assert cfg.file_dir == "/var/cache/app"
    assert cfg.redis_distributed is False
    assert dict(cfg.options) == {
        "file_dir": "/var/cache/app",
        "redis_url": "redis://localhost:6379/0",
        "redis_distributed": False,
    }
    assert get_config() is cfg


def test_packages_are_apart() -> None:
    """S5: each package has settings of its own, the caller's by default."""
    configure(key_prefix="mine:")
    configure(package="library_a", key_prefix="a:")
    assert get_config().key_prefix == "mine:"
    assert get_config("library_a").key_prefix == "a:"
    assert get_config("library_b").key_prefix == ""
    assert set(get_all_configs()) == {package_of(__name__), "library_a"}
    assert configure(package="__main__").package == package_of("__main__")


def test_the_caller_is_whoever_calls() -> None:
    """S7: the calling frame's package, for each of the functions."""
    for name, expected in (("cachuapp.setup", "cachuapp"), ("lib.a.b", "lib")):
        namespace = {"__name__": name, "configure": configure, "get_config": get_config}
        exec("made = configure(key_prefix='x'); got = get_config()", namespace)  # noqa: S102
        assert namespace["made"] is namespace["got"]
        assert namespace["made"].package == expected


def test_all_configs_is_a_copy() -> None:
    """S6: what it returns does not lead back."""
    configure(package="app")
    get_all_configs().clear()
    assert set(get_all_configs()) == {"app"}


def test_none_leaves_and_default_resets() -> None:
    """S6: for the core's own options and for plugins'."""
    configure(package="app", key_prefix="v1:", lock_timeout=5, memory_maxsize=10, redis_url="r://h")
    cfg = configure(package="app", key_prefix=None, memory_maxsize=None, fail_open=False)
    assert (cfg.key_prefix, cfg.lock_timeout, cfg.memory_maxsize) == ("v1:", 5.0, 10)
    cfg = configure(
        DEFAULT,
        package="app",
        key_prefix=DEFAULT,
        lock_timeout=DEFAULT,
        memory_maxsize=DEFAULT,
        redis_url=DEFAULT,
        fail_open=DEFAULT,
    )
    assert cfg == Config("app")
    assert repr(DEFAULT) == "DEFAULT"
    assert pickle.loads(pickle.dumps(DEFAULT)) is copy.deepcopy(DEFAULT) is copy.copy(DEFAULT)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("backend", ""),
        ("backend", 3),
        ("key_prefix", b"v1"),
        ("secret_key", ""),
        pytest.param("secret_key", b"", id="no bytes"),
        ("secret_key", 5),
        ("key_serializer", 3),
        ("key_serializer", ""),
        ("serializer", object()),
        ("serializer", ""),
        ("lock", object()),
        ("lock", ""),
        ("lock_timeout", 0),
        ("lock_timeout", -1),
        ("lock_timeout", math.inf),
        ("lock_timeout", math.nan),
        pytest.param("lock_timeout", 10**400, id="too long"),
        ("lock_timeout", True),
        ("lock_timeout", "30"),
        ("lock_timeout", timedelta(0)),
        ("fail_open", 1),
        ("memory_maxsize", "10"),
        ("package", ""),
        ("package", 3),
        ("package", "*"),
    ],
)
def test_wrong_values_are_refused(option: str, value: object) -> None:
    """S6: a ConfigurationError, which is a ValueError, that names the option; nothing changes."""
    before = get_all_configs()
    with pytest.raises(ConfigurationError) as caught:
        configure(**{option: value})
    assert option in str(caught.value).lower()
    assert isinstance(caught.value, ValueError)
    assert get_all_configs() == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("backend", "null"),
        ("secret_key", b"k"),
        ("key_serializer", "text"),
        ("key_serializer", Callable()),
        ("serializer", "json"),
        pytest.param("serializer", json, id="module"),
        ("lock", "thread"),
        ("lock", Locks()),
        ("fail_open", False),
    ],
)
def test_right_values_are_kept_as_they_are(option: str, value: object) -> None:
    """O: names or objects."""
    assert getattr(configure(package="app", **{option: value}), option) is value


@pytest.mark.parametrize("value", [90, 90.0, timedelta(minutes=1.5)])
def test_lock_timeout_is_kept_in_seconds(value: float | timedelta) -> None:
    """O: 30 seconds unless configured."""
    timeout = configure(package="app", lock_timeout=value).lock_timeout
    assert (timeout, type(timeout)) == (90.0, float)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"backend": "memmory"}, "Did you mean 'memory'"),
        ({"backend": "redis"}, 'pip install "cachu[redis]"'),
        ({"backend": "digest"}, "no backend"),
        ({"key_serializer": "pickle"}, "no key serializer"),
        ({"serializer": "digest"}, "no value serializer"),
        ({"lock": "memory"}, "no lock provider"),
    ],
)
def test_unknown_names_are_refused(options: dict[str, str], hint: str) -> None:
    """S6: an unknown backend, with a did-you-mean or the extra to install."""
    with pytest.raises(UnknownPluginError) as caught:
        configure(package="app", key_prefix="v2:", **options)
    assert hint in str(caught.value)
    assert get_all_configs() == {}


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("key_prefx", "Did you mean 'key_prefix'"),
        ("memory_max_size", "Did you mean 'memory_maxsize'"),
        ("memmory_maxsize", "Did you mean 'memory_maxsize'"),
        ("packge", "Did you mean 'package'"),
        ("ttl", "option of @cache"),
        ("nonsense", "no option 'nonsense'"),
        ("json_indent", "of the plugin 'json'"),
    ],
)
@pytest.mark.parametrize("value", ["x", None, DEFAULT])
def test_unknown_options_are_refused(option: str, hint: str, value: object) -> None:
    """S6: with a did-you-mean, whatever they are set to."""
    with pytest.raises(ConfigurationError) as caught:
        configure(package="app", **{option: value})
    assert hint in str(caught.value)


def test_everything_is_checked_before_anything_changes() -> None:
    """S6: half a change would be worse than none."""
    before = configure(package="app", key_prefix="v1:")
    with pytest.raises(ConfigurationError):
        configure(package="app", key_prefix="v2:", memory_maxsize="many")
    assert get_config("app") is before


def test_a_config_is_immutable() -> None:
    """S6: get_config() returns an immutable object, which says what to do instead."""
    cfg = configure(package="app", redis_url="redis://h")
    for name in ("backend", "redis_url", "anything"):
        with pytest.raises(AttributeError, match=rf"configure\({name}="):
            setattr(cfg, name, "x")
        with pytest.raises(AttributeError, match="DEFAULT"):
            delattr(cfg, name)
    with pytest.raises(TypeError):
        cfg.options["redis_url"] = "x"
    configure(package="app", redis_url="redis://other")
    assert cfg.redis_url == "redis://h"


def test_plugin_options_are_attributes() -> None:
    """S6: what was set, or the plugin's default."""
    assert get_config("app").memory_maxsize is None
    assert configure(package="app", memory_maxsize=3).memory_maxsize == 3
    assert not hasattr(get_config("app"), "nonsense")
    assert not hasattr(get_config("app"), "memory_nonsense")
    assert not hasattr(get_config("app"), "_private")
    with pytest.raises(AttributeError, match="pip install"):
        get_config("app").redis_url  # noqa: B018


def test_settings_of_one_plugin() -> None:
    """S6: options belong to plugins; core knows none by itself."""
    cfg = configure(package="app", memory_maxsize=3, redis_url="redis://h")
    assert cfg.settings("memory").memory_maxsize == 3
    assert cfg.settings("null").options() == {}
    with pytest.raises(UnknownPluginError):
        cfg.settings("redis")


def test_configs_compare_copy_and_pickle_by_content() -> None:
    """S6: a value object."""
    one = configure(package="app", key_prefix="v1:", redis_url="redis://h", secret_key="s")
    configure(package="app", key_prefix=DEFAULT, redis_url=DEFAULT, secret_key=DEFAULT)
    two = configure(package="app", key_prefix="v1:", redis_url="redis://h", secret_key="s")
    assert one is not two
    assert one == two == pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == copy.copy(one)
    assert len({one, two}) == 1
    assert one != configure(package="app", redis_url="redis://other")
    assert Config("app") != Config("other")
    assert Config("app") != "app"


def test_the_repr_shows_no_secret() -> None:
    """K8: a configuration may be logged."""
    cfg = configure(
        package="app",
        secret_key="hunter2",
        redis_url="redis://user:hunter2@host:6379/0",
        redis_password="hunter2",
    )
    assert "hunter2" not in repr(cfg)
    assert "redis://***@host:6379/0" in repr(cfg)
    with pytest.raises(ConfigurationError) as caught:
        configure(package="app", secret_key=["hunter2"])
    assert "hunter2" not in str(caught.value)


def test_subscribers_hear_of_changes() -> None:
    """S6: settings take effect at the next call; nothing is said of what changes nothing."""
    heard: list[tuple[str, str]] = []
    subscribe(lambda package: heard.append((package, get_config(package).key_prefix)))
    configure(package="app", key_prefix="v1:")
    configure(package="app", key_prefix="v1:")
    configure(package="app")
    configure(package="other", memory_maxsize=3)
    with pytest.raises(ConfigurationError):
        configure(package="app", key_prefix=3)
    assert heard == [("app", "v1:"), ("other", "")]


def test_threads_lose_no_change() -> None:
    """S6: configure() is thread-safe."""
    configure(package="app", memory_maxsize=1)  # loads what is loaded once
    together = threading.Barrier(8)

    def change(number: int) -> None:
        together.wait()
        for turn in range(50):
            configure(package="app", **{f"redis_option_{number}": turn})

    threads = [threading.Thread(target=change, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {f"redis_option_{n}": 49 for n in range(8)}
    assert dict(get_config("app").options) == {"memory_maxsize": 1, **expected}


def test_a_subscriber_may_configure() -> None:
    """S6: nothing is locked while callbacks run."""

    def follow(package: str) -> None:
        if package == "app":
            configure(package="follower", key_prefix=get_config("app").key_prefix)

    subscribe(follow)
    configure(package="app", key_prefix="v1:")
    assert get_config("follower").key_prefix == "v1:"
