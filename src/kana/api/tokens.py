"""User tokens: the credential of one user's browser for the Client API in secure mode.

A token is a JWT signed with HS256 and nothing else. Its ``kid`` names one of our own secrets, which
alone decides the environment; everything else in the header is ignored. ``userId`` is the id that the
user had; ``sub`` never changes, so that a token follows a renamed user and is never valid for a later
user with the old id. ``ver`` is the version of the user's tokens, which is compared with the current one.

Source: docs.usekana.com, "Secure mode"; ``kid``, ``sub`` and ``ver`` are ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from kana.errors import Unauthenticated
from kana.model.environment import Environment
from kana.model.key import Keyring, SigningSecret
from kana.model.period import to_milliseconds
from kana.model.text import NUMBER_MAX
from kana.model.user import User

AUDIENCE = "kana-client"
ISSUER = "usekana.com"

LIFETIME = timedelta(days=30)
"""How long a token is valid; one that claims to be valid for longer is refused."""

LEEWAY = timedelta(seconds=30)
"""How far the clocks of two machines may differ."""

BYTES_MAX = 4096
"""The longest token that is read."""

_ALGORITHM = "HS256"
# A bucket and a key of 64 bits, which every database can look up.
_PLACE = re.compile(r"([0-9]{1,4})\.([0-9]{1,19})")
_REQUIRED = ["exp", "iat", "aud", "iss", "appId", "userId", "sub"]
# Times are checked below, by our clock.
_OPTIONS = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """The content of a verified token: the environment and the user.

    ``bucket`` and ``user_key`` find the user whatever their id is now; ``user_id`` is the id they had.
    The token is valid only while ``version`` is their ``token_version``.
    """

    environment: Environment
    bucket: int
    user_key: int
    user_id: str
    version: int = 0


def issue(user: User, keyring: Keyring, *, now: datetime, lifetime: timedelta = LIFETIME) -> str:
    """Return a token for a user, signed with the newest secret of their environment, valid for ``lifetime``.

    ``lifetime`` is at most 30 days.
    """
    secret = keyring.signing_secret(user.environment)
    issued_at = _seconds(now)
    claims = {
        "appId": keyring.environments[user.environment].app_id,
        "userId": user.id,
        "sub": f"{user.bucket}.{user.key}",
        "ver": user.token_version,
        "iat": issued_at,
        "exp": issued_at + int(min(lifetime, LIFETIME).total_seconds()),
        "aud": AUDIENCE,
        "iss": ISSUER,
    }
    # Not written by PyJWT, which escapes non-ASCII characters: with the longest ids it would exceed 4 KB.
    payload = json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()
    return jwt.PyJWS().encode(payload, secret.secret, _ALGORITHM, {"kid": secret.id})


def verify(token: str, keyring: Keyring, *, now: datetime) -> TokenClaims:
    """Return the content of a token.

    Raises:
        Unauthenticated: it is not one of ours, not valid now, or too long; the message is always the same.
    """
    if len(token) > BYTES_MAX or not token.isascii():
        raise Unauthenticated
    try:
        secret = _secret(jwt.get_unverified_header(token).get("kid"), keyring)
        claims = jwt.decode(
            token,
            secret.secret,
            algorithms=[_ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            options=_OPTIONS,  # type: ignore[arg-type]
        )
        _check_times(claims, now=now)
        return _read(claims, secret.environment, keyring)
    except (jwt.InvalidTokenError, ValueError):
        raise Unauthenticated from None


def _secret(kid: object, keyring: Keyring) -> SigningSecret:
    for secret in keyring.signing_secrets:
        if secret.id == kid and secret.revoked_at is None:
            return secret
    raise Unauthenticated


def _check_times(claims: Mapping[str, Any], *, now: datetime) -> None:
    issued_at, expires_at, not_before = claims["iat"], claims["exp"], claims.get("nbf", 0)
    if any(type(moment) is not int for moment in (issued_at, expires_at, not_before)):
        raise Unauthenticated
    leeway, moment = int(LEEWAY.total_seconds()), _seconds(now)
    if not issued_at - leeway <= moment < expires_at + leeway or moment < not_before - leeway:
        raise Unauthenticated
    if expires_at - issued_at > int(LIFETIME.total_seconds()):
        raise Unauthenticated


def _read(claims: Mapping[str, Any], environment: Environment, keyring: Keyring) -> TokenClaims:
    if claims["appId"] != keyring.environments[environment].app_id or not isinstance(claims["userId"], str):
        raise Unauthenticated
    place = _PLACE.fullmatch(claims["sub"])
    version = claims.get("ver", 0)  # Tokens from before there were versions have none.
    if place is None or int(place[2]) > NUMBER_MAX or type(version) is not int:
        raise Unauthenticated
    return TokenClaims(environment, int(place[1]), int(place[2]), claims["userId"], version)


def _seconds(moment: datetime) -> int:
    return to_milliseconds(moment) // 1000
