"""Settings from the environment and from pyproject.toml: below configure(), above the defaults."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cachu
from cachu import (
    CachuWarning,
    ConfigurationError,
    UnknownPluginError,
    config,
    plugin_manager,
    plugins,
    projects,
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Nothing was read yet, and nothing is remembered afterwards."""
    monkeypatch.setattr(config, "_configs", {})
    monkeypatch.setattr(config, "_bases", {})
    monkeypatch.setattr(projects, "_files", {})
    for name in os.environ:
        if name.startswith("CACHU_") and not name.startswith("CACHU_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a package `name` with code of its own beside a pyproject.toml."""

    def make(settings, name="sourced_app", folder=tmp_path):
        package = folder / "src" / name
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text("import cachu\n")
        (folder / "pyproject.toml").write_text(settings)
        monkeypatch.syspath_prepend(str(package.parent))
        monkeypatch.delitem(sys.modules, name, raising=False)
        __import__(name)
        return name

    return make


def test_o_the_order_of_sources(project, monkeypatch):
    app = project('[tool.cachu]\nbackend = "null"\nkey_prefix = "file:"\nlock_timeout = 3\n')
    monkeypatch.setenv("CACHU_KEY_PREFIX", "environment:")
    monkeypatch.setenv("CACHU_LOCK_TIMEOUT", "4.5")
    settings = cachu.get_config(app)
    assert (settings.backend, settings.key_prefix) == ("null", "environment:")
    assert (settings.lock_timeout, settings.fail_open) == (4.5, True)
    assert cachu.configure(package=app, lock_timeout=5).lock_timeout == 5
    assert cachu.get_config(app).backend == "null"
    reset = cachu.configure(package=app, lock_timeout=cachu.DEFAULT, backend=cachu.DEFAULT)
    assert (reset.backend, reset.lock_timeout) == ("null", 4.5)


def test_s6_values_are_converted_as_the_settings_are_annotated(monkeypatch):
    for name, value in {
        "FAIL_OPEN": "off",
        "SECRET_KEY": "hush",
        "REDIS_URL": "redis://elsewhere:1/0",
        "REDIS_DISTRIBUTED": "Yes",
        "REDIS_NEAR_CACHE": "100",
        "REDIS_TIMEOUT": "1",
        "REDIS_SENTINEL": "none",
        "FILE_SIZE_LIMIT": "1000",
        "FILE_DIR": "/var/cache/app",
        "DOGPILE_ARGUMENTS": '{"url": "127.0.0.1"}',
        "MEMORY_MAXSIZE": "None",
    }.items():
        monkeypatch.setenv(f"CACHU_{name}", value)
    settings = cachu.get_config("sourced")
    assert settings.fail_open is False
    assert settings.secret_key == "hush"  # noqa: S105
    assert dict(settings.options) == {
        "redis_url": "redis://elsewhere:1/0",
        "redis_distributed": True,
        "redis_near_cache": 100,
        "redis_timeout": 1.0,
        "redis_sentinel": None,
        "file_size_limit": 1000,
        "file_dir": "/var/cache/app",
        "dogpile_arguments": {"url": "127.0.0.1"},
        "memory_maxsize": None,
    }
    assert settings.settings("redis").redis_distributed is True


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FAIL_OPEN", "maybe", "CACHU_FAIL_OPEN: fail_open must be bool, got 'maybe'"),
        ("LOCK_TIMEOUT", "-1", "CACHU_LOCK_TIMEOUT: lock_timeout must be a positive"),
        ("BACKEND", "memry", "CACHU_BACKEND: .*Did you mean 'memory'"),
        ("REDIS_POOL_SIZE", "many", "CACHU_REDIS_POOL_SIZE: redis_pool_size must be int"),
        ("REDIS_URL", "http://a:b@c", "CACHU_REDIS_URL: redis_url begins with redis://"),
        ("REDIS_CLIENT", "x", "CACHU_REDIS_CLIENT: redis_client must be"),
        ("SECRET_KEY", "", "CACHU_SECRET_KEY: secret_key must be a non-empty"),
        ("DOGPILE_ARGUMENTS", "[1]", "CACHU_DOGPILE_ARGUMENTS: .*must be dict"),
    ],
)
def test_s6_an_error_names_the_variable(monkeypatch, name, value, says):
    monkeypatch.setenv(f"CACHU_{name}", value)
    with pytest.raises(ConfigurationError, match=says):
        cachu.get_config("sourced")

    @cachu.cache(package="sourced")
    def f():
        return 1

    with pytest.raises(ConfigurationError, match=says):
        f()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('key_prefx = "a"', r"\[tool.cachu\] key_prefx: .*Did you mean 'key_prefix'"),
        ('redis_ulr = "a"', r"\[tool.cachu\] redis_ulr: .*Did you mean 'redis_url'"),
        ("fail_open = 1", r"\[tool.cachu\] fail_open: .*True or False"),
        ('file_size_limit = "1"', r"\[tool.cachu\] file_size_limit: file_size_limit must be int"),
        ('secret_key = "a"', "set CACHU_SECRET_KEY in the environment"),
        ("backend =", r"pyproject.toml cannot be read: "),
    ],
)
def test_s6_an_error_names_the_file(project, settings, says):
    with pytest.raises(ConfigurationError, match=rf"(?s)pyproject.toml.*{says}|{says}") as caught:
        cachu.get_config(project(f"[tool.cachu]\n{settings}\n"))
    assert "pyproject.toml" in str(caught.value)


def test_s6_a_variable_that_sets_nothing_is_warned_about(monkeypatch):
    monkeypatch.setenv("CACHU_REDIS_ULR", "redis://x")
    with pytest.warns(CachuWarning, match="CACHU_REDIS_ULR.*Did you mean 'CACHU_REDIS_URL'"):
        assert cachu.get_config("sourced").options == {}


def test_s6_options_of_a_plugin_that_is_missing_wait_until_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("CACHU_LOAD_PLUGINS", "file")
    monkeypatch.delitem(plugin_manager.present, "redis", raising=False)
    monkeypatch.setenv("CACHU_REDIS_NEAR_CACHE", "100")
    assert cachu.get_config("sourced").backend == "memory"
    with pytest.raises(UnknownPluginError):
        cachu.get_config("sourced").settings("redis")


def test_a_file_holds_for_the_code_beside_it_and_for_nobody_else(project, tmp_path, monkeypatch):
    app = project('[tool.cachu]\nkey_prefix = "app:"\n')
    monkeypatch.chdir(tmp_path)
    assert cachu.get_config(app).key_prefix == "app:"
    assert cachu.get_config("pytest").key_prefix == ""
    assert cachu.get_config("never_imported").key_prefix == ""


def test_the_nearest_file_with_a_table_counts(project, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.cachu]\nkey_prefix = "workspace:"\n')
    member = project("[project]\nname = 'cachu-using-tool'\n", "member_a", tmp_path / "a")
    other = project('[tool.cachu]\nkey_prefix = "own:"\n', "member_b", tmp_path / "b")
    assert cachu.get_config(member).key_prefix == "workspace:"
    assert cachu.get_config(other).key_prefix == "own:"


def test_a_file_that_somebody_else_could_leave_there_does_not_count(project, monkeypatch):
    app = project('[tool.cachu]\nkey_prefix = "app:"\n')
    monkeypatch.setattr(projects, "_is_trusted", lambda *_: False)
    assert cachu.get_config(app).key_prefix == ""


def test_a_variable_may_name_the_file(project, tmp_path, monkeypatch):
    app = project('[tool.cachu]\nkey_prefix = "app:"\n')
    other = tmp_path / "other.toml"
    other.write_text('[tool.cachu]\nkey_prefix = "other:"\n')
    monkeypatch.setenv("CACHU_PYPROJECT", str(other))
    assert cachu.get_config(app).key_prefix == "other:"
    monkeypatch.setenv("CACHU_PYPROJECT", "")
    monkeypatch.setattr(config, "_bases", {})
    assert cachu.get_config(app).key_prefix == ""
    monkeypatch.setenv("CACHU_PYPROJECT", str(tmp_path / "missing.toml"))
    monkeypatch.setattr(config, "_bases", {})
    with pytest.raises(ConfigurationError, match=r"missing\.toml cannot be read"):
        cachu.get_config(app)


def test_settings_are_read_once_and_again_when_asked(monkeypatch):
    runs = []

    @cachu.cache(package="sourced_once")
    def f():
        runs.append(1)

    f(), f()
    monkeypatch.setenv("CACHU_BACKEND", "null")
    f(), f()
    assert (len(runs), cachu.get_config("sourced_once").backend) == (1, "memory")
    config.reread()
    f(), f()
    assert (len(runs), cachu.get_config("sourced_once").backend) == (3, "null")


def run(code, tmp_path, **environment):
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


SCRIPT = """
import cachu
@cachu.cache
def f(x): return x
f(1)
print(cachu.get_config().backend, cachu.get_config().key_prefix, f.info().currsize)
"""


def test_a_script_is_configured_from_outside(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.cachu]\nkey_prefix = "file:"\n')
    folder = {"CACHU_FILE_DIR": str(tmp_path / "cache")}
    done = run(SCRIPT, tmp_path, CACHU_BACKEND="file", **folder)
    assert done.stdout == "file file: 1\n"
    assert list(Path(tmp_path, "cache").iterdir())


def test_cachu_load_plugins_leaves_out_the_others(monkeypatch):
    assert {"file", "redis"} <= plugins.installed().keys()
    monkeypatch.setenv("CACHU_LOAD_PLUGINS", "file, diskcache")
    assert {"file", "memory"} <= plugins.installed().keys()
    assert "redis" not in plugins.installed()
    monkeypatch.delitem(plugin_manager.present, "redis", raising=False)
    with pytest.raises(UnknownPluginError, match="CACHU_LOAD_PLUGINS does not name it"):
        plugins.ensure("redis")
    plugins.ensure("memory")


def test_cachu_trace_plugins_tells_who_answers(tmp_path):
    folder = {"CACHU_FILE_DIR": str(tmp_path / "cache")}
    done = run(SCRIPT, tmp_path, CACHU_BACKEND="file", CACHU_TRACE_PLUGINS="1", **folder)
    assert f"cachu: file from cachu-file {cachu.__version__} is loaded" in done.stderr
    assert "cachu: file answers cachu_make_backend with cachu_file.store.FileStore" in done.stderr
    assert run(SCRIPT, tmp_path, CACHU_TRACE_PLUGINS="0").stderr == ""
