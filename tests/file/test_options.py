"""The options of the file backends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import cachu
from cachu.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["file", "diskcache"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_s6_a_directory_has_a_default() -> None:
    config = cachu.get_config(package="file_defaults")
    assert (config.file_dir, config.file_size_limit, config.diskcache_dir) == ("/tmp", None, "/tmp")


def test_s6_a_directory_may_be_text_or_path_and_need_not_exist(name: str, tmp_path: Path) -> None:
    missing = tmp_path / "made" / "at" / "first" / "use"
    for spelling in (missing, str(missing), tmp_path):
        config = cachu.configure(package="file_paths", **{f"{name}_dir": spelling})
        assert getattr(config, f"{name}_dir") == spelling
    assert not missing.exists()


@pytest.mark.parametrize("wrong", [3, dict, b"/tmp", ""])
def test_s6_what_is_no_directory_is_refused_at_once(name: str, wrong: object) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}_dir"):
        cachu.configure(package="file_wrong", **{f"{name}_dir": wrong})


def test_s6_a_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match=f"{name}_dir.*not a directory"):
        cachu.configure(package="file_wrong", **{f"{name}_dir": file})


def test_s6_an_unwritable_directory_is_refused_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(ConfigurationError, match=f"{name}_dir.*not writable"):
        cachu.configure(package="file_wrong", **{f"{name}_dir": tmp_path})


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "1 GB"])
def test_s6_a_size_limit_is_a_number_of_bytes(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="file_size_limit"):
        cachu.configure(package="file_wrong", file_size_limit=wrong)


def test_s6_a_tilde_is_the_home_directory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "file").touch()
    cachu.configure(package="file_paths", **{f"{name}_dir": "~/cache"})
    with pytest.raises(ConfigurationError, match="not a directory"):
        cachu.configure(package="file_paths", **{f"{name}_dir": "~/file"})


def test_s6_what_becomes_of_a_directory_later_is_no_error_of_configuration(
    name: str, tmp_path: Path
) -> None:
    """C3: it was right when it was configured, so cached functions go on."""
    directory = tmp_path / "cache"
    package = f"{name}_gone"
    cachu.configure(package=package, backend=name, **{f"{name}_dir": directory})
    directory.write_text("a file, meanwhile")
    assert cachu.cache(package=package)(lambda x: x)(1) == 1
    cachu.clear_backends()


def test_s6_a_relative_directory_stays_where_it_was_configured(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = f"{name}_relative"
    config = cachu.configure(package=package, backend=name, **{f"{name}_dir": "cache"})
    assert getattr(config, f"{name}_dir") == str(tmp_path / "cache")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    f = cachu.cache(package=package, name="f")(lambda x: x)
    assert f(1) == 1
    assert f.get(1) == 1
    assert (tmp_path / "cache").is_dir()
    assert not (tmp_path / "elsewhere" / "cache").exists()
    cachu.configure(package=package, **{f"{name}_dir": "cache"})
    assert cachu.cache_get(f, 1, default=None) is None
    f(1)
    assert (tmp_path / "elsewhere" / "cache").is_dir()
    cachu.clear_backends()
