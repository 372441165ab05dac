"""The two schemas, the published and the executed one, with the same resolvers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ariadne import EnumType, ObjectType, QueryType, make_executable_schema
from graphql import GraphQLSchema

from kana.api.client.context import ClientContext, Info
from kana.api.scalars import UNITS
from kana.engine.users.holdings import SubscribedFeature, SubscribedPackage
from kana.model.entitlement import Decision, Outcome
from kana.model.feature import FeatureType

query = QueryType()
user_type = ObjectType("User")
package_type = ObjectType("Package")
feature_type = ObjectType("Feature")
_TYPE = EnumType("FeatureType", FeatureType)
_OUTCOME = EnumType("Outcome", Outcome)


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The calling user, as they may see themselves."""

    id: str
    name: str | None
    email: str | None


@cache
def build_schema() -> GraphQLSchema:
    """Return the executed schema, which is built once and never changed."""
    return make_executable_schema(
        _read("schema.graphql"), query, user_type, package_type, feature_type, _TYPE, _OUTCOME, UNITS
    )


@cache
def build_published_schema() -> GraphQLSchema:
    """Return the schema for introspection, exactly as published, which is also built once."""
    return make_executable_schema(_read("published.graphql"), query, user_type, _TYPE)


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@query.field("currentUser")
def current_user(_root: object, info: Info) -> CurrentUser:
    """Return the calling user."""
    context = info.context
    return CurrentUser(context.user_id, context.name, context.email)


@user_type.field("subscribedPackages")
async def subscribed_packages(user: CurrentUser, info: Info) -> list[SubscribedPackage]:
    """Return the packages that give them access."""
    context = info.context
    return await context.engine.holdings.of(context.environment, user.id, owner=context.owner)


@package_type.field("id")
def package_id(holding: SubscribedPackage, _info: Info) -> str:
    """Return the package's id."""
    return holding.package.id


@package_type.field("name")
def package_name(holding: SubscribedPackage, _info: Info) -> str:
    """Return the package's name."""
    return holding.package.name


@package_type.field("isAddon")
def package_is_addon(holding: SubscribedPackage, _info: Info) -> bool:
    """Return whether the package is an add-on."""
    return holding.package.is_addon


@package_type.field("metadata")
def package_metadata(holding: SubscribedPackage, info: Info) -> object:
    """Answer the metadata, to the user alone."""
    return _to_the_user_alone(info.context, holding.package.metadata)


@feature_type.field("id")
def feature_id(held: SubscribedFeature, _info: Info) -> str:
    """Return the feature's id."""
    return held.feature.id


@feature_type.field("type")
def feature_kind(held: SubscribedFeature, _info: Info) -> FeatureType:
    """Return the feature's type."""
    return held.feature.type


@feature_type.field("unitLabel")
def unit_label(held: SubscribedFeature, _info: Info) -> str | None:
    """Return the label of one unit."""
    return held.feature.unit_label


@feature_type.field("unitLabelPlural")
def unit_label_plural(held: SubscribedFeature, _info: Info) -> str | None:
    """Return the label of several units."""
    return held.feature.unit_label_plural


@feature_type.field("metadata")
def feature_metadata(held: SubscribedFeature, info: Info) -> object:
    """Answer the metadata, to the user alone."""
    return _to_the_user_alone(info.context, held.feature.metadata)


@feature_type.field("entitlement")
def entitlement(held: SubscribedFeature, _info: Info) -> Decision:
    """Return what the user may do with the feature."""
    return held.decision


def _to_the_user_alone(context: ClientContext, value: object) -> object:
    return value if context.secure else None
