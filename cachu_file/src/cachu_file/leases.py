"""The right to compute one key: what is held meanwhile, and what was seen when it began."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cachu_file.keylocks import Holding
    from cachu_file.ranges import Ranges


class Claim:
    """What the token of a lease is.

    Attributes:
        holding: What keeps others waiting; None for a claim that keeps nothing, because another
            caller was waited for in vain.
        identity: Of the database in which it began.
        since: The last fence that had been raised then.
        seen: When the entry had last been set by key.
    """

    __slots__ = ("_process", "holding", "identity", "seen", "since")

    def __init__(self) -> None:
        self.holding: Holding | None = None
        self.identity: int = 0
        self.since: int = 0
        self.seen: int = 0
        self._process = os.getpid()

    @property
    def counts(self) -> bool:
        """Whether a result may be kept."""
        # A forked child has not the locks of its parent.
        return self.holding is not None and os.getpid() == self._process

    def holds(self, ranges: Ranges) -> bool:
        """Tell whether it is held in this lock file, and not in one that was removed."""
        return self.holding is not None and self.holding.ranges is ranges

    def hold(self, holding: Holding, identity: int, since: int, seen: int) -> None:
        """Begin."""
        self.holding = holding
        self.identity = identity
        self.since = since
        self.seen = seen

    def release(self) -> None:
        """Let the next one compute the key; doing so twice is no error."""
        holding, self.holding = self.holding, None
        if holding is not None:
            holding.release()
