"""The options of the backend `diskcache`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cachu.settings import Settings
from cachu_file.settings import check_directory, lasting

__all__ = ["EVICTION_POLICIES", "DiskcacheSettings"]

EVICTION_POLICIES: Final = (
    "least-recently-stored",
    "least-recently-used",
    "least-frequently-used",
    "none",
)


class DiskcacheSettings(Settings):
    """Options of the backend `diskcache`.

    Attributes:
        diskcache_dir: Directory under which cachu makes one of its own; made at first use.
        diskcache_size_limit: Bytes that the entries of one package may take before some are
            evicted.
        diskcache_eviction: Which are evicted first, in diskcache's words. With `none`, none are.
    """

    diskcache_dir: str | Path = "/tmp"  # noqa: S108 - cachu makes a private directory there
    diskcache_size_limit: int = 2**30
    diskcache_eviction: str = EVICTION_POLICIES[0]

    def check(self) -> None:
        """Refuse what could not work at first use either."""
        check_directory("diskcache_dir", self.diskcache_dir)
        self.settle("diskcache_dir", lasting(self.diskcache_dir))
        if self.diskcache_size_limit <= 0:
            raise ValueError(
                "diskcache_size_limit is a number of bytes above 0; "
                f"got {self.diskcache_size_limit}"
            )
        if self.diskcache_eviction not in EVICTION_POLICIES:
            raise ValueError(
                f"diskcache_eviction is one of {', '.join(EVICTION_POLICIES)}; "
                f"got {self.diskcache_eviction!r}"
            )
