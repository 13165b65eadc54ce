"""A backend that notes what is done to it."""

from __future__ import annotations

import time
from typing import Any, ClassVar, NamedTuple

from cachu.backends import AsyncBackend, Backend, Capability
from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.hookspecs import hookimpl
from cachu.testing.stages import Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachu.region import Region

__all__ = ["Operation", "Recording"]


class Operation(NamedTuple):
    """What was done to the backend once.

    Attributes:
        name: `"load"`, `"store"`, `"delete"`, `"clear"` or `"count"`.
        package: Whose entries.
        key: Which one, as `f.key(...)` returns it; empty where all are concerned.
        value: What was stored, or found: `cachu.NO_VALUE` if nothing was.
        tag: The tag, empty for none.
        ttl: Seconds that a stored entry lives, `math.inf` for ever; else 0.
    """

    name: str
    package: str
    key: str = ""
    value: Any = NO_VALUE
    tag: str = ""
    ttl: float = 0.0


class Recording(Stage):
    """A backend, `"recording"`, that keeps entries in memory and notes what is done to them.

        with Recording() as recording:
            cachu.configure(backend="recording", package="shop")
            shop.get_price("apple")
            assert recording.names == ["load", "store"]

    Values are kept as they are, in plain and in asynchronous code.

    Attributes:
        operations: What was done, in order.
    """

    backend: ClassVar[str] = "recording"

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self._backends: dict[object, RecordingBackend] = {}

    @property
    def names(self) -> list[str]:
        """The names of the operations alone."""
        return [operation.name for operation in self.operations]

    def of(self, name: str) -> list[Operation]:
        """Return the operations of one name, such as all that were a `"store"`."""
        return [operation for operation in self.operations if operation.name == name]

    def forget(self) -> None:
        """Begin with a blank page; the entries stay."""
        self.operations.clear()

    @hookimpl(tryfirst=True)
    def cachu_make_backend(self, name: str, region: Region) -> Backend | None:
        """Make the backend of a region."""
        if not self.stands_for(name):
            return None
        place = (name, region.identity)
        return self._backends.setdefault(place, RecordingBackend(region.package, self.operations))

    @hookimpl(tryfirst=True)
    def cachu_make_async_backend(self, name: str, region: Region) -> AsyncBackend | None:
        """Make the same for asynchronous code."""
        made: Any = self.cachu_make_backend(name, region)
        return None if made is None else AsyncRecordingBackend(made)


class RecordingBackend(Backend):
    """The backend of a region: a dict of entries, and a list for what is done to them."""

    capabilities: Capability = Capability.CLEAR | Capability.TAGS | Capability.COUNT

    def __init__(self, package: str, operations: list[Operation]) -> None:
        self._package = package
        self._operations = operations
        self._rows: dict[str, tuple[CacheEntry, float, str]] = {}

    def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        """Return the entry, and note what was found."""
        row = self._rows.get(key)
        entry = row[0] if row is not None and time.time() < row[1] else NO_VALUE
        self._note("load", key, entry.value if isinstance(entry, CacheEntry) else NO_VALUE, tag)
        return entry

    def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        """Keep the entry, and note its value."""
        self._note("store", key, entry.value, tag, ttl)
        self._rows[key] = (entry, entry.created_at + ttl, tag)

    def delete(self, key: str) -> bool:
        """Forget the entry."""
        self._note("delete", key)
        return self._rows.pop(key, None) is not None

    def clear(self, tag: str | None = None) -> int:
        """Forget all entries, or those with a tag."""
        self._note("clear", tag=tag)
        found = self._found(tag)
        for key in found:
            self._rows.pop(key, None)
        return len(found)

    def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh."""
        self._note("count", tag=tag)
        return len(self._found(tag, function))

    def _note(
        self, name: str, key: str = "", value: Any = NO_VALUE, tag: str | None = "", ttl: float = 0
    ) -> None:
        self._operations.append(Operation(name, self._package, key, value, tag or "", ttl))

    def _found(self, tag: str | None, function: str | None = None) -> list[str]:
        now = time.time()
        return [
            key
            for key, (_, deadline, its_tag) in list(self._rows.items())
            if now < deadline
            and tag in (None, its_tag)
            and function in (None, key.rpartition(":")[0])
        ]


class AsyncRecordingBackend(AsyncBackend):
    """The same entries for asynchronous code."""

    capabilities: Capability = RecordingBackend.capabilities

    def __init__(self, plain: RecordingBackend) -> None:
        self._plain = plain

    async def load(self, key: str, tag: str | None = None) -> CacheEntry | NoValue:
        """Return the entry, and note what was found."""
        return self._plain.load(key, tag)

    async def store(self, key: str, entry: CacheEntry, ttl: float, tag: str = "") -> None:
        """Keep the entry, and note its value."""
        self._plain.store(key, entry, ttl, tag)

    async def delete(self, key: str) -> bool:
        """Forget the entry."""
        return self._plain.delete(key)

    async def clear(self, tag: str | None = None) -> int:
        """Forget all entries, or those with a tag."""
        return self._plain.clear(tag)

    async def count(self, tag: str | None = None, function: str | None = None) -> int:
        """Count what is fresh."""
        return self._plain.count(tag, function)
