"""The command `cachu`, run as users run it: in processes of its own, on what others stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cachu
from cachu import catalogue, config, projects
from cachu.cli import main
from cachu.cli.app import app

sys.path.append(str(Path(__file__).parents[1] / "redis"))  # for servers/

from servers import stations

COMMAND = [sys.executable, "-m", "cachu.cli"]
WRITER = """
import sys, cachu
cachu.configure(**{options!r}, package={package!r})

@cachu.cache(ttl=300, tag="users", name="user", package={package!r})
def user(number):
    return number

@cachu.cache(ttl=None, name="country", package={package!r})
def country(code):
    return code

user(1), user(2), country("de")
cachu.configure(key_prefix="v2:", package={package!r})
user(3)
cachu.clear_backends()
"""


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Leave nothing of what the command takes for configured."""
    monkeypatch.setattr(config, "_configs", {})
    monkeypatch.setattr(config, "_bases", {})
    yield
    projects.adopt(None)
    cachu.clear_backends()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder to be in, and a function that writes its pyproject.toml."""
    monkeypatch.chdir(tmp_path)

    def write(**settings):
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        Path("pyproject.toml").write_text("\n".join(["[tool.cachu]", *lines]))
        return tmp_path

    return write


@pytest.fixture(params=["file", "redis"])
def stored(request, project, tmp_path):
    """Entries of another process, in a store that the project's file names."""
    package = f"shop_{tmp_path.name}"
    options = {"backend": "file", "file_dir": str(tmp_path / "cache")}
    if request.param == "redis":
        options = {"backend": "redis", "redis_url": stations.shared_url()}
    code = WRITER.format(options=options, package=package)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    project(**options)
    yield package
    assert run("clear", "-p", package, "-y").exit_code == 0


def run(*arguments, **kwargs):
    """Run the command in this process, which has used nothing yet as far as it can tell."""
    cachu.clear_backends()
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments), **kwargs)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def process(*arguments):
    """Run the command in a process of its own."""
    command = [*COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def rows(said):
    """Return the regions that `ls --json` printed, as (key prefix, time to live, entries)."""
    return {(row["key_prefix"], row["ttl"], row["entries"]) for row in json.loads(said)}


def listed(*arguments):
    result = run("ls", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return rows(result.output)


def entries(*arguments):
    return sum(row[2] for row in listed(*arguments))


def test_s3_a_cold_process_lists_and_clears_what_others_stored(stored):
    cold = process("ls", "--json", "-p", stored)
    assert cold.returncode == 0, cold.stderr
    assert rows(cold.stdout) == {("", 300.0, 2), ("", None, 1), ("v2:", 300.0, 1)}
    tagged = process("clear", "-p", stored, "--tag", "users", "--ttl", "300", "--yes")
    assert tagged.returncode == 0, tagged.stderr
    assert tagged.stdout.startswith("Cleared")
    assert {row for row in listed("-p", stored) if row[2]} == {("", None, 1)}
    assert run("clear", "-p", stored, "--ttl", "inf", "-y").exit_code == 0
    assert entries("-p", stored) == 0


def test_another_package_is_left_alone(stored):
    assert run("clear", "-p", stored + "x", "-y").exit_code == 0
    assert entries("-p", stored) == 4


def test_a_clear_asks_first(stored):
    asked = run("clear", "-p", stored, input="n\n")
    assert asked.exit_code == 1
    assert f"Clear all entries of '{stored}' on all backends? [y/N]" in asked.output
    assert run("clear", "-p", stored, "--tag", "users").exit_code == 1  # nobody answers
    assert entries("-p", stored) == 4
    agreed = run("clear", "-p", stored, input="y\n")
    assert agreed.exit_code == 0, agreed.output
    assert entries("-p", stored) == 0


def test_info_tells_what_counts_and_where_it_stands(stored, monkeypatch, tmp_path):
    monkeypatch.setenv("CACHU_SECRET_KEY", "hush-hush")
    done = run("info", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    sources = {row["option"]: row["source"] for row in found["settings"]}
    assert sources["backend"] == str(tmp_path / "pyproject.toml") == found["pyproject"]
    assert (sources["secret_key"], sources["lock_timeout"]) == ("CACHU_SECRET_KEY", "default")
    assert "hush" not in done.output
    (backend,) = found["backends"]
    assert backend["error"] is None
    assert backend["regions"] >= 3
    assert "shared" in backend["capabilities"]
    assert "CACHU_SECRET_KEY" in run("info").output


def test_the_doctor_is_content(stored):
    done = run("doctor")
    assert done.exit_code == 0, done.output
    assert "plain code: stored, read back and deleted an entry" in done.output
    assert "coroutine functions: stored, read back and deleted an entry" in done.output
    assert "pickles that nobody signed" in done.output
    assert run("doctor", "--strict").exit_code == 1


def test_what_the_doctor_tried_is_not_listed(stored):
    run("doctor")
    (backend,) = json.loads(run("info", "--json").output)["backends"]
    found = json.loads(run("ls", "--json", "-b", backend["backend"]).output)
    packages = {row["package"] for row in found}
    assert stored in packages
    assert "cachu-doctor" not in packages
    assert backend["packages"] == len(packages)
    asked = json.loads(run("ls", "--json", "-p", "cachu-doctor").output)
    assert {(row["package"], row["entries"]) for row in asked} == {("cachu-doctor", 0)}


def test_the_doctor_names_what_is_broken(project, tmp_path):
    project(backend="redis", redis_url="redis://127.0.0.1:1/0")
    done = run("doctor")
    assert done.exit_code == 1
    assert "error redis plain code: " in done.output
    project(backend="file", file_dir=str(tmp_path / "cache"))
    own = tmp_path / "cache" / f"cachu-{os.geteuid()}"
    own.mkdir(parents=True)
    own.chmod(0o777)
    done = run("doctor")
    assert done.exit_code == 1
    assert "can be written to by others (mode 777)" in done.output


def test_the_doctor_does_not_fail_for_want_of_what_only_coroutines_need(project, monkeypatch):
    """As after `pip install cachu`, which brings files for plain code."""
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    project(backend="file", file_dir=str(project()))
    done = run("doctor")
    assert "ok file plain code: stored" in done.output
    assert "warning file coroutine functions: The file backend needs aiosqlite" in done.output
    assert done.exit_code == 0, done.output


def test_the_doctor_warns_of_a_directory_of_everybody(project):
    project(backend="file", file_dir="/tmp")
    done = run("doctor")
    assert "warning file Everybody can write to file_dir='/tmp'" in done.output


def test_a_module_may_configure(project, tmp_path):
    project()
    code = "import cachu\ncachu.configure(backend='file', file_dir='elsewhere', package='shop')\n"
    Path("shop_settings.py").write_text(code)
    done = run("--import", "shop_settings", "info", "--json")
    assert {row["backend"] for row in json.loads(done.output)["backends"]} == {"memory", "file"}
    missing = run("--import", "no_such_module", "info")
    assert missing.exit_code == 1
    assert "error 'no_such_module' cannot be imported" in missing.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ls", "--ttl", "soon"], "--ttl is a number of seconds, or inf; got 'soon'"),
        (["ls", "--backend", "filee"], "Did you mean 'file'?"),
        (["--pyproject", "nowhere.toml", "ls"], "There is no file 'nowhere.toml'"),
        (["conformance", "memry"], "Did you mean 'memory'?"),
        (["conformance", "memory", "-o", "maxsize"], "given as NAME=VALUE"),
        (["new-plugin", "Shelf"], "lower-case letters"),
        (["new-plugin", "redis"], "a plugin of cachu itself"),
    ],
)
def test_errors_say_what_to_do(project, arguments, says):
    project()
    result = run(*arguments)
    assert result.exit_code == 1
    assert says in result.output


def test_errors_of_the_environment_name_the_variable(project, monkeypatch):
    project()
    monkeypatch.setenv("CACHU_FAIL_OPEN", "perhaps")
    result = run("ls")
    assert result.exit_code == 1
    assert "error CACHU_FAIL_OPEN: fail_open must be bool" in result.output


def test_all_plugins_are_listed_with_what_is_wrong_with_them(project, monkeypatch):
    project()
    real = catalogue.entries
    broken = EntryPoint("shelf", "no_such_module", "cachu")
    monkeypatch.setattr(catalogue, "entries", lambda: {**real(), "shelf": [broken]})
    monkeypatch.setattr(catalogue, "_scan", None)
    result = run("plugins", "--json")
    found = {row["name"]: row for row in json.loads(result.output)}
    assert {"memory", "digest", "file", "redis", "dogpile"} <= found.keys()
    assert found["file"]["distribution"] == "cachu-file"
    assert "leases" in found["file"]["capabilities"]
    assert "make_backend" in found["file"]["hooks"]
    assert "file_dir" in found["file"]["options"]
    assert "No module named 'no_such_module'" in found["shelf"]["error"]
    assert "cachu-file" in run("plugins").output
    monkeypatch.setattr(catalogue, "_scan", None)


def test_nothing_is_cached_yet(project, tmp_path):
    project(backend="file", file_dir=str(tmp_path / "cache"))
    assert run("ls", "-b", "file").output == "Nothing is cached.\n"
    assert run("clear", "-b", "file").output == "Nothing is cached.\n"
    assert not (tmp_path / "cache").exists()


def test_without_typer_the_command_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr("cachu.cli.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert (
        'needs rich and typer, which are not installed. Install it with: pip install "cachu[cli]"'
        in (capsys.readouterr().err)
    )


STORE = """
from cachu.backends.stores import Store

ROWS = {}


class Sound(Store):
    def load(self, key, tag=None):
        return ROWS.get((self.space, key))

    def store(self, key, data, ttl, tag=""):
        ROWS[self.space, key] = data

    def delete(self, key):
        return ROWS.pop((self.space, key), None) is not None

    def __init__(self, region):
        self.space = region.namespace


class Forgetful(Sound):
    def store(self, key, data, ttl, tag=""):
        pass
"""
SOME = ["--", "-q", "-k", "every_value_goes or crud or clear_forgets"]


def test_conformance_of_a_class(project):
    project()
    Path("shelves_of_mine.py").write_text(STORE)
    sound = process("conformance", "shelves_of_mine:Sound", *SOME)
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert "passed" in sound.stdout
    broken = process("conformance", "shelves_of_mine:Forgetful", *SOME)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "test_crud" in broken.stdout


def test_conformance_of_a_plugin_with_options(project, tmp_path):
    project()
    folder = tmp_path / "cache"
    done = process("conformance", "file", "-o", f"file_dir={folder}", "-o", "lock_timeout=9", *SOME)
    assert done.returncode == 0, done.stdout + done.stderr
    assert folder.is_dir()
