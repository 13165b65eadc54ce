"""Encrypts what cachu stores, by a wrapper around whatever makes the value serializer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cachu.hookspecs import hookimpl
from cachu.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from cryptography.fernet import MultiFernet

    from cachu.regions import Region
    from cachu.serializers import Serializer


class EncryptedSettings(Settings):
    """The option that switches encryption on.

    Attributes:
        encrypted_secret: Keys of Fernet, with commas between: the first one encrypts, all decrypt.
            None leaves values as they are.
    """

    encrypted_secret: str | None = None

    def check(self) -> None:
        """Refuse what is no key."""
        if self.encrypted_secret is not None:
            try:
                _fernet(self.encrypted_secret)
            except ValueError:
                message = (
                    "encrypted_secret must be a key of Fernet: Fernet.generate_key() makes one"
                )
                raise ValueError(message) from None


@hookimpl
def cachu_settings(name: str) -> type[Settings] | None:
    """Name the option."""
    return EncryptedSettings if name == "encrypted" else None


@hookimpl(wrapper=True)
def cachu_make_value_serializer(
    region: Region,
) -> Generator[None, Serializer | None, Serializer | None]:
    """Wrap the serializer that another plugin makes, where a secret is configured."""
    made = yield
    secret = region.config.settings("encrypted").encrypted_secret
    return made if made is None or secret is None else Encrypted(made, secret)


class Encrypted:
    """A serializer whose bytes are encrypted, and vouched for.

    Args:
        inner: What makes the bytes.
        secret: The keys.
    """

    def __init__(self, inner: Serializer, secret: str) -> None:
        self._inner = inner
        self._fernet = _fernet(secret)

    def dumps(self, value: Any, /) -> bytes:
        """Return *value* as encrypted bytes."""
        return self._fernet.encrypt(self._inner.dumps(value))

    def loads(self, data: bytes, /) -> Any:
        """Return the value; raise `InvalidToken`, which cachu makes a miss of, without its key."""
        return self._inner.loads(self._fernet.decrypt(data))


def _fernet(secret: str) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(each.strip()) for each in secret.split(",")])
