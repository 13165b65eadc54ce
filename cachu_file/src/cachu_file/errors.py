"""What the file store raises of its own, and what it tells itself."""

from __future__ import annotations

from cachu.errors import ConfigurationError

__all__ = ["UnsafeDirectoryError"]


class UnsafeDirectoryError(ConfigurationError):
    """A directory or file that somebody else could have put there, or could change.

    Stored values may be pickles, and a pickle is code. So nothing in there is read, and nothing is
    written there.
    """


class AbsentError(Exception):
    """There is no database, and what was asked for does not make one."""


class StaleConnectionError(Exception):
    """The connection leads to a database that is not there any more; another one will do."""


class OtherSchemaError(Exception):
    """The file is a database, but not one of ours or of this version."""
