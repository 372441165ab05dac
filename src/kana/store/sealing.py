"""Sealing of secrets in the database, so that a copy of it is useless without the key.

A sealed secret contains its format, the name of the key and the nonce, then the secret itself, encrypted with AES-256
in Galois/Counter Mode. What it belongs to (its table, its environment, its id) is authenticated with it, so that the
secret of one row does not open in another row.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from kana.errors import DatabaseRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_LENGTH = 32
"""Bytes of a key."""

_FORM = b"kana\x01"
_NAME_LENGTH, _NONCE_LENGTH, _TAG_LENGTH = 4, 12, 16
_HEAD_LENGTH = len(_FORM) + _NAME_LENGTH + _NONCE_LENGTH


class Seal:
    """Seals with the first of its keys and opens with any; without a key secrets are stored unsealed.

    A secret that is not sealed always opens: it was written before there was a key.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {_name(key): key for key in reversed(keys)}
        self._first = keys[0] if keys else None

    def close(self, secret: bytes, *, about: str) -> bytes:
        """Return what to store for a secret: sealed if there is a key, otherwise the secret itself."""
        if self._first is None:
            return secret
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        return _FORM + _name(self._first) + nonce + _cipher(self._first).encrypt(nonce, secret, about.encode())

    def open(self, kept: bytes, *, about: str) -> bytes:
        """Return the secret of a stored value.

        Raises:
            DatabaseRefused: none of the keys opens it, or it was changed or moved to another row.
        """
        if not is_sealed(kept):
            return kept
        name = kept[len(_FORM) :][:_NAME_LENGTH]
        key = self._keys.get(name)
        if key is None:
            has = "is not set" if self._first is None else f"has {_listed(self._keys)}"
            raise DatabaseRefused(
                f"the {about} is sealed with the key {name.hex()}, and KANA_SECRET_KEY {has}; set the key that sealed"
                " it or, if it is lost, create new secrets with `kana keys seal --forget`"
            )
        return _opened(key, kept, about)

    def opens(self, kept: bytes, *, about: str) -> bool:
        """Whether ``open`` returns the secret of a stored value."""
        try:
            self.open(kept, about=about)
        except DatabaseRefused:
            return False
        return True

    def is_newest(self, kept: bytes) -> bool:
        """Whether the stored value is in the form that ``close`` would give it now."""
        if self._first is None:
            return not is_sealed(kept)
        return is_sealed(kept) and kept[len(_FORM) :].startswith(_name(self._first))


UNSEALED = Seal()
"""Seals nothing, and opens nothing that is sealed."""


def is_sealed(kept: bytes) -> bool:
    """Whether this is a sealed secret; a plain one of 32 bytes is too short to be mistaken for it."""
    return kept.startswith(_FORM) and len(kept) > _HEAD_LENGTH + _TAG_LENGTH


def _opened(key: bytes, kept: bytes, about: str) -> bytes:
    from cryptography.exceptions import InvalidTag

    nonce = kept[_HEAD_LENGTH - _NONCE_LENGTH : _HEAD_LENGTH]
    try:
        return _cipher(key).decrypt(nonce, kept[_HEAD_LENGTH:], about.encode())
    except InvalidTag:
        raise DatabaseRefused(
            f"the {about} was changed in the database or moved to another row: it does not open"
        ) from None


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _name(key: bytes) -> bytes:
    """Return a name that identifies a key and reveals nothing about it."""
    return sha256(b"kana key name" + key).digest()[:_NAME_LENGTH]


def _listed(names: Iterable[bytes]) -> str:
    return " and ".join(name.hex() for name in names)
