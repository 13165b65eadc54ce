"""A backend made out of a store: values instead of bytes, and one caller at a time per key.

Whatever its store raises reaches the caller as a `BackendError`; see `cachu.backends.guards`.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress

from cachu.backends import Backend, Capability
from cachu.backends.lanes import PASSED
from cachu.backends.packing import Packing, lease_of
from cachu.backends.patience import Patient
from cachu.backends.stores import Lease
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import BackendError, SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from cachu.backends import RegionName
    from cachu.backends.stores import Store


class StoreBackend(Packing, Backend):
    """The backend of a `Store`."""

    wrapped: Store

    def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        reads = self._reads
        if reads.troubled:
            reads.enter()
        try:
            data = self._load(key, tag)
        except PASSED:
            raise
        except Exception as error:
            raise reads.failed(error) from error
        if reads.troubled:
            reads.recovered()
        if data is None:
            return NO_VALUE
        try:
            return self._unpack(key, data)
        except SerializationError as error:
            if self._refuse(error) is None:
                with suppress(BackendError):  # counted, and the entry is as useless as before
                    self._writes.run(self.wrapped.delete, key)
            return NO_VALUE

    def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        data = self._codec.pack(key, entry, ttl)
        writes = self._writes
        with self._turns.setting(key, self._lock_timeout):
            if writes.troubled:
                writes.enter()
            try:
                self.wrapped.store(key, data, ttl, tag)
            except PASSED:
                raise
            except Exception as error:
                raise writes.failed(error) from error
            if writes.troubled:
                writes.recovered()

    def delete(self, key: str) -> bool:
        with self._turns.deleting(key, self._lock_timeout):
            return self._writes.run(self.wrapped.delete, key)

    def clear(self, tag: str | None = None) -> int:
        with self._turns.clearing(self._lock_timeout):
            return self._writes.run(self.wrapped.clear, tag)

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        return self._reads.run(self.wrapped.count, tag, function)

    def regions(self) -> Iterable[RegionName]:
        if Capability.REGIONS not in self.capabilities:
            return ()
        return self._reads.ask(lambda: list(self.wrapped.regions()))

    def close(self) -> None:
        self.wrapped.close()

    def get_or_create(
        self,
        key: str,
        create: Callable[[], CacheEntry | NoValue],
        usable: Callable[[CacheEntry], bool],
        ttl: float,
        tag: str = "",
        *,
        force: bool = False,
    ) -> CacheEntry | NoValue:
        if self._locks is None or force:
            return self._create(key, create, usable, ttl, tag, force=force)
        name = key
        if self._fences:
            name = self._writes.begin(self._name_lock, key, tag)
        from dogpile import Lock, NeedRegenerationException

        def look() -> tuple[CacheEntry, float]:
            entry = self.load(key, tag)
            if entry is NO_VALUE or not usable(entry):
                raise NeedRegenerationException
            return entry, entry.created_at

        def made() -> tuple[CacheEntry | NoValue, float]:
            entry = self._create(key, create, usable, ttl, tag)
            return entry, 0.0 if entry is NO_VALUE else entry.created_at

        mutex = Patient(self._locks, name, self._lock_timeout, self._writes)
        with Lock(mutex, made, look, None) as entry:  # type: ignore[no-untyped-call]
            return entry  # type: ignore[no-any-return]

    def _create(
        self,
        key: str,
        create: Callable[[], CacheEntry | NoValue],
        usable: Callable[[CacheEntry], bool],
        ttl: float,
        tag: str,
        *,
        force: bool = False,
    ) -> CacheEntry | NoValue:
        if self._fences:
            return self._under_lease(key, create, usable, ttl, tag, force=force)
        entry = create()
        if entry is not NO_VALUE:
            data = self._seal(key, entry, ttl)
            if data is None:
                return NO_VALUE
            self._writes.run(self.wrapped.store, key, data, ttl, tag)
        return entry

    def _under_lease(
        self,
        key: str,
        create: Callable[[], CacheEntry | NoValue],
        usable: Callable[[CacheEntry], bool],
        ttl: float,
        tag: str,
        *,
        force: bool,
    ) -> CacheEntry | NoValue:
        found = self._begin(key, tag, force=force)
        entry = self._opened(key, found, usable)
        if entry is not None:
            return entry
        if isinstance(found, Lease):
            return self._leased(found, key, create, ttl, tag)
        with self._in_line(key):
            found = self._begin(key, tag, force=False)
            entry = self._opened(key, found, usable)
            if entry is not None:
                return entry
            if not isinstance(found, Lease):
                found = self._begin(key, tag, force=True)
            lease = lease_of(found, self.wrapped)
            return self._leased(lease, key, create, ttl, tag)

    def _begin(self, key: str, tag: str, *, force: bool) -> bytes | Lease:
        begin = self.wrapped.begin
        return self._writes.begin(begin, key, tag, wait=self._lock_timeout, force=force)

    def _leased(
        self,
        lease: Lease,
        key: str,
        create: Callable[[], CacheEntry | NoValue],
        ttl: float,
        tag: str,
    ) -> CacheEntry | NoValue:
        kept = False
        try:
            entry = create()
            data = None if entry is NO_VALUE else self._seal(key, entry, ttl)
            if data is not None:
                self._writes.commit(self.wrapped.commit, lease, data, ttl, tag)
                kept = True
        finally:
            if not kept:
                with suppress(BackendError):  # counted; it must not hide what went wrong before
                    self._writes.abandon(self.wrapped.abandon, lease)
        return NO_VALUE if data is None else entry

    def _in_line(self, key: str) -> AbstractContextManager[object]:
        """Put in line, also with other processes, who may not use what is there."""
        if self._line is None:
            return nullcontext()
        return Patient(self._line, f"{key} in line", self._lock_timeout, self._writes)
