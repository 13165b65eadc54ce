"""Settings that stand outside the program: in environment variables, and in pyproject.toml.

They are below what `configure()` says, and above the defaults. The environment is above the file.
It holds for every package of the process; a file only for the packages whose code lies beside or
below it, so that nobody is configured by a file that merely lies where the process was started.
"""

from __future__ import annotations

import os

from cachu import plugins, projects
from cachu.conversion import converted
from cachu.errors import CachuWarning, ConfigurationError, PluginError
from cachu.options import DEFAULTS, checked, owner_of, settings_made
from cachu.settings import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

PREFIX: Final = "CACHU_"
# Variables that are no options: for the plugin manager, and for this project's own tests.
_ASIDE: Final = ("CACHU_LOAD_PLUGINS", "CACHU_TRACE_PLUGINS", projects.VARIABLE)
_TESTS: Final = "CACHU_TEST_"


class Setting:
    """One option as it stands somewhere.

    Attributes:
        value: Its value, converted and checked.
        source: Where it stands: the name of a variable, or the path of a file.
    """

    __slots__ = ("source", "value")

    def __init__(self, value: Any, source: str) -> None:
        self.value: Any = value
        self.source: str = source


def ambient(package: str) -> dict[str, Setting]:
    """Return the options that stand outside the program for a package.

    Args:
        package: The package.

    Returns:
        Options, by name; what the environment says hides what the file says.

    Raises:
        ConfigurationError: If a value is wrong, or a file has an option that there is not.
        PluginError: If a plugin that is named cannot be loaded.
    """
    found = _from_file(package)
    for name, text in sorted(os.environ.items()):
        if not name.startswith(PREFIX) or name in _ASIDE or name.startswith(_TESTS):
            continue
        option = name.removeprefix(PREFIX).lower()
        if option not in DEFAULTS and not _is_known(option, name):
            continue
        found[option] = _setting(option, text, name, is_text=True)
    _check_together(found)
    return found


def _from_file(package: str) -> dict[str, Setting]:
    path = projects.file_of(package)
    if path is None:
        return {}
    found: dict[str, Setting] = {}
    for option, value in projects.table(path).items():
        source = f"{path}, [tool.cachu] {option}"
        if option == "secret_key":
            raise ConfigurationError(
                f"{source}: a secret does not belong in a file that is shared; set "
                "CACHU_SECRET_KEY in the environment"
            )
        found[option] = _setting(option, value, source, is_text=False)
    return found


def _setting(option: str, value: Any, source: str, *, is_text: bool) -> Setting:
    try:
        if option in DEFAULTS:
            kind = {"lock_timeout": float, "fail_open": bool}.get(option, str)
            made = checked(option, converted(option, value, kind) if is_text else value)
        else:
            made = value if not is_text else _of_plugin(option, value)
    except ConfigurationError as error:
        raise _told(error, source) from error
    return Setting(made, source)


def _of_plugin(option: str, text: str) -> Any:
    try:
        declared = plugins.settings_of(owner_of(option))
    except PluginError:
        return text  # of a plugin that is missing: it says so if it is asked for
    hint = declared.hint(option) if declared is not None and option in declared.options() else str
    return converted(option, text, hint)


def _check_together(found: Mapping[str, Setting]) -> None:
    """Check the options of each plugin as a whole, as `configure()` does."""
    own = {option: each for option, each in found.items() if option not in DEFAULTS}
    owners = {option: _owner(option, each.source) for option, each in own.items()}
    for plugin in sorted(set(owners.values())):
        mine = {option: own[option] for option, owner in owners.items() if owner == plugin}
        values = {option: each.value for option, each in mine.items()}
        try:
            made = settings_made(plugin, list(mine), values, kept=True)
        except ConfigurationError as error:
            named = [each.source for option, each in mine.items() if option in str(error)]
            raise _told(error, " and ".join(named or [s.source for s in mine.values()])) from error
        for option, each in mine.items() if made is not None else ():
            each.value = getattr(made, option)  # as the plugin settles it: a relative path, say


def _owner(option: str, source: str) -> str:
    try:
        return owner_of(option)
    except ConfigurationError as error:
        raise _told(error, source) from error


def _is_known(option: str, variable: str) -> bool:
    """Tell whether a variable sets an option; one that does not may be somebody else's."""
    owner = plugins.owner(option)
    if owner is not None:
        try:
            declared = plugins.settings_of(owner)
        except PluginError:
            return True
        if declared is not None and option in declared.options():
            return True
    import warnings

    variables = (PREFIX + each.upper() for each in _options(owner))
    warnings.warn(
        f"The environment variable {variable} sets no option of cachu."
        f"{did_you_mean(variable, variables)}",
        CachuWarning,
        stacklevel=2,
    )
    return False


def _options(owner: str | None) -> Iterator[str]:
    yield from DEFAULTS
    declared = plugins.settings_of(owner) if owner is not None else None
    yield from declared.options() if declared is not None else ()


def _told(error: ConfigurationError, source: str) -> ConfigurationError:
    return type(error)(f"{source}: {error}")
