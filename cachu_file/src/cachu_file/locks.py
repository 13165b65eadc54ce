"""The lock provider `file`: locks between the processes of one machine, for any backend.

    configure(backend="mine", lock="file", file_dir="/var/cache/app")

A lock is a byte of a file in the private directory. It is free at once when its holder dies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachu_file.patience import Patience
from cachu_file.store import RegionStore

if TYPE_CHECKING:
    from cachu_file.engine import Engine
    from cachu_file.keylocks import Holding
    from cachu_file.table import RegionKeys

# Seconds. Whoever has a limit asks for it before; see `lock_timeout`.
_FOREVER = 1e9


class FileLocks(RegionStore):
    """Hands out the locks of one region."""

    def mutex(self, key: str) -> FileLock:
        """Return the lock of *key* for plain code."""
        return FileLock(self.engine, self.region, key)

    def async_lock(self, key: str) -> FileLock:
        """Return the lock of *key* for asynchronous code."""
        return FileLock(self.engine, self.region, key)


class FileLock:
    """The lock of one key, for threads and, with `async with`, for tasks. It is not reentrant."""

    def __init__(self, engine: Engine, region: RegionKeys, key: str) -> None:
        self._keys = engine.keys
        self._spelled = region.key(key)
        self._key = key
        self._holding: Holding | None = None

    def acquire(self, wait: bool = True) -> bool:
        """Take the lock, waiting for it unless told not to; say whether it was taken."""
        patience = Patience(_FOREVER if wait else 0.0)
        while True:
            holding = self._keys.take(self._spelled)
            if holding is not None:
                self._holding = holding
                return True
            if not patience.sleep():
                return False

    def release(self) -> None:
        """Give the lock back."""
        holding, self._holding = self._holding, None
        if holding is None:
            raise RuntimeError(f"the lock of {self._key!r} is not held here")
        holding.release()

    async def __aenter__(self) -> FileLock:  # noqa: PYI034  typing.Self is newer than Python 3.10
        from asyncio import sleep

        patience = Patience(_FOREVER)
        while not self.acquire(wait=False):  # noqa: ASYNC110  no other process can wake this one
            await sleep(patience.pause())
        return self

    async def __aexit__(self, *error: object) -> None:
        self.release()
