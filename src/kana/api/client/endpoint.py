"""The Client API at one address, for pages of any origin."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kana.api.access import Door, network
from kana.api.client.context import ClientContext, context_factory
from kana.api.client.schema import build_published_schema, build_schema
from kana.api.graphql import GraphQLEndpoint, Limits
from kana.api.graphql.endpoint import Observer
from kana.api.http import headers_of
from kana.api.pace import Pace
from kana.engine.engine import Engine
from kana.engine.ports.clock import Clock
from kana.errors import RateLimited

LIMITS = Limits(
    body_bytes=16_384, depth=8, tokens=240, operations=5, fields=250, overlaps=60, aliases=10, root_fields=5
)
"""The bounds of a request: enough for the whole schema once, or for introspection."""

DOCUMENTS_AT_ONCE = 30
"""How many new documents one address may send before it is slowed down to one in two seconds."""

ALL_DOCUMENTS_AT_ONCE = 300
"""The same for all addresses of one environment together, which are then slowed down to five a second."""

_ORIGIN = (b"access-control-allow-origin", b"*")
_HEADERS = b"content-type, authorization, x-api-version, x-user-id"
_HEADERS_BYTES_MAX = 4096
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~\-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~\-]+)*").fullmatch
_PREFLIGHT = (
    _ORIGIN,
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-max-age", b"86400"),
    (b"vary", b"access-control-request-headers"),
)
_READABLE = (b"access-control-expose-headers", b"retry-after, x-request-id")


class Newcomers:
    """Limits new documents, of one address and of all together.

    A page sends the same document again and again, so only callers who make up documents ever have to wait.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._of_address = Pace(at_once=DOCUMENTS_AT_ONCE, per_second=0.5, clock=clock)
        self._of_environment = Pace(at_once=ALL_DOCUMENTS_AT_ONCE, per_second=5, clock=clock)

    def admit(self, scope: Scope, context: ClientContext) -> None:
        """Count a document.

        Raises:
            RateLimited: it is one too many at the moment.
        """
        wait_s = self._of_address.wait_s(network(scope)) or self._of_environment.wait_s(context.environment)
        if wait_s:
            raise RateLimited(
                f"too many new documents: send one that was sent before, or wait {wait_s} s",
                retry_after_s=wait_s,
            )


def _allowed(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the headers that a page may send: all that it asks for, because tracing in browsers adds its own.

    Unknown headers are not read, so they do no harm.
    """
    asked = headers.get(b"access-control-request-headers", b"").strip()
    return asked if len(asked) <= _HEADERS_BYTES_MAX and _NAMES(asked) else _HEADERS


def endpoint(engine: Engine, door: Door, *, observe: Observer | None = None) -> ASGIApp:
    """Return the Client API over an engine. It ignores cookies, so any origin may call it."""
    graphql = GraphQLEndpoint(
        build_schema(),
        context_factory(engine, door),
        limits=LIMITS,
        introspected=build_published_schema(),
        hide_suggestions=lambda _context: True,
        observe=observe,
        admit=Newcomers(clock=engine.clock).admit,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            headers = (*_PREFLIGHT, (b"access-control-allow-headers", _allowed(headers_of(scope))))
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_to_any_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _ORIGIN, _READABLE]
            await send(message)

        await graphql(scope, receive, send_to_any_origin)

    return app
