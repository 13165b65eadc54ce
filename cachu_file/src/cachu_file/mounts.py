"""Which file system a directory is on, and whether several processes can share a database there.

SQLite's write-ahead log needs memory that all processes see, and locks that work. A network file
system gives neither: entries would be lost and files damaged, now and then, without an error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cachu.errors import ConfigurationError

_TABLE: Final = "/proc/self/mountinfo"
_NETWORK: Final = frozenset(
    (
        *("nfs", "nfs3", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "ceph", "coda"),
        *("glusterfs", "lustre", "beegfs", "gfs2", "ocfs2", "fuse.sshfs", "fuse.smbnetfs"),
        *("fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone"),
    )
)


def check_local(path: str) -> None:
    """Refuse a directory on a network file system, where that can be found out.

    Args:
        path: A directory that exists.

    Raises:
        ConfigurationError: If it is on a network.
    """
    try:
        with Path(_TABLE).open(encoding="utf-8", errors="surrogateescape") as table:
            lines = table.read()
    except OSError:  # no Linux: the documentation asks for a local disk
        return
    device = Path(path).stat().st_dev
    kind = kind_of_mount(lines, os.path.realpath(path), os.major(device), os.minor(device))
    if kind in _NETWORK:
        raise ConfigurationError(
            f"file_dir: {path!r} is on a network file system ({kind}), where processes cannot "
            "share a database safely. Name a directory on a local disk, or use backend='redis' to "
            "share a cache between hosts."
        )


def kind_of_mount(table: str, path: str, major: int, minor: int) -> str:
    """Find the type of the file system that a path is on.

    Args:
        table: The text of `/proc/self/mountinfo`.
        path: An absolute path without symbolic links.
        major: Of its device number.
        minor: Of its device number.

    Returns:
        The type, such as `ext4`; of the last and innermost mount that fits. Empty if none does.
    """
    best = (False, -1)
    found = ""
    for line in table.splitlines():
        front, _, back = line.partition(" - ")
        fields = front.split(" ")
        kind = back.partition(" ")[0]
        if len(fields) < 5 or not kind:  # noqa: PLR2004  the fifth is where it is mounted
            continue
        point = _unescaped(fields[4])
        if point != "/" and not f"{path}/".startswith(f"{point}/"):
            continue
        # Some file systems show another device number here than to stat().
        rank = (fields[2] == f"{major}:{minor}", len(Path(point).parts))
        if rank >= best:
            best, found = rank, kind
    return found


def _unescaped(field: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        field = field.replace(code, character)
    return field
