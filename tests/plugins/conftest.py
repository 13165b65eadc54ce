"""Distributions made on the spot, for the tests of plugin look-up."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from cachu import catalogue, config, plugin_manager

Distribute = Callable[..., Path]

PLUGIN = """
from cachu.hookspecs import hookimpl
from cachu.settings import Settings

class PluginSettings(Settings):
    {name}_size: int | None = None
    {name}_url: str = "{name}://localhost"

@hookimpl
def cachu_settings(name):
    return PluginSettings if name == "{name}" else None

@hookimpl
def cachu_make_backend(name, region):
    return ("{name}", region) if name == "{name}" else None
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with no plugin loaded and no package configured."""
    monkeypatch.setattr(plugin_manager, "_manager", None)
    monkeypatch.setattr(plugin_manager, "present", {})
    monkeypatch.setattr(catalogue, "_scan", None)
    monkeypatch.setattr(config, "_configs", {})
    monkeypatch.setattr(config, "_subscribers", [])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on `sys.path`, and the only one whose distributions are seen."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    real = importlib.metadata.entry_points
    foreign = {(e.name, e.value) for e in real(group=catalogue.GROUP)}

    def entry_points(*, group: str) -> list[importlib.metadata.EntryPoint]:
        return [e for e in real(group=group) if (e.name, e.value) not in foreign]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return folder


@pytest.fixture
def distribute(site: Path, monkeypatch: pytest.MonkeyPatch) -> Distribute:
    """Install a distribution that provides one plugin: `distribute("shelf")`."""

    def install(
        name: str, source: str = PLUGIN, *, dist: str | None = None, version: str = "1.2.3"
    ) -> Path:
        dist = dist or f"cachu-{name}"
        module = dist.replace("-", "_")
        text = source.replace("{name}", name)
        (site / f"{module}.py").write_text(textwrap.dedent(text))
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[cachu]\n{name} = {module}\n")
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, module, raising=False)
        return info

    return install
