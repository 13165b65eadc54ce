"""What stands before the data of every entry: the generations in which it was made.

    magic 2 | version 1 | generation of the region 8                                      untagged
    magic 2 | version 1 | generation of the region 8 | tag 24 | generation of the tag 8   tagged

A generation is a key of its own that holds 8 random bytes. An entry counts only as long as the
generations of its region and its tag are what they were *before* it was computed. Removing one key
thereby clears a million entries, and a generation that the server evicts clears them too: nothing
ever makes them count again.
"""

from __future__ import annotations

from typing import Final

MAGIC: Final = b"\xc5\xd1"
UNTAGGED: Final = MAGIC + b"\x01"
TAGGED: Final = MAGIC + b"\x02"
SIZE: Final = 8
TAG: Final = slice(11, 35)
_TAG_GENERATION: Final = slice(35, 43)
_UNTAGGED_END: Final = 11
_TAGGED_END: Final = 43


def stamp(region: bytes, tag: str = "", generation: bytes = b"") -> bytes:
    """Return what goes before the data of an entry.

    Args:
        region: The generation of its region.
        tag: What stands for its tag, if it has one.
        generation: The generation of that tag.
    """
    if not tag:
        return UNTAGGED + region
    return b"".join((TAGGED, region, tag.encode(), generation))


def opened(entry: bytes, region: bytes, tag: str, generation: bytes | None) -> bytes | None:
    """Return the data of an entry if it counts.

    Args:
        entry: What the server has.
        region: The generation of its region now.
        tag: What stands for a tag.
        generation: The generation of that tag now.

    Returns:
        The data; None if the entry was cleared, is of another tag, or is nothing of ours.
    """
    if entry[3:11] != region:
        return None
    if not tag:
        return entry[_UNTAGGED_END:] if entry.startswith(UNTAGGED) else None
    if not entry.startswith(TAGGED) or entry[TAG] != tag.encode():
        return None
    return entry[_TAGGED_END:] if entry[_TAG_GENERATION] == generation else None


def other_tag(entry: bytes, region: bytes, tag: str | None) -> str | None:
    """Return what stands for the tag of an entry that counts unless that tag was cleared.

    Args:
        entry: What the server has.
        region: The generation of its region now.
        tag: What stands for the tag that was looked at already, None if none was.

    Returns:
        The tag, None if there is nothing left to look at: the entry was cleared, or has that tag.
    """
    if entry[3:11] != region or not entry.startswith(TAGGED):
        return None
    found = entry[TAG].decode("ascii", "replace")
    # Garbage must not become part of a key.
    return found if found != tag and found.isalnum() and found.isascii() else None
