"""Addresses that pages of any origin may call, because they ignore cookies: the caller is who has the credential."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kana.api.http import headers_of

ORIGIN = (b"access-control-allow-origin", b"*")
_HEADERS = b"content-type, authorization, x-api-version, x-user-id"
_HEADERS_BYTES_MAX = 4096
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~\-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~\-]+)*").fullmatch


def to_any_origin(app: ASGIApp, *, method: bytes, readable: bytes = b"retry-after, x-request-id") -> ASGIApp:
    """Return an application that pages of any origin may call with ``method``.

    ``readable`` are the headers of an answer that they may read beside those that every page may.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            headers = (
                ORIGIN,
                (b"access-control-allow-methods", method),
                (b"access-control-max-age", b"86400"),
                (b"vary", b"access-control-request-headers"),
                (b"access-control-allow-headers", _allowed(headers_of(scope))),
            )
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_to_any_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                exposed = (b"access-control-expose-headers", readable)
                message["headers"] = [*message.get("headers", ()), ORIGIN, exposed]
            await send(message)

        await app(scope, receive, send_to_any_origin)

    return answer


def _allowed(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the headers that a page may send: all that it asks for, because tracing in browsers adds its own.

    Unknown headers are not read, so they do no harm.
    """
    asked = headers.get(b"access-control-request-headers", b"").strip()
    return asked if len(asked) <= _HEADERS_BYTES_MAX and _NAMES(asked) else _HEADERS
