"""What both colours of a backend over a store do with bytes."""

from __future__ import annotations

from cachu.backends import Capability
from cachu.backends.stores import Lease
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import BrokenPluginError, SerializationError
from cachu.serializers.envelope import OtherSerializerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger
    from typing import Any

    from cachu.backends.guards import Guard
    from cachu.backends.stores import AsyncStore, Store
    from cachu.backends.turns import Turns
    from cachu.locks import LockProvider
    from cachu.serializers.envelope import Codec


class Packing:
    """What both colours do with bytes, and what they count.

    Attributes:
        wrapped: The store.
        rejected: How many entries were found that could not be read.
        unstorable: How many values could not be turned into bytes.
    """

    def __init__(
        self,
        store: Store | AsyncStore,
        codec: Codec,
        label: str,
        locks: LockProvider | None,
        lock_timeout: float,
        turns: Turns,
        guard: Guard,
    ) -> None:
        self.wrapped: Any = store
        self.capabilities: Capability = store.capabilities
        leases = Capability.LEASES in store.capabilities
        # Some keep overtaken callers from storing, but put nobody in line.
        self._fences: bool = leases or getattr(store, "fences", False)
        self._name_lock: Any = getattr(store, "lock_name", None)
        self._locks = None if leases else locks
        # Leases put those in line who find nothing, not those who may not use what they find.
        self._line = locks if leases else None
        self._load: Any = store.load
        self._codec = codec
        self._unpack = codec.unpack
        self._label = label
        self._lock_timeout = lock_timeout
        self._turns = turns
        self._reads = guard.reads
        self._writes = guard.writes
        self.rejected: int = 0
        self.unstorable: int = 0

    def _open(self, key: str, data: bytes) -> CacheEntry | NoValue | None:
        """Return the entry in *data*, `NO_VALUE` if it will not do, None if it is to be deleted."""
        try:
            return self._unpack(key, data)
        except SerializationError as error:
            return self._refuse(error)

    def _opened(
        self, key: str, found: bytes | Lease, usable: Callable[[CacheEntry], bool]
    ) -> CacheEntry | None:
        """Return the entry that a store handed out instead of a lease, if it will do."""
        if isinstance(found, Lease):
            return None
        entry = self._open(key, found)
        return entry if isinstance(entry, CacheEntry) and usable(entry) else None

    def _refuse(self, error: SerializationError) -> NoValue | None:
        self.rejected += 1
        if self.rejected == 1:
            _log().warning(
                "An entry of %s was not used: %s. Further ones are only counted.",
                self._label,
                error,
            )
        # What is whole is left to those who use that serializer.
        return NO_VALUE if isinstance(error, OtherSerializerError) else None

    def _seal(self, key: str, entry: CacheEntry, ttl: float) -> bytes | None:
        """Return *entry* as bytes; None if that cannot be done, which is no reason to fail."""
        try:
            return self._codec.pack(key, entry, ttl)
        except SerializationError as error:
            self.unstorable += 1
            if self.unstorable == 1:
                _log().warning(
                    "SerializationError: a result was not stored in %s: %s. Further ones are only "
                    "counted.",
                    self._label,
                    error,
                )
            return None


def lease_of(found: bytes | Lease, store: object) -> Lease:
    """Return the lease that a store handed out by force.

    Raises:
        BrokenPluginError: If it is none.
    """
    if isinstance(found, Lease):
        return found
    message = f"{type(store).__name__}.begin(force=True) must return a Lease"
    raise BrokenPluginError(message)


def _log() -> Logger:
    import logging

    return logging.getLogger("cachu")
