"""A store over a backend of dogpile.cache."""

from __future__ import annotations

from cachu.backends import Capability, dogpile_engines
from cachu.backends.stores import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Final

    from cachu.backends.dogpile_engines import Engine

# memcached takes 250 bytes, and some put a prefix of their own in front.
_LONGEST: Final = 200


class DogpileStore(Store):
    """Keeps the entries of one region in a backend of dogpile.cache.

    Args:
        name: What the backend is registered as.
        arguments: What it is made with.
        namespace: What the keys of the region begin with.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], namespace: str) -> None:
        self._engine: Engine = dogpile_engines.engine(name, arguments)
        self._namespace = namespace
        self.capabilities: Capability = self._engine.capabilities

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        return self._engine.load(fitting(self._namespace, key))

    def load_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        if Capability.BATCH not in self.capabilities:
            return super().load_many(keys)
        wanted = list(keys)
        found = self._engine.load_many([fitting(self._namespace, key) for key in wanted])
        return {key: data for key, data in zip(wanted, found) if data is not None}

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        self._engine.store(fitting(self._namespace, key), data, ttl)

    def delete(self, key: str) -> bool:
        """Forget the data; dogpile does not say if it was there, so it is looked for first."""
        there = self.load(key) is not None
        self._engine.delete(fitting(self._namespace, key))
        return there

    def close(self) -> None:
        dogpile_engines.close(self._engine)


def fitting(namespace: str, key: str) -> str:
    """Return a key that every engine takes: at most 200 printable ASCII characters, no space.

    Args:
        namespace: That of the region.
        key: Any text.

    Returns:
        Both as they are if they will do, else a digest of them; either way after `cachu:`.
    """
    full = f"{namespace}:{key}"
    if len(full) <= _LONGEST and full.isascii() and full.isprintable() and " " not in full:
        return f"cachu:{full}"
    from hashlib import blake2b

    data = f"{len(namespace)}:{full}".encode("utf-8", "surrogatepass")
    return f"cachu:#{blake2b(data, digest_size=20).hexdigest()}"
