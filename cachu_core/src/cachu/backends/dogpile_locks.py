"""The locks that backends of dogpile.cache hand out under `distributed_lock`."""

from __future__ import annotations

from cachu.backends import dogpile_engines
from cachu.backends.dogpile_store import fitting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

# How long a lock that was taken is left alone, in seconds.
_PAUSE: Final = 0.01


class DogpileLocks:
    """The locks of one region.

    Args:
        name: What the backend is registered as.
        arguments: What it is made with.
        namespace: That of the region.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], namespace: str) -> None:
        self._engine = dogpile_engines.engine(name, arguments)
        self._namespace = namespace

    def mutex(self, key: str) -> Any:
        """Return the lock of *key* for plain code."""
        mutex = self._engine.backend.get_mutex(fitting(self._namespace, f"lock!{key}"))
        if hasattr(mutex, "client_fn"):  # memcached's puts "_lock" in front of all others' keys
            mutex.key = mutex.key.removeprefix("_lock")
        return mutex

    def async_lock(self, key: str) -> Threaded:
        """Return the lock of *key* for asynchronous code."""
        return Threaded(self.mutex(key))


class Threaded:
    """A lock for plain code, taken and given back in worker threads."""

    def __init__(self, mutex: Any) -> None:
        self._mutex = mutex

    async def __aenter__(self) -> object:
        import asyncio

        while True:
            taking = asyncio.ensure_future(asyncio.to_thread(self._mutex.acquire, False))
            try:
                taken = await asyncio.shield(taking)
            except asyncio.CancelledError:
                # A thread cannot be cancelled: what it still takes is to be given back.
                if await taking:
                    await asyncio.to_thread(self._mutex.release)
                raise
            if taken:
                return self
            await asyncio.sleep(_PAUSE)

    async def __aexit__(self, *error: object) -> None:
        import asyncio

        await asyncio.shield(asyncio.to_thread(self._mutex.release))
