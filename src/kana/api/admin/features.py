"""The resolvers of features."""

from __future__ import annotations

from typing import cast

from ariadne import MutationType, ObjectType, QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import Input, fields_of, given_id, page
from kana.engine.catalog.catalog import FeatureChanges
from kana.model.entitlement import Decision
from kana.model.feature import Feature
from kana.model.package import Package

query = QueryType()
mutation = MutationType()
feature_type = ObjectType("Feature")


@query.field("feature")
async def feature(_root: object, info: Info, *, id: str) -> Feature:  # noqa: A002 - Kana's word
    """Return one feature by its id."""
    return (await info.context.read_catalog()).feature(given_id(id))


@query.field("features")
async def features(_root: object, info: Info, *, first: int | None = None, after: str | None = None) -> list[Feature]:
    """Return features in order of creation."""
    catalog = await info.context.read_catalog()
    return page(catalog.features, first=first, after=after, noun="feature")


@mutation.field("createFeature")
async def create_feature(_root: object, info: Info, *, input: Input) -> Feature:  # noqa: A002 - Kana's word
    """Create a feature."""
    context = info.context
    created = await context.engine.catalog.create_feature(context.environment, **input, by=context.actor)
    await context.refresh_catalog()
    return created


@mutation.field("updateFeature")
async def update_feature(_root: object, info: Info, *, id: str, input: Input) -> Feature:  # noqa: A002 - Kana's words
    """Change a feature."""
    context = info.context
    changes = cast("FeatureChanges", fields_of(input, "name", "unit_label", "unit_label_plural", "metadata"))
    changed = await context.engine.catalog.update_feature(context.environment, given_id(id), changes, by=context.actor)
    await context.refresh_catalog()
    return changed


@feature_type.field("packages")
def packages_with(feature: Feature, info: Info) -> list[Package]:
    """Return the packages that contain a feature."""
    return info.context.catalog.packages_with(feature.id)


@feature_type.field("entitlement")
async def entitlement(feature: Feature, info: Info, *, user_id: str) -> Decision:
    """Return what a user may do with a feature now, for one unit."""
    return await info.context.decisions.load(given_id(user_id, field="userId"), feature.id)
