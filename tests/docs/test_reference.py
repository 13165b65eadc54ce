"""Every option, error, hook and public name is in the reference, and says what the code says."""

import inspect
import re
from pathlib import Path

import pytest

import cachu
import cachu.testing
from cachu import errors, hookspecs, options, plugins

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference"
HOOKS = [name for name in vars(hookspecs) if name.startswith("cachu_")]
PLUGINS = sorted({"memory", "null", *plugins.installed()})


def page(name):
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def rows(text):
    """Return the cells of all rows of the tables on a page, by what stands first in them."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {row[0].strip("`"): row[1:] for row in cells if row and row[0].startswith("`")}


def test_every_option_is_documented():
    configure = inspect.signature(cachu.configure).parameters.values()
    named = {each.name for each in configure if each.kind is not each.VAR_KEYWORD}
    declared = {name for each in PLUGINS for name in settings(each)}
    assert set(rows(page("options"))) == named | declared | {*options._DECORATOR_ONLY}


def settings(plugin):
    declared = plugins.settings_of(plugin)
    return declared.options() if declared else {}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_defaults_of_plugins_are_those_of_the_code(plugin):
    documented = rows(page("options"))
    for name, default in settings(plugin).items():
        shown, meaning = documented[name]
        assert shown == ("none" if default is None else f"`{default!r}`")
        assert len(meaning) > 10


def test_the_defaults_of_the_core_are_those_of_the_code():
    documented = rows(page("options"))
    for name, default in options.DEFAULTS.items():
        shown = documented[name][0].strip("`")
        assert shown in {repr(default), f"{default:g}" if type(default) is float else "none"} | (
            {"the backend's own"} if name == "lock" else set()
        )


def test_every_error_is_documented():
    text = page("errors")
    described = re.findall(r"^::: cachu\.errors\.(\w+)$", text, re.MULTILINE)
    assert sorted(described) == sorted(errors.__all__)
    tree = inspect.cleandoc(errors.__doc__).split("\n\n")[1]
    assert tree in text
    for name in errors.__all__:
        section = text.split(f"\n::: cachu.errors.{name}\n")[1].split("\n::: ")[0]
        assert "**When:**" in section
        assert "**What to do:**" in section


def test_every_hook_is_documented_with_its_arguments():
    text = page("hooks")
    assert re.findall(r"^## (cachu_\w+)$", text, re.MULTILINE) == HOOKS
    for name in HOOKS:
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for parameter in inspect.signature(getattr(hookspecs, name)).parameters:
            assert f"- `{parameter}`: " in section
        assert "**Returns** " in section


@pytest.mark.skipif(
    not (REFERENCE / "cachu.md").exists(), reason="the pages of functions and classes are not here"
)
def test_every_public_name_is_documented():
    text = "\n".join(path.read_text(encoding="utf-8") for path in REFERENCE.rglob("*.md"))
    assert [name for name in cachu.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_every_public_name_for_tests_is_documented():
    text = (DOCS / "guides" / "testing.md").read_text(encoding="utf-8")
    assert [name for name in cachu.testing.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_every_fixture_is_documented():
    import pytest_cachu

    text = (DOCS / "guides" / "testing.md").read_text(encoding="utf-8")
    fixtures = [name for name in pytest_cachu.__all__ if name.startswith("cachu_")]
    assert len(fixtures) == 5
    assert [name for name in fixtures if f"`{name}`" not in text] == []
