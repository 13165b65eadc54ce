"""The envelope around stored bytes: what they are, how old, and whether they are whole.

    magic 2 | version 1 | flags 1 | created_at 8 | deadline 8 | n 1 | serializer n | check | payload

The check is a CRC-32 of everything else, or with a secret key its keyed BLAKE2b. It is verified
before anything is decoded. Numbers are big-endian.
"""

from __future__ import annotations

import time
from struct import Struct

from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from cachu.serializers import Serializer

_HEAD: Final = Struct(">2sBBddB")
_MAGIC: Final = b"\xc5\xcc"
_VERSION: Final = 1
_SIGNED: Final = 1
# Clocks of the hosts that share a store may differ by this many seconds.
_SKEW: Final = 5.0


class OtherSerializerError(SerializationError):
    """An entry is whole, but for those who use another serializer."""


class Codec:
    """Packs entries into bytes and unpacks them.

    Args:
        serializer: Turns the value into bytes.
        name: What the serializer is called; entries of another are not decoded.
        secret_key: Signs entries, and has those that it did not sign refused.
    """

    __slots__ = ("_id", "_secret_key", "_serializer")

    def __init__(self, serializer: Serializer, name: str, secret_key: bytes | None = None) -> None:
        self._serializer = serializer
        self._id = name.encode()[:255]
        self._secret_key = secret_key

    def pack(self, entry: CacheEntry, ttl: float) -> bytes:
        """Return *entry*, which expires *ttl* seconds after it was made, as bytes.

        Raises:
            SerializationError: If its value cannot be turned into bytes.
        """
        try:
            payload = self._serializer.dumps(entry.value)
        except Exception as error:
            kind = type(entry.value).__name__
            raise SerializationError(f"a {kind} cannot be stored: {error}") from error
        flags = 0 if self._secret_key is None else _SIGNED
        made = entry.created_at
        head = _HEAD.pack(_MAGIC, _VERSION, flags, made, made + ttl, len(self._id)) + self._id
        return b"".join((head, self._check(head, payload), payload))

    def unpack(self, data: bytes) -> CacheEntry | NoValue:
        """Return the entry in *data*, or `NO_VALUE` if it is stale.

        Raises:
            SerializationError: If it is damaged, foreign, of another version or serializer, not
                signed with our key, or of a class that is not there any more.
        """
        try:
            magic, version, flags, made, deadline, length = _HEAD.unpack_from(data)
        except Exception as error:
            raise SerializationError("it is too short to be an entry") from error
        if magic != _MAGIC or version != _VERSION:
            raise SerializationError("it is not an entry of this version of cachu")
        signed = flags == _SIGNED
        if signed != (self._secret_key is not None):
            raise SerializationError("it is signed" if signed else "it is not signed")
        body = _HEAD.size + length
        start = body + (16 if signed else 4)
        head, payload = data[:body], data[start:]
        if not _equal(data[body:start], self._check(head, payload)):
            raise SerializationError("its checksum or signature does not match")
        if head[_HEAD.size :] != self._id:
            raise OtherSerializerError("it was written by another serializer")
        now = time.time()
        if now >= deadline or made > now + _SKEW:
            return NO_VALUE
        try:
            return CacheEntry(self._serializer.loads(payload), made)
        except Exception as error:
            message = f"its value cannot be read back: {type(error).__name__}: {error}"
            raise SerializationError(message) from error

    def _check(self, head: bytes, payload: bytes) -> bytes:
        if self._secret_key is None:
            from zlib import crc32

            return crc32(payload, crc32(head)).to_bytes(4, "big")
        from hashlib import blake2b

        key = self._secret_key
        if len(key) > blake2b.MAX_KEY_SIZE:
            key = blake2b(key).digest()
        signature = blake2b(head, digest_size=16, key=key)
        signature.update(payload)
        return signature.digest()


def _equal(one: bytes, other: bytes) -> bool:
    from hmac import compare_digest

    return compare_digest(one, other)
