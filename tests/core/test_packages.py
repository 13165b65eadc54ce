"""Whose code is calling (S5, S7)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachu import packages
from cachu.errors import ConfigurationError

SOURCE = str(Path(packages.__file__).parents[1])

REPORT = """
import json
from cachu.packages import caller_package, package_of, shared_name

def report():
    print(json.dumps([caller_package(), package_of(__name__), shared_name(caller_package())]))
"""
CALL = """
if __name__ in ("__main__", "__mp_main__"):
    report()
"""


def write(path: Path, *sources: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(textwrap.dedent(source) for source in sources))
    return path


def run(*arguments: object, cwd: Path) -> list[list[str]]:
    """Run Python, and return every line that it printed, which is one report."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([SOURCE, str(cwd)])}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_script_is_named_after_its_file(tmp_path: Path) -> None:
    """S7: `__main__` is `__main__.<script stem>`."""
    script = write(tmp_path / "run.py", REPORT, CALL)
    [[caller, own, shared]] = run(script, cwd=tmp_path)
    assert caller == own == "__main__.run"
    assert shared.startswith("__main__.run-")


@pytest.mark.parametrize(
    ("module", "file", "package"),
    [
        ("pkg.mod", "pkg/mod.py", "pkg"),
        ("pkg.deep.mod", "pkg/deep/mod.py", "pkg"),
        ("pkg", "pkg/__main__.py", "pkg"),
        ("mod", "mod.py", "mod"),
    ],
)
def test_a_module_run_with_m_is_its_package(
    tmp_path: Path, module: str, file: str, package: str
) -> None:
    """S7: `python -m pkg.mod` is `pkg`."""
    for folder in {tmp_path / "pkg", (tmp_path / file).parent} - {tmp_path}:
        write(folder / "__init__.py", "")
    write(tmp_path / file, REPORT, CALL)
    assert run("-m", module, cwd=tmp_path) == [[package] * 3]


def test_code_without_a_script(tmp_path: Path) -> None:
    """S7: there is no stem; in shared stores the working directory tells two sessions apart."""
    (tmp_path / "other").mkdir()
    code = textwrap.dedent(REPORT + CALL)
    [[caller, own, here]] = run("-c", code, cwd=tmp_path)
    assert caller == own == "__main__"
    assert here == run("-c", code, cwd=tmp_path)[0][2]
    assert here != run("-c", code, cwd=tmp_path / "other")[0][2]


def test_a_folder_and_a_zip_file_run_as_scripts(tmp_path: Path) -> None:
    """S7: they are not all called `__main__.__main__`."""
    main = write(tmp_path / "tool" / "__main__.py", REPORT, CALL)
    with zipfile.ZipFile(tmp_path / "packed.pyz", "w") as archive:
        archive.write(main, "__main__.py")
    assert run("tool", cwd=tmp_path)[0][:2] == ["__main__.tool"] * 2
    assert run("packed.pyz", cwd=tmp_path)[0][:2] == ["__main__.packed"] * 2


SPAWN = """
import multiprocessing

def main():
    process = multiprocessing.get_context("spawn").Process(target=report)
    process.start()
    process.join()
    assert process.exitcode == 0

report()  # in the child, while `__main__` is not yet rebuilt
if __name__ == "__main__":
    main()
"""


def test_a_spawned_child_is_its_parents_script(tmp_path: Path) -> None:
    """S7: `__mp_main__` is `__main__`."""
    script = write(tmp_path / "run.py", REPORT, SPAWN)
    parent, child_top_level, child_function = run(script, cwd=tmp_path)
    assert parent[0] == "__main__.run"
    assert child_top_level == child_function == parent


def test_a_spawned_child_is_its_parents_package(tmp_path: Path) -> None:
    """S7: the same when the parent was started with -m."""
    write(tmp_path / "pkg" / "__init__.py", "")
    write(tmp_path / "pkg" / "mod.py", REPORT, SPAWN)
    assert run("-m", "pkg.mod", cwd=tmp_path) == [["pkg"] * 3] * 3


def test_two_scripts_called_run(tmp_path: Path) -> None:
    """S7: two scripts called `run.py` share nothing, wherever they are started from."""
    one = write(tmp_path / "a" / "run.py", REPORT, CALL)
    two = write(tmp_path / "b" / "run.py", REPORT, CALL)
    [first], [second] = run(one, cwd=tmp_path), run(two, cwd=tmp_path)
    assert first[0] == second[0] == "__main__.run"
    assert first[2] != second[2]
    assert run("run.py", cwd=one.parent) == [first]


def test_a_module_whose_name_begins_like_cachu(tmp_path: Path) -> None:
    """S7: `cachuapp` and `cachu_redis` are not cachu's own."""
    write(tmp_path / "cachuapp.py", REPORT)
    write(tmp_path / "cachu_shop" / "__init__.py", REPORT)
    script = write(
        tmp_path / "run.py", "import cachuapp, cachu_shop; cachuapp.report(); cachu_shop.report()"
    )
    assert run(script, cwd=tmp_path) == [["cachuapp"] * 3, ["cachu_shop"] * 3]


def called_from(name: str | None, call: object = packages.caller_package) -> str:
    """Call from a frame of a module called `name`."""
    namespace: dict[str, object] = {"call": call}
    if name is not None:
        namespace["__name__"] = name
    exec("def f(): return call()\nresult = f()", namespace)  # noqa: S102
    return str(namespace["result"])


@pytest.mark.parametrize(
    "name", ["app", "app.views", "app.deep.er", "cachuapp", "cachu_redis.store"]
)
def test_the_caller_is_the_top_level_package_of_the_frame(name: str) -> None:
    """S7: a library's modules are one package."""
    assert called_from(name) == name.partition(".")[0]


@pytest.mark.parametrize("own", ["cachu", "cachu.config", "cachu.backends.memory"])
def test_cachus_own_frames_are_passed_over(own: str) -> None:
    """S7: a module is cachu's own if it is `cachu` or below it."""
    assert called_from("app.views", lambda: called_from(own)) == packages.package_of(__name__)
    inner = {"__name__": own, "call": packages.caller_package}
    exec("def f(): return call()", inner)  # noqa: S102
    assert called_from("app.views", inner["f"]) == "app"


def test_a_frame_without_a_name_is_the_main_module() -> None:
    """S7: as namespaces of doctests are."""
    assert called_from(None) == packages.package_of(None) == packages.package_of("__main__")
    assert called_from("") == packages.package_of(None)


def test_a_package_is_its_own_shared_name() -> None:
    """S7: only scripts need the digest."""
    assert packages.shared_name("myapp") == "myapp"
    assert packages.shared_name("__main__x") == "__main__x"


def test_a_name_given_by_hand() -> None:
    """S7: `package="__main__"` is the running script; what is no name is refused."""
    assert packages.named("library_a") == "library_a"
    assert packages.named("__main__") == packages.package_of("__main__")
    for wrong in ("", None, 3, b"app"):
        with pytest.raises(ConfigurationError, match="non-empty str"):
            packages.named(wrong)


def test_escaped_names_are_readable_and_harmless() -> None:
    """S7: a package name never becomes a path or key part unescaped."""
    assert packages.escape("__main__.run-1a.<locals>") == "__main__.run-1a.<locals>"
    assert packages.escape("a/b:c*{é}%") == "a%2Fb%3Ac%2A%7B%C3%A9%7D%25"
    assert packages.escape("..") == "%2E%2E"
    assert packages.escape(".") == "%2E"
    assert packages.escape("...") == "..."


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_escaping_is_injective(one: str, two: str) -> None:
    """S5: different names stay different, lone surrogates included."""
    assert (packages.escape(one) == packages.escape(two)) == (one == two)
    assert set(packages.escape(one)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.<>-%"
    )
