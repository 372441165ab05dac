"""Signing in with an OpenID Connect provider: authorization code, PKCE, state and nonce.

Source: OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9700.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt

from kana.errors import Unauthenticated, Unavailable
from kana.model.text import shown
from kana.settings import Settings

if TYPE_CHECKING:
    import httpx

ANSWER_S = 5.0
"""How long the provider may take to answer one request."""

DOCUMENT_BYTES_MAX = 1024 * 1024
"""The largest document that is read from the provider: its description, its keys, or a token."""

LEEWAY = timedelta(minutes=1)
"""How far the provider's clock may differ from ours."""

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""The algorithms a token may be signed with: never a shared secret, never none."""

_REFUSED = "Your organisation's account could not be used to sign in. Try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a browser stores while the colleague is at the provider, so that it accepts no other answer."""

    state: str
    nonce: str
    verifier: str
    next: str


def new_ticket(wanted: str) -> Ticket:
    """Return a ticket for a visitor who wants to go on to a page."""
    return Ticket(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        next=wanted,
    )


class Provider:
    """The provider that the settings name. Its description is read at each sign-in, since those are rare."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._client_secret = settings.oidc_client_secret

    async def authorize_url(self, ticket: Ticket, *, back: str) -> str:
        """Return the address of the provider's sign-in page, which sends the browser on to ``back``."""
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
        where = self._endpoint(described, "authorization_endpoint")
        return f"{where}{'&' if '?' in where else '?'}{urlencode(query)}"

    async def email_of(self, code: str, ticket: Ticket, *, back: str, now: datetime) -> str:
        """Return the e-mail address that the provider vouches for, in exchange for a code.

        Raises:
            Unauthenticated: the code or the token is not valid, or the e-mail address is not verified.
            Unavailable: the provider does not answer.
        """
        async with _client() as client:
            described = await self._described(client)
            form = {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": back,
                "code_verifier": ticket.verifier,
                "client_id": self._client_id,
                "client_secret": self._client_secret,
            }
            try:
                answer = await _document(client, "POST", self._endpoint(described, "token_endpoint"), form)
            except _RefusedError:
                raise Unauthenticated(_REFUSED) from None
            keys = await _document(client, "GET", self._endpoint(described, "jwks_uri"))
        claims = self._claims(answer.get("id_token"), keys, nonce=ticket.nonce, now=now)
        if claims.get("email_verified") is not True or not isinstance(claims.get("email"), str):
            raise Unauthenticated("Your organisation has not verified your e-mail address.")
        return str(claims["email"])

    async def _described(self, client: httpx.AsyncClient) -> Mapping[str, Any]:
        described = await _document(client, "GET", f"{self._issuer}/.well-known/openid-configuration")
        issuer = described.get("issuer")
        if not isinstance(issuer, str) or issuer.rstrip("/") != self._issuer:
            raise Unavailable(f"the identity provider calls itself {shown(issuer)}, which is not KANA_OIDC_ISSUER")
        return described

    def _endpoint(self, described: Mapping[str, Any], name: str) -> str:
        """Return an address that the provider names; it must use https if the provider does, as secrets go there."""
        where = described.get(name)
        schemes = ("https://",) if self._issuer.startswith("https:") else ("https://", "http://")
        if isinstance(where, str) and where.startswith(schemes) and where.isascii() and where.isprintable():
            return where
        raise Unavailable(f"the identity provider has no usable {name}, got {shown(where)}")

    def _claims(self, token: object, keys: Mapping[str, Any], *, nonce: str, now: datetime) -> Mapping[str, Any]:
        """Return the claims of a token, which is checked in full.

        Source: OpenID Connect Core 1.0, section 3.1.3.7.
        """
        try:
            claims = self._decoded(token, keys)
            is_right = self._is_right(claims, nonce=nonce, now=now)
        except Exception as error:  # Libraries raise anything for odd input, and none of it signs anyone in.
            raise Unauthenticated(_REFUSED) from error
        if not is_right:
            raise Unauthenticated(_REFUSED)
        return claims

    def _decoded(self, token: object, keys: Mapping[str, Any]) -> Mapping[str, Any]:
        if not isinstance(token, str):
            raise TypeError("a token is text")
        header = jwt.get_unverified_header(token)
        key = next(key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys if key.key_id == header.get("kid"))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=self._client_id,
            # Times are checked below, by our own clock.
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"], "verify_exp": False,
                     "verify_iat": False, "verify_nbf": False},
        )  # fmt: skip
        return claims

    def _is_right(self, claims: Mapping[str, Any], *, nonce: str, now: datetime) -> bool:
        fresh = datetime.fromtimestamp(claims["exp"], now.tzinfo) > now - LEEWAY
        not_early = datetime.fromtimestamp(claims["iat"], now.tzinfo) < now + LEEWAY
        # A token for several clients has to say which of them asked for it.
        others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        for_us = claims.get("azp", None if others else self._client_id) == self._client_id
        ours = str(claims["iss"]).rstrip("/") == self._issuer and for_us
        return fresh and not_early and ours and secrets.compare_digest(str(claims["nonce"]).encode(), nonce.encode())


class _RefusedError(Exception):
    """The provider answered with a status of 400 to 499."""


async def _document(
    client: httpx.AsyncClient, method: str, where: str, form: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """Return the JSON object that the provider answers with, at most ``DOCUMENT_BYTES_MAX`` long.

    Raises:
        ValueError: the answer is too large, or is no object.
    """
    body = b""
    async with asyncio.timeout(ANSWER_S):
        # Not compressed: decompressed, an answer could be of any size.
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        async with client.stream(method, where, data=form, headers=headers) as answer:
            if 400 <= answer.status_code < 500:
                raise _RefusedError
            if answer.status_code != HTTPStatus.OK:
                raise ValueError(f"the provider answered {answer.status_code}")
            async for part in answer.aiter_raw():
                body += part
                if len(body) > DOCUMENT_BYTES_MAX:
                    raise ValueError("the provider's answer is too large")
    read = json.loads(body)
    if not isinstance(read, dict):
        raise ValueError("the provider's answer is no object")  # noqa: TRY004 - of JSON, not of ours
    return read


@asynccontextmanager
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    """Open a connection to the provider; any failure means that it is unavailable."""
    import httpx  # Imported at the first such sign-in, as importing it takes a tenth of a start.

    try:
        async with httpx.AsyncClient(timeout=ANSWER_S, follow_redirects=False) as client:
            yield client
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RecursionError, _RefusedError) as error:
        raise Unavailable("your organisation's sign-in does not respond; try again later") from error
