"""What the token of a lease is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cachu_redis.spelling import Bucket


class Claim:
    """What the token of a lease is.

    Attributes:
        digest: What stands for the key.
        bucket: Where it is.
        tag: What stands for the tag.
        token: What the lock holds as long as nobody overtook this computation; None for a claim
            that never counted, because another computation was waited for in vain.
        stamp: The generations that were seen before the function ran.
        renewal: What keeps the lock alive meanwhile.
    """

    __slots__ = ("bucket", "digest", "renewal", "stamp", "tag", "token")

    def __init__(self, bucket: Bucket, digest: str, tag: str) -> None:
        self.bucket: Bucket = bucket
        self.digest: str = digest
        self.tag: str = tag
        self.token: bytes | None = None
        self.stamp: bytes = b""
        self.renewal: Any = None
