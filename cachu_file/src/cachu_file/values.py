"""Values that are too large for a database, each in a file of its own beside it.

A file is written whole before the row that names it. A row that is replaced or deleted leaves the
name of its file in the table `trash`, and the file is removed once that is committed. A process
that is killed in between leaves a file that no row names; `sweep` finds it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from secrets import token_hex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cachu_file.directory import PrivateDirectory

#: Bytes above which a value has a file of its own: reading a large row costs more than a file.
LARGE: Final = 128 * 1024
# What one call of read() or write() is asked for at most.
_CHUNK: Final = 1 << 30
_NAME: Final = re.compile(rb"[0-9a-f]{32}\.[0-9]{1,18}")


def write(directory: PrivateDirectory, data: bytes) -> str:
    """Keep a value in a new file.

    Returns:
        Its name, which ends in its size in bytes.

    Raises:
        OSError: If the disk is full, or cannot be written to; nothing is left behind then.
    """
    name = f"{token_hex(16)}.{len(data)}"
    try:
        with directory.file(name, os.O_RDWR | os.O_CREAT | os.O_EXCL) as file:
            descriptor = file.fileno()
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest[:_CHUNK]) :]
    except BaseException:
        directory.remove(name)
        raise
    return name


def name_of(value: object) -> str | None:
    """Return the name of a file that a row has as its value; None if it is no such name.

    Other names could lead anywhere, and other values are what damage made of them.
    """
    if not isinstance(value, bytes) or _NAME.fullmatch(value) is None:
        return None
    return value.decode("ascii")


def read(directory: PrivateDirectory, name: str) -> bytes:
    """Return a value.

    Raises:
        FileNotFoundError: If it was replaced meanwhile.
        OSError: If it cannot be read.
    """
    with directory.file(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)) as file:
        descriptor = file.fileno()
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "no file", name)
        data = os.read(descriptor, min(state.st_size, _CHUNK))
        if len(data) == state.st_size:
            return data
        parts = [data]
        while parts[-1]:
            parts.append(os.read(descriptor, _CHUNK))
        return b"".join(parts)


def file_size(value: object) -> int:
    """Return how many bytes the value of a row takes beside the database."""
    name = name_of(value) if type(value) is not bytes else None
    return 0 if name is None else int(name.rpartition(".")[2])


def sweep(
    directory: PrivateDirectory, names: Iterable[str], named: Collection[str | None], grace: float
) -> int:
    """Remove the files that no row names.

    Args:
        directory: Where they are.
        names: What there was, listed before the rows were read.
        named: The names that rows have.
        grace: Seconds for which a file is left alone, whose row may still be to come.

    Returns:
        How many there were.
    """
    removed = 0
    before = time.time() - grace
    for name in names:
        if name not in named:
            state = directory.check(name)
            if state is not None and state.st_mtime <= before:
                removed += directory.remove(name)
    return removed
