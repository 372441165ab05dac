"""The Admin API: what Kana published for back ends, and what we added."""

from __future__ import annotations

from kana.api.admin.context import context_factory
from kana.api.admin.schema import build_schema
from kana.api.graphql import GraphQLEndpoint
from kana.api.graphql.endpoint import Observer
from kana.engine.engine import Engine

__all__ = ["build_schema", "endpoint"]


def endpoint(engine: Engine, *, observe: Observer | None = None) -> GraphQLEndpoint:
    """Return the Admin API over an engine, as an ASGI application for one address."""
    return GraphQLEndpoint(build_schema(), context_factory(engine), observe=observe)
