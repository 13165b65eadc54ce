"""The envelope around stored bytes: what they are, how old, whether they are whole, and whose.

    magic 2 | version 1 | flags 1 | n 1 | serializer n | check 4 or 16 | created 8 | deadline 8 |

and then the value's bytes. Flags are 1 for a signed entry, else 0. Numbers are big-endian; both
times are IEEE doubles, Unix timestamps. The check is a CRC-32, or with a secret key a BLAKE2b of 16
bytes keyed with it, of

    n 4 | namespace n | magic ... serializer | n 8 | key n | created ...

without the length of the key for a CRC-32. So an entry that was moved under another key or into
another region does not pass, though neither is in the bytes. It is verified before anything is
decoded.
"""

from __future__ import annotations

import struct
import time
from hashlib import blake2b
from hmac import compare_digest
from math import inf
from zlib import crc32

from cachu.entries import NO_VALUE, CacheEntry, NoValue
from cachu.errors import SerializationError
from cachu.serializers.held import Held, Near, WatchedEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from cachu.serializers import Pieces, Serializer
    from cachu.serializers.held import Verified

_MAGIC: Final = b"\xc5\xcc"
_VERSION: Final = 1
_KIND: Final = _MAGIC + bytes((_VERSION,))
_SIGNED: Final = 1
_CHECKED: Final = struct.Struct(">Idd")
_SIGNATURE: Final = struct.Struct(">16sdd")
_TIMES: Final = struct.Struct(">dd")
# Clocks of the hosts that share a store may differ by this many seconds.
_SKEW: Final = 5.0
# From this size on, in bytes, not copying is worth the making of a view.
_LARGE: Final = 4096
# Up to this size, in bytes, cached functions may keep what a store holds, decoded.
_KEPT: Final = 1 << 16


class OtherSerializerError(SerializationError):
    """An entry is whole, but for those who use another serializer."""


class Codec:
    """Packs the entries of one region into bytes and unpacks them.

    Args:
        serializer: Turns the value into bytes.
        name: What the serializer is called; entries of another are not decoded.
        namespace: The region.
        secret_key: Signs entries, and has those that it did not sign refused.
    """

    __slots__ = (
        *("_body", "_crc", "_dumps", "_head", "_key", "_loads", "_namespace"),
        *("_pieces", "_signer", "_size", "_unpack_head", "_views"),
    )

    def __init__(
        self, serializer: Serializer, name: str, namespace: str, secret_key: bytes | None = None
    ) -> None:
        self._dumps = serializer.dumps
        self._pieces = _pieces_of(serializer)
        self._loads = serializer.loads
        self._views: bool = bool(getattr(serializer, "takes_views", False))
        place = _bytes(namespace)
        self._namespace = len(place).to_bytes(4, "big") + place
        if secret_key is not None and len(secret_key) > blake2b.MAX_KEY_SIZE:
            secret_key = blake2b(secret_key).digest()
        self._key = secret_key
        self._head = _head(_bytes(name)[:255], signed=secret_key is not None)
        self._crc = crc32(self._head, crc32(self._namespace))
        self._signer: Any = None if secret_key is None else self._signer_of(self._head)
        layout = _CHECKED if secret_key is None else _SIGNATURE
        self._unpack_head = layout.unpack_from
        self._size = len(self._head) + layout.size
        # The times are checked along with the payload that follows them.
        self._body = self._size - _TIMES.size

    def pack(self, key: str, entry: CacheEntry, ttl: float) -> bytes:
        """Return *entry*, which expires *ttl* seconds after it was made, as bytes.

        Raises:
            SerializationError: If its value cannot be turned into bytes.
        """
        try:
            value, pieces = entry.value, self._pieces
            # A tuple of them: they may be yielded, and are gone through twice.
            payload = (self._dumps(value),) if pieces is None else (*pieces(value),)
            made = entry.created_at
            times = _TIMES.pack(made, made + ttl)
            try:
                name = key.encode()
            except UnicodeEncodeError:
                name = _bytes(key)
            if self._signer is None:
                number = crc32(times, crc32(name, self._crc))
                for piece in payload:
                    number = crc32(piece, number)
                check = number.to_bytes(4, "big")
            else:
                check = _sign(self._signer, name, times, *payload)
            return b"".join((self._head, check, times, *payload))
        except Exception as error:
            kind = type(entry.value).__name__
            raise SerializationError(f"a {kind} cannot be stored: {error}") from error

    def unpack(self, key: str, data: bytes) -> CacheEntry | NoValue:
        """Return the entry in *data*, or `NO_VALUE` if it is stale.

        Raises:
            SerializationError: If it is damaged, foreign, of another version, serializer, key or
                region, not signed with our secret key, or of a class that is not there any more.
        """
        near = None
        if type(data) is Held and (data.reader is self or data.is_for(self)):
            near, verified = data.near, data.verified
            if verified is None:
                verified = data.verified = self._verified(key, data)
        else:
            verified = self._verified(key, data)
        made, deadline = verified
        now = time.time()
        if now >= deadline or made > now + _SKEW:
            return NO_VALUE
        if near is not None and len(data) <= _KEPT:
            return self._watched(data, near, verified)
        return CacheEntry(self._value(data), made)

    def _watched(self, data: bytes, near: Near, verified: Verified) -> CacheEntry:
        """Return the entry in *data* as one that cached functions may keep."""
        if near.end == -inf:
            self._teach(near, data, verified)
        try:
            value, again = near.made
            if again is not None:
                value = again()
        except KeyError:
            value = self._value(data)  # it has ended meanwhile; or this says what is wrong
        return WatchedEntry(value, verified[0], near)

    def _teach(self, near: Near, data: bytes, verified: Verified) -> None:
        """Have *near* make the value in *data*, as long as it is fresh."""
        from cachu.serializers.fresh import maker

        value = self._value(data)
        again: Callable[[], Any] | None
        try:
            again = maker(value)
        except ValueError:
            again = _decoder(self._loads, data[self._size :])
        made, deadline = verified
        near.learn((value if again is None else None, again), made - _SKEW, deadline)

    def _value(self, data: bytes) -> Any:
        large: Any = memoryview(data) if self._views and len(data) >= _LARGE else data
        try:
            return self._loads(large[self._size :])
        except Exception as error:
            message = f"its value cannot be read back: {type(error).__name__}: {error}"
            raise SerializationError(message) from error

    def _verified(self, key: str, data: bytes) -> Verified:
        """Return the times of the entry in *data*, once all of it is verified."""
        if not data.startswith(self._head):
            raise self._refusal(key, data)
        try:
            check, made, deadline = self._unpack_head(data, len(self._head))
        except struct.error:
            raise SerializationError("it is too short to be an entry") from None
        large: Any = data if len(data) < _LARGE else memoryview(data)
        body = large[self._body :]
        try:
            name = key.encode()
        except UnicodeEncodeError:
            name = _bytes(key)
        if self._signer is None:
            whole = crc32(body, crc32(name, self._crc)) == check
        else:
            whole = compare_digest(_sign(self._signer, name, body), check)
        if not whole:
            raise SerializationError("its checksum or signature does not match")
        return made, deadline

    def _refusal(self, key: str, data: bytes) -> SerializationError:
        """Return why *data*, which does not begin as our entries do, is not used."""
        if len(data) < len(_KIND) + 2:
            return SerializationError("it is too short to be an entry")
        if not data.startswith(_KIND):
            return SerializationError("it is not an entry of this version of cachu")
        signed = data[3] == _SIGNED
        if signed != (self._key is not None):
            return SerializationError("it is signed" if signed else "it is not signed")
        end = 5 + data[4]
        head, size = data[:end], 16 if signed else 4
        check, body = data[end : end + size], data[end + size :]
        if signed:
            expected = _sign(self._signer_of(head), _bytes(key), body)
        else:
            start = crc32(head, crc32(self._namespace))
            expected = crc32(body, crc32(_bytes(key), start)).to_bytes(4, "big")
        if not compare_digest(check, expected):
            return SerializationError("its checksum or signature does not match")
        return OtherSerializerError("it was written by another serializer")

    def _signer_of(self, head: bytes) -> Any:
        signer = blake2b(self._namespace, digest_size=16, key=self._key or b"")
        signer.update(head)
        return signer


def _pieces_of(serializer: Serializer) -> Callable[[Any], Pieces] | None:
    """Return the method `pieces` that belongs to a serializer's `dumps`, if there is one.

    One that was inherited, or belongs to another serializer behind this one, knows nothing of what
    this one's own `dumps` does.
    """
    if "dumps" in getattr(serializer, "__dict__", ()):
        return None
    for kind in type(serializer).__mro__:
        if "dumps" in vars(kind):
            pieces: Callable[[Any], Pieces] | None = getattr(serializer, "pieces", None)
            return pieces if "pieces" in vars(kind) else None
    return None


def _decoder(loads: Callable[[bytes], Any], payload: bytes) -> Callable[[], Any]:
    """Return what decodes a value for each caller, and raises `KeyError` if that fails."""

    def again() -> Any:
        try:
            return loads(payload)
        except Exception as error:
            raise KeyError(*error.args) from error

    return again


def _head(name: bytes, *, signed: bool) -> bytes:
    return _KIND + bytes((_SIGNED if signed else 0, len(name))) + name


def _sign(signer: Any, key: bytes, *parts: bytes | memoryview) -> bytes:
    """Return the signature of *parts* under *key*."""
    signer = signer.copy()
    signer.update(len(key).to_bytes(8, "big") + key)
    for part in parts:
        signer.update(part)
    signature: bytes = signer.digest()
    return signature


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
