"""The Client API at one address, for pages of any origin."""

from __future__ import annotations

from starlette.types import ASGIApp, Scope

from kana.api.access import Door, network
from kana.api.client.context import ClientContext, context_factory
from kana.api.client.schema import build_published_schema, build_schema
from kana.api.cors import to_any_origin
from kana.api.graphql import GraphQLEndpoint, Limits
from kana.api.graphql.endpoint import Observer
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

    return to_any_origin(graphql, method=b"POST")
