"""Clearing by generation: what a store that can only load, store and delete needs for a clear.

A generation is a random token under a key of its own, one per region and one per tag. An entry
names the generations that were there before its function ran, and counts only as long as they are
there and the same. To clear is to delete the token; one that the store evicts clears, too, and
nothing that was cleared ever comes back.

Tokens must outlive the entries that name them, and yet expire. So time is cut into slots, several
times as long as the region's time to live, with tokens for each slot. Entries that live longer than
a slot share a token that lasts.

An entry's bytes: slot length 1 | slot | token 16 | tag length 4 | tag | token 16 (tagged) | data.
"""

from __future__ import annotations

import os
from math import inf, isinf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

# What keys of our own begin with.
OWN: Final = "cachu!"
TOKEN: Final = 16
# How long a delete keeps out what was begun before it, in seconds.
MARK_LIFE: Final = 3600.0
_DAY: Final = 86_400.0
_TIMES: Final = 10
# Clocks of the hosts that share a store may differ by this many seconds; with room to spare.
_SLACK: Final = 60.0
_LASTING: Final = ""


def token() -> bytes:
    """Return a token that nobody else has."""
    return os.urandom(TOKEN)


def plain(key: str) -> str:
    """Return where the entry of *key* is kept: never where our own keys are."""
    return f"{OWN}={key}" if key.startswith(OWN) else key


def mark(key: str) -> str:
    """Return the key of what a delete or set of *key* leaves for those who compute it."""
    return f"{OWN}changed:{key}"


class Slots:
    """The slots of a region.

    Args:
        ttl: The region's time to live, in seconds.

    Attributes:
        length: How long each is, in seconds.
    """

    __slots__ = ("length",)

    def __init__(self, ttl: float) -> None:
        self.length: float = _DAY if isinf(ttl) else max(_TIMES * ttl, _DAY)

    def at(self, now: float, ttl: float) -> str:
        """Return the slot of an entry that is made *now* and lives *ttl* seconds."""
        return _LASTING if ttl > self.length else str(int(now // self.length))

    def alive(self, now: float) -> list[str]:
        """Return all slots that an entry which is fresh *now* can be of."""
        number = int(now // self.length)
        return [_LASTING, *map(str, (number - 1, number, number + 1))]

    def life(self, slot: str, now: float) -> float:
        """Return how long a token of *slot* must be kept, in seconds."""
        if slot == _LASTING:
            return inf
        return (int(slot) + 2) * self.length + _SLACK - now

    def registered(self, ttl: float) -> float:
        """Return how long a region is listed after an entry of *ttl* seconds was made in it."""
        return inf if ttl > self.length else 2 * self.length + _SLACK


def names(slot: str, tag: str) -> list[str]:
    """Return the keys of the tokens that an entry with *tag* depends on; "" is no tag."""
    region = f"{OWN}region:{slot}"
    return [region, f"{OWN}tag:{slot}:{tag}"] if tag else [region]


class Stamp:
    """The tokens that an entry names.

    Attributes:
        slot: The slot in which it was made.
        tag: Its tag.
        tokens: The token of its region and, if it has a tag, of that.
    """

    __slots__ = ("slot", "tag", "tokens")

    def __init__(self, slot: str, tag: str, tokens: list[bytes]) -> None:
        self.slot: str = slot
        self.tag: str = tag
        self.tokens: list[bytes] = tokens

    @property
    def names(self) -> list[str]:
        """The keys of the tokens."""
        return names(self.slot, self.tag)

    def holds(self, found: Mapping[str, bytes | None]) -> bool:
        """Tell whether the tokens that were *found*, by key, are still the same."""
        return all(found.get(name) == value for name, value in zip(self.names, self.tokens))

    def put_on(self, data: bytes) -> bytes:
        """Return *data* with this stamp."""
        slot, tag = self.slot.encode(), self.tag.encode("utf-8", "surrogatepass")
        region, *rest = self.tokens
        head = (len(slot).to_bytes(1, "big"), slot, region, len(tag).to_bytes(4, "big"), tag)
        return b"".join((*head, *rest, data))


def parted(stamped: bytes) -> tuple[Stamp, bytes] | None:
    """Return the stamp and the data of an entry, or None if those are not the bytes of one."""
    start = 1 + stamped[0] if stamped else 1
    size = start + TOKEN + 4
    if len(stamped) < size:
        return None
    slot, length = stamped[1:start], int.from_bytes(stamped[size - 4 : size], "big")
    end = size + length + (TOKEN if length else 0)
    if len(stamped) < end or not (slot == b"" or slot.lstrip(b"-").isdigit()):
        return None
    try:
        tag = stamped[size : size + length].decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    tokens = [stamped[start : start + TOKEN]]
    if length:
        tokens.append(stamped[size + length : end])
    return Stamp(slot.decode(), tag, tokens), stamped[end:]
