"""The caller of a request: a user with a token, or in simple mode anyone with a public key and a user's id."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from graphql import GraphQLResolveInfo
from starlette.types import Scope

from kana.api import tokens
from kana.api.access import Door, credential_in
from kana.api.http import headers_of
from kana.engine.engine import Engine
from kana.errors import Unauthenticated
from kana.model.environment import Environment
from kana.model.key import KeyKind
from kana.model.text import identifier
from kana.model.user import User


@dataclass(frozen=True, slots=True)
class ClientContext:
    """One request about one user. If ``secure``, a token proves that the caller is this user, the ``owner``."""

    engine: Engine
    environment: Environment
    user_id: str
    name: str | None
    email: str | None
    secure: bool
    owner: User | None = None


Info: TypeAlias = GraphQLResolveInfo[ClientContext]


def context_factory(engine: Engine, door: Door) -> Callable[[Scope], Awaitable[ClientContext]]:
    """Return the function that creates the context of a request.

    With a token, the token alone decides and X-User-ID is ignored.

    Raises (when called):
        Unauthenticated: there is no valid credential, or a public key although tokens are required.
        RateLimited: the same, too often.
    """

    async def make(scope: Scope) -> ClientContext:
        headers = headers_of(scope)
        credential = credential_in(headers)
        try:
            if is_token(credential):
                return await _by_token(engine, credential)
            return await _by_key(engine, credential, headers.get(b"x-user-id", b""))
        except Unauthenticated as error:
            raise door.refusal(scope, error) from None

    return make


class Reader(NamedTuple):
    """Who reads what users may do: of one environment, and with an ``owner`` only what that user may do."""

    environment: Environment
    owner: User | None = None


async def reader_of(scope: Scope, engine: Engine, door: Door, *, simple: bool = False) -> Reader:
    """Return whom a private key, a user token, or with ``simple`` a public key lets read, from the headers alone.

    Raises:
        Unauthenticated: there is no valid credential, or a public key although tokens are required.
        RateLimited: the same, too often.
    """
    credential = credential_in(headers_of(scope))
    try:
        if is_token(credential):
            owner = await user_of(engine, credential)
            return Reader(owner.environment, owner)
        if simple and credential.startswith(f"{KeyKind.PUBLIC.prefix}_"):
            return Reader(await environment_of(engine, credential))
        return Reader((await engine.access.authenticate(credential, KeyKind.PRIVATE)).environment)
    except Unauthenticated as error:
        raise door.refusal(scope, error) from None


def is_token(credential: str) -> bool:
    """Whether a credential looks like a user token, and not like a key."""
    return credential.count(".") == 2


async def user_of(engine: Engine, token: str) -> User:
    """Return the user whom a token proves the caller to be.

    Raises:
        Unauthenticated: it is not one of ours, not valid now, or revoked; the message is always the same.
    """
    claims = tokens.verify(token, await engine.access.keyring(), now=engine.clock())
    user = await engine.holdings.user(claims.environment, claims.bucket, claims.user_key)
    if user is None or user.token_version != claims.version:
        raise Unauthenticated
    return user


async def _by_token(engine: Engine, token: str) -> ClientContext:
    user = await user_of(engine, token)
    return ClientContext(engine, user.environment, user.id, user.name, user.email, secure=True, owner=user)


async def environment_of(engine: Engine, public_key: str) -> Environment:
    """Return the environment of a public key, which opens it in simple mode alone.

    Raises:
        Unauthenticated: it is not valid, or the environment requires tokens.
    """
    caller = await engine.access.authenticate(public_key, KeyKind.PUBLIC)
    settings = (await engine.access.keyring()).environments[caller.environment]
    if settings.requires_secure_mode:
        raise Unauthenticated("Unauthenticated: this environment requires secure mode, a user token instead of a key.")
    return caller.environment


async def _by_key(engine: Engine, key: str, user_id: bytes) -> ClientContext:
    environment = await environment_of(engine, key)
    return ClientContext(engine, environment, _user_id(user_id), None, None, secure=False)


def _user_id(header: bytes) -> str:
    """Return the id of the X-User-ID header.

    Raises:
        InvalidValue: it is missing or is not a valid id.
    """
    return identifier(id_in(header), field="X-User-ID")


def id_in(header: bytes) -> str:
    """Return the text of a header, which some clients percent-encode and others send as it is.

    An encoder's output is ASCII in which each ``%`` begins the escape of a byte that needs one. So ``zo%C3%AB``
    is ``zoë``, but ``100%`` and ``a%41`` stay as they are, because nothing in them needed an escape. Every encoded
    text is decoded correctly. A header that is not encoded is UTF-8, or else Latin-1, which browsers send.
    """
    if b"%" in header and _ENCODED(header):
        with suppress(UnicodeDecodeError):
            return unquote_to_bytes(header).decode("utf-8")
    try:
        return header.decode("utf-8")
    except UnicodeDecodeError:
        return header.decode("latin-1")


# No escapes of letters, digits or - . _ ~, which no encoder escapes.
_ENCODED = re.compile(
    rb"(?:[!-$&-~]|%(?!2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])[0-9A-F]{2})+", re.IGNORECASE
).fullmatch
