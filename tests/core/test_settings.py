"""The base class of plugins' settings (S6)."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest

from cachu.errors import ConfigurationError
from cachu.settings import Settings, redacted

if TYPE_CHECKING:
    import a_driver_that_is_not_installed  # noqa: TC004


class ShelfSettings(Settings):
    shelf_size: int | None = None
    shelf_timeout: float = 0.25
    shelf_dir: str | Path = "/tmp"
    shelf_fast: bool = False
    shelf_mode: Literal["lru", "fifo"] = "lru"
    shelf_nodes: list[str] | None = None
    shelf_hook: Callable[[str], None] | None = None
    shelf_client: a_driver_that_is_not_installed.Client | None = None
    shelf_password: str | None = None
    shelf_url: str = "shelf://localhost"

    kind: ClassVar[str] = "shelf"
    _private: int = 1

    def check(self) -> None:
        if self.shelf_size is not None and self.shelf_size < 1:
            raise ValueError("shelf_size must be at least 1.")


def test_defaults_and_given_values() -> None:
    """S6: annotated class attributes with defaults are the options."""
    settings = ShelfSettings(shelf_size=3)
    assert settings.shelf_size == 3
    assert settings.shelf_timeout == 0.25
    assert list(ShelfSettings.options())[:2] == ["shelf_size", "shelf_timeout"]
    assert not {"kind", "_private"} & set(ShelfSettings.options())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("shelf_size", 1),
        ("shelf_size", None),
        ("shelf_timeout", 2),
        ("shelf_timeout", 0.5),
        ("shelf_dir", Path("x")),
        ("shelf_fast", True),
        ("shelf_mode", "fifo"),
        ("shelf_nodes", ["a"]),
        ("shelf_hook", print),
        ("shelf_client", object()),
    ],
)
def test_right_types_pass(option: str, value: object) -> None:
    """S6: an int will do for a float; what cannot be evaluated is the plugin's affair."""
    assert getattr(ShelfSettings(**{option: value}), option) is value


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("shelf_size", "3", "int | None"),
        ("shelf_size", True, "int | None"),
        ("shelf_size", 1.0, "int | None"),
        ("shelf_timeout", True, "float"),
        ("shelf_timeout", None, "float"),
        ("shelf_dir", b"/tmp", "str | Path"),
        ("shelf_fast", 1, "bool"),
        ("shelf_mode", "lfu", "Literal"),
        ("shelf_nodes", "a,b", "list[str] | None"),
        ("shelf_hook", "print", "Callable"),
    ],
)
def test_wrong_types_are_refused(option: str, value: object, expected: str) -> None:
    """S6: a wrong type is a ConfigurationError that names option, expected and got."""
    with pytest.raises(ConfigurationError) as caught:
        ShelfSettings(**{option: value})
    message = str(caught.value)
    assert message.startswith(f"{option} must be {expected}")
    assert type(value).__name__ in message


def test_unknown_options_are_refused() -> None:
    """S6: with a did-you-mean."""
    with pytest.raises(ConfigurationError, match="Did you mean 'shelf_size'"):
        ShelfSettings(shelf_sise=3)


def test_what_types_cannot_say() -> None:
    """S6: check() raises a ValueError, which arrives as a ConfigurationError."""
    with pytest.raises(ConfigurationError, match="at least 1") as caught:
        ShelfSettings(shelf_size=0)
    assert isinstance(caught.value, ValueError)


def test_settings_are_read_only() -> None:
    """S6: get_config() returns what cannot be changed, and so does settings()."""
    settings = ShelfSettings()
    with pytest.raises(AttributeError, match=r"configure\(shelf_size=...\)"):
        settings.shelf_size = 3
    with pytest.raises(AttributeError, match="DEFAULT"):
        del settings.shelf_size


def test_subclasses_add_options() -> None:
    """S6: options are inherited."""

    class Deep(ShelfSettings):
        shelf_depth: int = 1
        shelf_timeout: float = 9.0

    assert Deep(shelf_size=1, shelf_depth=2).shelf_depth == 2
    assert Deep.options()["shelf_timeout"] == 9.0


def test_an_option_without_default_is_a_mistake_of_the_plugin() -> None:
    """S6: it would be an AttributeError later, somewhere else."""

    class Wrong(Settings):
        wrong_size: int

    with pytest.raises(TypeError, match="wrong_size"):
        Wrong()


def test_settings_compare_copy_and_pickle_by_content() -> None:
    """S6: a value object."""
    settings = ShelfSettings(shelf_size=3)
    assert settings == ShelfSettings(shelf_size=3, shelf_timeout=0.25) != ShelfSettings()
    assert copy.deepcopy(settings) == pickle.loads(pickle.dumps(settings)) == settings


def test_secrets_are_not_shown() -> None:
    """K8: nor in messages."""
    shown = repr(ShelfSettings(shelf_password="hunter2", shelf_url="shelf://:hunter2@host/0"))
    assert "hunter2" not in shown
    assert "shelf://***@host/0" in shown
    with pytest.raises(ConfigurationError) as caught:
        ShelfSettings(shelf_password=b"hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redis_url", "redis://u:hunter2@h:1/0"),
        ("redis_url", "redis://:hunt@er/hunter2@h"),
        ("redis_url", "redis://h/0?password=hunter2&db=1"),
        ("redis_nodes", ["redis://:hunter2@h"]),
        ("redis_options", {"password": "hunter2", "db": 1}),
        ("redis_token", "hunter2"),
        ("redis_client", type("Client", (), {"__repr__": lambda _: "hunter2"})()),
    ],
)
def test_redaction_reaches_into_urls_and_containers(name: str, value: Any) -> None:
    """K8: what is shown may be logged."""
    assert "hunter2" not in redacted(name, value)


def test_what_is_harmless_is_shown() -> None:
    """S6: a message must help."""
    values: list[Any] = [None, True, 3, 0.5, "text", "redis://host:6379/0"]
    assert [redacted("option", value) for value in values] == [repr(value) for value in values]
    assert redacted("option", Path("a/b")) == repr(str(Path("a/b")))
    assert redacted("serializer", pickle.dumps) == "<_pickle.dumps>"
