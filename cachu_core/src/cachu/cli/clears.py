"""Clears from a process that never called a function: `cachu clear`."""

from __future__ import annotations

from cachu import clearing
from cachu.cli.reach import Row, reaches, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def what(package: str | None, wanted: dict[str, Any]) -> list[Row]:
    """List what a clear would reach, for the question whether to."""
    return [row for row in rows(package, **wanted) if row.entries != 0]


def question(package: str | None, wanted: dict[str, Any]) -> str:
    """Ask about it: `Clear the entries with tag 'users' of all packages on all backends?`."""
    tag, backend, ttl = wanted["tag"], wanted["backend"], wanted["ttl"]
    parts = [
        "Clear the entries" if tag is not None else "Clear all entries",
        f"with tag {tag!r}" if tag is not None else "",
        f"that live {ttl:g} s" if ttl is not None else "",
        f"of {package!r}" if package is not None else "of all packages",
        f"on {backend!r}?" if backend is not None else "on all backends?",
    ]
    return " ".join(part for part in parts if part)


def clear(package: str | None, wanted: dict[str, Any]) -> str:
    """Clear, and say how much that was."""
    removed = [clearing.clear(reach) for reach in reaches(package, **wanted)]
    if -1 in removed:
        return "Cleared; not every backend counts what it clears."
    total = sum(removed)
    return f"Cleared {total} {'entry' if total == 1 else 'entries'}."
