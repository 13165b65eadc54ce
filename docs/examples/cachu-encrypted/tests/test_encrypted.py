"""What is stored cannot be read without the key, in plain and in asynchronous code."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

import cachu
from cachu.testing.suite import (  # noqa: F401
    both,
    cachu_values,
    clock,
    colour,
    test_an_empty_value_is_not_a_miss,
    test_every_value_goes_through_the_backend,
    test_every_value_is_cached,
)

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def cachu_backend(tmp_path: Path) -> dict[str, Any]:
    return {"backend": "file", "file_dir": tmp_path, "encrypted_secret": NEW}


def read(folder: Path, secret: Any, package: str = "encrypted_tests") -> Any:
    cachu.configure("file", package=package, file_dir=folder, encrypted_secret=secret)
    return cachu.get_backend(package=package)


def on_disk(folder: Path) -> bytes:
    cachu.clear_backends()
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_nothing_is_stored_in_clear(tmp_path: Path) -> None:
    read(tmp_path, OLD).set("own", "a secret of ours")
    assert b"a secret of ours" not in on_disk(tmp_path)
    assert read(tmp_path, OLD).get("own") == "a secret of ours"


def test_keys_can_be_changed(tmp_path: Path) -> None:
    read(tmp_path, OLD).set("own", 1)
    assert read(tmp_path, f"{NEW},{OLD}").get("own") == 1
    assert read(tmp_path, NEW).get("own", None) is None


def test_without_a_secret_nothing_changes(tmp_path: Path) -> None:
    read(tmp_path, cachu.DEFAULT, "in_clear").set("own", "readable by anybody")
    assert b"readable by anybody" in on_disk(tmp_path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(cachu.ConfigurationError, match=r"Fernet\.generate_key") as caught:
        read(tmp_path, "no key")
    assert "no key" not in str(caught.value)
