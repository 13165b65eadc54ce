"""The backends of dogpile.cache that this process has made: one for each set of arguments.

dogpile has no way to close a backend, to pass a time to live with an entry, or to live through a
fork. What its own backends need for that is known here, and of others nothing is assumed.
"""

from __future__ import annotations

import os
from _thread import RLock
from math import ceil, isinf
from weakref import WeakValueDictionary

from dogpile.cache import backends
from dogpile.cache.api import NO_VALUE, BytesBackend, CacheBackend

from cachu.backends import Capability
from cachu.errors import ConfigurationError
from cachu.living import living

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

_lock = RLock()
_engines: Final[list[Engine]] = []
_IN_PROCESS: Final = ("dogpile.cache.memory", "dogpile.cache.memory_pickle", "dogpile.cache.null")
# memcached takes longer times for dates.
_LONGEST: Final = 30 * 86_400
# How much later than cachu an engine lets go of an entry, in seconds: memcached counts whole ones,
# and what expires exactly is an envelope's business.
_LATER: Final = 60


class Engine:
    """One backend of dogpile.cache.

    Attributes:
        name: What it is registered as.
        arguments: What it was made with.
        backend: The backend itself.
        capabilities: What it can do that matters to cachu.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        self.name = name
        self.arguments = arguments
        self._clients: WeakValueDictionary[int, _Held] = WeakValueDictionary()
        self.backend: Any = None
        loader: Any = backends._backend_loader  # noqa: SLF001  as region.configure() does
        try:
            self.backend = loader.load(name)(self._made_of(arguments))
        except KeyError as error:
            raise ConfigurationError(
                f"{name} needs dogpile_arguments={{{error.args[0]!r}: ...}}"
            ) from error
        self._per_thread: bool = hasattr(type(self.backend), "_clients")
        if self._per_thread:
            create: Any = self.backend._create_client  # noqa: SLF001
            self.backend._create_client = lambda: self._hold(create())  # noqa: SLF001
        self.capabilities: Capability = self._capabilities()

    def load(self, key: str) -> bytes | None:
        """Return what is under *key*; what is no bytes, and so not ours, as empty ones."""
        return _as_bytes(self.backend.get_serialized(key))

    def load_many(self, keys: list[str]) -> list[bytes | None]:
        """Return what is under each of *keys*."""
        return [_as_bytes(each) for each in self.backend.get_serialized_multi(keys)]

    def store(self, key: str, data: bytes, ttl: float) -> None:
        """Keep *data* for *ttl* seconds, where the backend has a way to say so."""
        client = getattr(self.backend, "writer_client", None)
        if self._per_thread:
            life = 0 if ttl + _LATER > _LONGEST else ceil(ttl) + _LATER
            name = "expire" if self.name == "dogpile.cache.pymemcache" else "time"
            arguments = {**self.backend.set_arguments, name: life}
            if self.backend.client.set(key, data, **arguments) in (False, 0):
                raise OSError(f"{self.name} did not store {len(data)} bytes")
        elif client is not None and not isinf(ttl):
            client.set(key, data, px=ceil((ttl + _LATER) * 1000))
        else:
            self.backend.set_serialized(key, data)

    def delete(self, key: str) -> None:
        """Forget what is under *key*."""
        self.backend.delete(key)

    def close(self) -> None:
        """Close all connections; the backend opens new ones if it is used again."""
        for held in living(self._clients):
            held.close()
        for name in ("reader_client", "writer_client"):
            client = getattr(self.backend, name, None)
            if client is not None:
                client.close()

    def after_fork(self) -> None:
        """Leave the connections of the threads of the parent process to them."""
        if self._per_thread:
            self._clients = WeakValueDictionary()
            vars(self.backend).pop("_clients", None)

    def _made_of(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(arguments)
        if self.name == "dogpile.cache.pymemcache":
            made.setdefault(
                "serde", None
            )  # bytes in, bytes out: it must not unpickle what it finds
        if made.get("distributed_lock"):
            made.setdefault("thread_local_lock", False)  # tasks release it in another thread
            made.setdefault("lock_prefix", "cachu:l:")
        return made

    def _hold(self, client: Any) -> _Held:
        held = _Held(client)
        self._clients[id(held)] = held
        return held

    def _capabilities(self) -> Capability:
        found = Capability.NONE
        if self.name not in _IN_PROCESS:
            found |= Capability.SHARED | Capability.PERSISTENT
        own, bases = type(self.backend), (CacheBackend, BytesBackend)
        many = ("get_serialized_multi", "get_multi")
        absent = {getattr(base, name) for base in bases for name in many}
        if any(getattr(own, name) not in absent for name in many):
            found |= Capability.BATCH
        if self._per_thread or hasattr(self.backend, "writer_client"):
            found |= Capability.EXPIRY
        return found


class _Held:
    """A client of one thread, closed when the thread ends; dogpile just lets go of it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        close = getattr(self._client, "disconnect_all", None) or getattr(
            self._client, "close", None
        )
        if close is not None:
            close()

    def __del__(self) -> None:
        if "_client" in vars(self):
            self.close()


def engine(name: str, arguments: Mapping[str, Any]) -> Engine:
    """Return the backend of that name and with those arguments, made if need be."""
    with _lock:
        for each in _engines:
            if each.name == name and each.arguments == arguments:
                return each
        made = Engine(name, arguments)
        _engines.append(made)
        return made


def close(closed: Engine) -> None:
    """Close a backend, and have a new one made when it is asked for again."""
    with _lock:
        if closed in _engines:
            _engines.remove(closed)
    closed.close()


def _as_bytes(found: object) -> bytes | None:
    if found is NO_VALUE or found is None:
        return None
    return found if isinstance(found, bytes) else b""


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  a forked child must not wait for a thread that it does not have
    _lock = RLock()
    for each in _engines:
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
