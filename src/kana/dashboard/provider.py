"""Signing in with an OpenID Connect provider: authorization code, PKCE, state and nonce.

Source: OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9700.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt

from kana.errors import Unauthenticated, Unavailable
from kana.settings import Settings

if TYPE_CHECKING:
    import httpx

ANSWER_S = 5.0
"""How long the provider may take to answer one request."""

LEEWAY = timedelta(minutes=1)
"""How far the provider's clock may be from ours."""

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""What a token may be signed with: never a shared secret, never nothing."""

_REFUSED = "Your organisation's account could not be used to sign in. Try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a browser keeps while its person is at the provider, so that nobody else's answer counts there."""

    state: str
    nonce: str
    verifier: str
    next: str


def new_ticket(wanted: str) -> Ticket:
    """Return a ticket for somebody who wants to go on to a page."""
    return Ticket(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        next=wanted,
    )


class Provider:
    """The provider that the settings name. What it says of itself is asked anew each time: people sign in seldom."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._client_secret = settings.oidc_client_secret

    async def authorize_url(self, ticket: Ticket, *, back: str) -> str:
        """Return where to send a browser; the provider sends it on to ``back``."""
        async with _client() as client:
            described = await self._described(client)
        challenge = urlsafe_b64encode(sha256(ticket.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": back,
            "scope": "openid email",
            "state": ticket.state,
            "nonce": ticket.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        where = str(described["authorization_endpoint"])
        return f"{where}{'&' if '?' in where else '?'}{urlencode(query)}"

    async def email_of(self, code: str, ticket: Ticket, *, back: str, now: datetime) -> str:
        """Return the e-mail address that the provider vouches for, in exchange for a code.

        Raises:
            Unauthenticated: the code or the token is not what it should be, or the address is not verified.
            Unavailable: the provider does not answer.
        """
        async with _client() as client:
            described = await self._described(client)
            answer = await client.post(
                str(described["token_endpoint"]),
                data={
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": back,
                    "code_verifier": ticket.verifier,
                    "client_id": self._client_id,
                    "client_secret": self._client_secret,
                },
            )
            if answer.status_code != 200:
                raise Unauthenticated(_REFUSED)
            keys = (await client.get(str(described["jwks_uri"]))).raise_for_status().json()
        claims = self._claims(_token_of(answer), keys, nonce=ticket.nonce, now=now)
        if claims.get("email_verified") is not True or not isinstance(claims.get("email"), str):
            raise Unauthenticated("Your organisation does not vouch for your e-mail address.")
        return str(claims["email"])

    async def _described(self, client: httpx.AsyncClient) -> Mapping[str, Any]:
        answer = await client.get(f"{self._issuer}/.well-known/openid-configuration")
        described: Mapping[str, Any] = answer.raise_for_status().json()
        if str(described.get("issuer", "")).rstrip("/") != self._issuer:
            raise Unavailable(
                f"the provider of identity calls itself {described.get('issuer')!r}, not KANA_OIDC_ISSUER"
            )
        return described

    def _claims(self, token: str, keys: Mapping[str, Any], *, nonce: str, now: datetime) -> Mapping[str, Any]:
        """Return what a token claims once everything about it is right.

        Source: OpenID Connect Core 1.0, section 3.1.3.7.
        """
        try:
            header = jwt.get_unverified_header(token)
            key = next(key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys if key.key_id == header.get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._client_id,
                # Times are held to our own clock below.
                options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"], "verify_exp": False,
                         "verify_iat": False, "verify_nbf": False},
            )  # fmt: skip
            fresh = datetime.fromtimestamp(claims["exp"], now.tzinfo) > now - LEEWAY
            not_early = datetime.fromtimestamp(claims["iat"], now.tzinfo) < now + LEEWAY
        except (jwt.PyJWTError, StopIteration, TypeError, ValueError, OverflowError) as error:
            raise Unauthenticated(_REFUSED) from error
        ours = str(claims["iss"]).rstrip("/") == self._issuer and claims.get("azp", self._client_id) == self._client_id
        if not (fresh and not_early and ours and secrets.compare_digest(str(claims["nonce"]).encode(), nonce.encode())):
            raise Unauthenticated(_REFUSED)
        return claims


def _token_of(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["id_token"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unauthenticated(_REFUSED) from error


@asynccontextmanager
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    """Talk to the provider; whatever of it fails is that it does not answer as it should."""
    import httpx  # Read when somebody signs in this way: reading it takes a tenth of a start.

    try:
        async with httpx.AsyncClient(timeout=ANSWER_S, follow_redirects=False) as client:
            yield client
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Unavailable("your organisation's sign-in does not answer; try again") from error
