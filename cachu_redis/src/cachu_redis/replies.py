"""Reading entries: what to ask for, and which of the replies count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cachu_redis.stamps import opened as data_of
from cachu_redis.stamps import other_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachu_redis.spelling import Bucket

    Command: TypeAlias = tuple[Any, ...]
    Tagged: TypeAlias = tuple[str, list[Any], str, tuple[int, Command]]


def opened(reply: Sequence[bytes | None], tag: str | None) -> tuple[bytes | None, str | None]:
    """Read an entry and its generations.

    Args:
        reply: The entry, the generation of the region, and that of the tag if there is one.
        tag: What stands for the tag that was asked for; None if it is not known.

    Returns:
        The data if there is an entry that counts, and what stands for a tag whose generation
        has to be looked at first.
    """
    entry, region = reply[0], reply[1]
    if entry is None or region is None:
        return None, None
    generation = reply[2] if len(reply) > 2 else None  # noqa: PLR2004
    data = data_of(entry, region, tag or "", generation)
    return (data, None) if data is not None else (None, other_tag(entry, region, tag))


def load_each(wanted: Sequence[tuple[str, Bucket, str]]) -> list[tuple[int, Command]]:
    """Return the commands that load many keys, whatever tags they have."""
    return [
        (bucket.number, ("MGET", bucket.entry + digest, bucket.region))
        for _, bucket, digest in wanted
    ]


def opened_each(
    wanted: Sequence[tuple[str, Bucket, str]],
    replies: Sequence[Any],
    found: dict[str, bytes],
) -> list[Tagged]:
    """Read the answers to `load_each`.

    Args:
        wanted: What was asked for.
        replies: What was answered.
        found: Gets the data of what counts.

    Returns:
        What has a tag: the key, the answer, the tag, and what to ask for its generation.
    """
    tagged: list[Tagged] = []
    for (key, bucket, _), reply in zip(wanted, replies):
        if isinstance(reply, Exception):
            raise reply
        data, tag = opened(reply, None)
        if data is not None:
            found[key] = data
        elif tag is not None:
            tagged.append((key, reply, tag, (bucket.number, ("MGET", bucket.tag + tag))))
    return tagged


def opened_tagged(
    tagged: Sequence[Tagged],
    generations: Sequence[Any],
    found: dict[str, bytes],
) -> None:
    """Add to *found* what has a tag and counts."""
    for (key, reply, tag, _), generation in zip(tagged, generations):
        if isinstance(generation, Exception):
            raise generation
        data = opened([*reply[:2], *generation], tag)[0]
        if data is not None:
            found[key] = data
