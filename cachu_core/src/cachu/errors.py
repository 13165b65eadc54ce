"""Every error that cachu raises of its own.

CachuError
├── ConfigurationError (ValueError)
│   └── UnknownPluginError (also PluginError, LookupError)
├── PluginError
│   ├── PluginConflictError
│   └── BrokenPluginError
├── UncacheableArgumentError (TypeError)
├── UncacheableResultError (TypeError)
├── SerializationError (ValueError)
└── BackendError
    └── CapabilityError

`CachuWarning` (UserWarning) is for what works but is probably not meant.
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "BrokenPluginError",
    "CachuError",
    "CachuWarning",
    "CapabilityError",
    "ConfigurationError",
    "PluginConflictError",
    "PluginError",
    "SerializationError",
    "UncacheableArgumentError",
    "UncacheableResultError",
    "UnknownPluginError",
]


class CachuError(Exception):
    """Base class of the errors that cachu raises."""


class ConfigurationError(CachuError, ValueError):
    """An option, a name or a value that cachu cannot use; nothing was changed."""


class PluginError(CachuError):
    """Something is wrong with a plugin."""


class UnknownPluginError(ConfigurationError, PluginError, LookupError):
    """No installed plugin answers to the requested name."""


class PluginConflictError(PluginError):
    """Two distributions registered a plugin under one name."""


class BrokenPluginError(PluginError):
    """A plugin is installed, but loading it failed."""


class UncacheableArgumentError(CachuError, TypeError):
    """An argument has no stable form, so that no key can be made of it.

    Attributes:
        reason: What is wrong with the value.
        parameter: The name of the parameter, or None while it is not known.
    """

    reason: str
    parameter: str | None

    def __init__(self, reason: str, parameter: str | None = None) -> None:
        super().__init__(reason, parameter)
        self.reason = reason
        self.parameter = parameter

    def __str__(self) -> str:
        where = "an argument" if self.parameter is None else f"the argument {self.parameter!r}"
        name = self.parameter or "name"
        return (
            f"cachu cannot make a key of {where}: {self.reason}. "
            f"Leave it out of the key with exclude={{{name!r}}}, give its class a "
            "__cache_key__() method, or choose a key serializer that knows it (key_serializer=)."
        )


class UncacheableResultError(CachuError, TypeError):
    """A result that can be used only once, such as a generator, cannot be cached."""


class SerializationError(CachuError, ValueError):
    """A value could not be turned into bytes, or bytes could not be turned into a value."""


class BackendError(CachuError):
    """A backend failed, or is left alone for a moment because it did.

    It is raised from what the backend's driver raised. Calls of cached functions raise it only with
    `fail_open=False`; deletes, clears and what `get_backend()` returns always do.
    """


class CapabilityError(BackendError):
    """A backend was asked for something that it does not declare to be able to do."""


class CachuWarning(UserWarning):
    """Something works, but probably not as meant."""
