"""API keys, the settings of an environment, and the secrets that user tokens are signed with."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import assert_never

from kana.model.environment import Environment
from kana.model.value import value_object
from kana.model.word import Word
from kana.model.zone import ZONE_DEFAULT, zone_named

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 26
_CHECKSUM_LENGTH = 6


class KeyKind(Word):
    """Which API a key is for: ``private`` the Admin API, ``public`` the Client API."""

    PRIVATE = "private"
    PUBLIC = "public"

    @property
    def prefix(self) -> str:
        """The first three letters of such a key."""
        match self:
            case KeyKind.PRIVATE:
                return "prv"
            case KeyKind.PUBLIC:
                return "pub"
            case _:
                assert_never(self)


@value_object(kw_only=True)
class ApiKey:
    """A key as it is stored: its hash, and enough for a person to recognise it. The key itself is shown once.

    ``used_at`` is when it was last used, None for never; other processes see it a minute later.
    """

    hash: bytes
    environment: Environment
    kind: KeyKind
    prefix: str
    last_four: str
    name: str
    created_at: datetime
    revoked_at: datetime | None = None
    used_at: datetime | None = None

    @property
    def masked(self) -> str:
        """The key as logs and lists show it."""
        return f"{self.prefix}…{self.last_four}"


@value_object(kw_only=True)
class SigningSecret:
    """A secret that user tokens of one environment are signed with; ``id`` is the token's ``kid``."""

    id: str
    environment: Environment
    secret: bytes
    created_at: datetime
    revoked_at: datetime | None = None


@value_object(kw_only=True)
class EnvironmentSettings:
    """The settings of one environment. ``app_id`` is in its user tokens.

    ``time_zone`` is the IANA name of the zone that calendars follow where neither the call nor the user has one.

    Raises:
        InvalidValue: there is no such zone.
    """

    environment: Environment
    app_id: str
    requires_secure_mode: bool = False
    time_zone: str = ZONE_DEFAULT

    def __post_init__(self) -> None:
        zone_named(self.time_zone)


@value_object(kw_only=True)
class Keyring:
    """All keys, settings and signing secrets of the workspace: little data, which is read together."""

    workspace: str
    environments: Mapping[Environment, EnvironmentSettings]
    keys: Mapping[bytes, ApiKey]
    signing_secrets: tuple[SigningSecret, ...]

    def signing_secret(self, environment: Environment) -> SigningSecret:
        """Return the newest secret of this environment that is not revoked: new tokens are signed with it."""
        live = [s for s in self.signing_secrets if s.environment is environment and s.revoked_at is None]
        return max(live, key=lambda secret: (secret.created_at, secret.id))


def hash_key(key: str) -> bytes:
    """Return the hash of a key, which is what is stored. SHA-256 is enough: a key has 154 random bits."""
    return sha256(key.encode()).digest()


def generate_key(environment: Environment, kind: KeyKind) -> str:
    """Return a new key: a prefix such as ``prv_test_``, then 32 letters and digits, of which six are a checksum."""
    head = f"{kind.prefix}_{environment}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return head + _checksum(head)


def describe_key(key: str, *, environment: Environment, kind: KeyKind, name: str, now: datetime) -> ApiKey:
    """Return what is stored of a new key."""
    return ApiKey(
        hash=hash_key(key),
        environment=environment,
        kind=kind,
        prefix=key[: len(f"{kind.prefix}_{environment}_") + 4],
        last_four=key[-4:],
        name=name,
        created_at=now,
    )


def generate_signing_secret(environment: Environment, *, now: datetime) -> SigningSecret:
    """Return a new secret of 32 random bytes with a random id."""
    return SigningSecret(
        id=secrets.token_hex(8), environment=environment, secret=secrets.token_bytes(32), created_at=now
    )


def generate_app_id(environment: Environment) -> str:
    """Return a new app id, in the form that Kana's tokens have: ``test_`` or ``live_`` and eight letters."""
    return f"{environment}_" + "".join(secrets.choice(_ALPHABET[36:]) for _ in range(8))


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, remainder = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[remainder] + digits
    return digits
