"""Runs the contract suite on a class, or on an installed plugin: `cachu conformance`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from cachu import plugins
from cachu.conversion import converted
from cachu.errors import ConfigurationError
from cachu.options import DEFAULTS, owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

NAME: Final = "conformance"
"""What a class is called as a backend while it is tested."""

_MODULE: Final = """
import inspect
from importlib import import_module

import pytest

from cachu.testing.suite import *

OPTIONS = {options!r}
TARGET = {target!r}


def _register(target):
    from cachu import plugins
    from cachu.backends import AsyncBackend
    from cachu.backends.stores import AsyncStore
    from cachu.hookspecs import hookimpl

    module, _, name = target.partition(":")
    found = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    takes_region = bool(inspect.signature(found).parameters)
    asynchronous = isinstance(found, type) and issubclass(found, (AsyncStore, AsyncBackend))

    @hookimpl
    def make(self, name, region):
        if name != "{name}":
            return None
        return found(region) if takes_region else found()

    hook = "cachu_make_async_backend" if asynchronous else "cachu_make_backend"
    plugins.register(type("Plugin", (), {{hook: make}})(), "{name}")


if ":" in TARGET:
    _register(TARGET)


@pytest.fixture
def cachu_backend():
    return OPTIONS
"""


def run(target: str, options: list[str], arguments: list[str]) -> int:
    """Run the suite in a process of its own, and let it speak.

    Args:
        target: `module:Class` of a Store, an AsyncStore, a Backend or an AsyncBackend, which is
            called with the region if it takes an argument; or the name of a plugin.
        options: What it is configured with, as `name=value`.
        arguments: More arguments for pytest.

    Returns:
        The exit code of pytest.

    Raises:
        ConfigurationError: If pytest is not there, or the target or an option is wrong.
    """
    if find_spec("pytest") is None:
        raise ConfigurationError("The suite needs pytest. Install it with: pip install pytest")
    if ":" not in target:
        plugins.ensure(target, "cachu_make_backend", "cachu_make_async_backend")
    given = {"backend": NAME if ":" in target else target, **_options(options)}
    here = str(Path.cwd())
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory(prefix="cachu-conformance-") as folder:
        tests = Path(folder, "test_conformance.py")
        tests.write_text(_MODULE.format(options=given, target=target, name=NAME), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        command += [f"--rootdir={folder}", f"--confcutdir={folder}", "-c", os.devnull]
        done = subprocess.run(  # noqa: S603  our own Python
            [*command, *(arguments or ["-q"]), str(tests)],
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
    return done.returncode


def _options(given: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in given:
        option, separator, text = each.partition("=")
        if not separator:
            raise ConfigurationError(f"An option is given as NAME=VALUE; got {each!r}")
        hint: Any = {"lock_timeout": float, "fail_open": bool}.get(option, str)
        if option not in DEFAULTS:
            declared = plugins.settings_of(owner_of(option))
            if declared is None or option not in declared.options():
                raise ConfigurationError(f"There is no option {option!r}.")
            hint = declared.hint(option)
        found[option] = converted(option, text, hint)
    return found
