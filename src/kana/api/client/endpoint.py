"""The Client API at one address, for pages of any origin."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kana.api.access import Door
from kana.api.client.context import context_factory
from kana.api.client.schema import build_published_schema, build_schema
from kana.api.graphql import GraphQLEndpoint, Limits
from kana.api.graphql.endpoint import Observer
from kana.engine.engine import Engine

LIMITS = Limits(depth=8, tokens=300)
"""What one request may ask for: the whole of the schema, once."""

_ORIGIN = (b"access-control-allow-origin", b"*")
_PREFLIGHT = (
    _ORIGIN,
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"content-type, authorization, x-api-version, x-user-id"),
    (b"access-control-max-age", b"86400"),
)


def endpoint(engine: Engine, door: Door, *, observe: Observer | None = None) -> ASGIApp:
    """Return the Client API over an engine. Cookies mean nothing here, so any origin may ask."""
    graphql = GraphQLEndpoint(
        build_schema(),
        context_factory(engine, door),
        limits=LIMITS,
        introspected=build_published_schema(),
        hide_suggestions=lambda _context: True,
        observe=observe,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_to_any_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _ORIGIN]
            await send(message)

        await graphql(scope, receive, send_to_any_origin)

    return app
