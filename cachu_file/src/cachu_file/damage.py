"""What an error of SQLite says about the database."""

from __future__ import annotations

import sqlite3
from typing import Final

from cachu_file.errors import OtherSchemaError

_FULL: Final = 13
_CORRUPT: Final = 11
_NO_DATABASE: Final = 26
_READONLY: Final = 8
_INPUT_OUTPUT: Final = 10
_SHORT_READ: Final = 522
# Python 3.10 has the message only.
_DAMAGED: Final = (
    "malformed",
    "not a database",
    "no such table",
    "no such column",
    "has no column",
)
_UNWRITABLE: Final = ("disk is full", "disk I/O error", "readonly database")


def is_damaged(error: BaseException) -> bool:
    """Tell whether the database is damaged, or none of ours, so that only removing it will help."""
    if isinstance(error, OtherSchemaError):
        return True
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    code: int = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in (_CORRUPT, _NO_DATABASE) or code == _SHORT_READ:
        return True
    message = str(error)
    return any(sign in message for sign in _DAMAGED)


def is_unwritable(error: BaseException) -> bool:
    """Tell whether nothing can be written: the disk is full, broken or write-protected."""
    if not isinstance(error, sqlite3.OperationalError):
        return False
    code: int = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in (_FULL, _INPUT_OUTPUT, _READONLY):
        return True
    message = str(error)
    return any(sign in message for sign in _UNWRITABLE)


def may_be_damaged(error: BaseException) -> bool:
    """Tell whether the database should be looked through, to find out."""
    return isinstance(error, sqlite3.OperationalError) and "disk I/O error" in str(error)
