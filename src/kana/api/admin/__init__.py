"""The Admin API: what Kana published for back ends, and our additions."""

from __future__ import annotations

from kana.api.access import Door
from kana.api.admin.context import context_factory
from kana.api.admin.schema import build_schema, read_definitions
from kana.api.bulk import BATCH_ITEMS_MAX
from kana.api.graphql import GraphQLEndpoint, Limits
from kana.api.graphql.endpoint import Observer
from kana.engine.engine import Engine
from kana.model.bulk_change import USERS_MAX
from kana.model.text import METADATA_BYTES_MAX

__all__ = ["LIMITS", "build_schema", "endpoint", "read_definitions"]

LIMITS = Limits(
    variable_keys=2000,
    string_bytes=METADATA_BYTES_MAX,
    list_items_of={"recordUsageBatch.inputs": BATCH_ITEMS_MAX},
    list_items_in={
        "previewSubscriptionChanges.input.userIds": USERS_MAX,
        "changeSubscriptions.input.userIds": USERS_MAX,
    },
)
"""The bounds of a request: enough for a package of a hundred features, the largest metadata, a batch of usages, and
the users of a job."""


def endpoint(engine: Engine, door: Door, *, observe: Observer | None = None) -> GraphQLEndpoint:
    """Return the Admin API over an engine, as an ASGI application for one address."""
    return GraphQLEndpoint(build_schema(), context_factory(engine, door), limits=LIMITS, observe=observe)
