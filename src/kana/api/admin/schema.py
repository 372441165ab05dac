"""The executable schema: the SDL in the files beside this one, with its resolvers."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ariadne import EnumType, make_executable_schema
from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema

from kana.api.admin import (
    changes,
    consuming,
    explaining,
    features,
    giving,
    insights,
    ledger,
    notifications,
    packages,
    segment,
    settings,
    subscriptions,
    usage,
    users,
    webhooks,
)
from kana.api.graphql.plan import attribute_of
from kana.api.scalars import DATE_TIME, UNITS, UNITS_CHANGE, widen_ints
from kana.model.allowance import Combine
from kana.model.bulk_change import BulkOutcome, BulkState
from kana.model.bulk_preview import Prospect
from kana.model.entitlement import Outcome
from kana.model.feature import FeatureType
from kana.model.grant import Source
from kana.model.insights import Step
from kana.model.line import HoldStep
from kana.model.package import PackageStatus
from kana.model.period import ResetPeriod
from kana.model.reasons import Cause
from kana.model.reservation import ReservationStatus
from kana.model.segment import EventStatus
from kana.model.subscription import SubscriptionStatus
from kana.model.terms import AnchorKind, ChangeTime, ChangeUsage
from kana.model.unlock import Way
from kana.model.usage import Action
from kana.model.webhook import DeliveryState

_BINDINGS = (
    consuming.query,
    consuming.mutation,
    explaining.query,
    features.query,
    features.mutation,
    features.feature_type,
    packages.query,
    packages.mutation,
    packages.package_type,
    users.query,
    users.mutation,
    subscriptions.query,
    subscriptions.mutation,
    changes.query,
    changes.mutation,
    changes.preview_type,
    changes.changes_type,
    giving.query,
    giving.mutation,
    insights.query,
    insights.log_type,
    settings.query,
    settings.mutation,
    segment.query,
    segment.mutation,
    segment.event_type,
    ledger.query,
    ledger.mutation,
    notifications.query,
    webhooks.query,
    webhooks.mutation,
    usage.query,
    usage.mutation,
    DATE_TIME,
    UNITS,
    UNITS_CHANGE,
    EnumType("UsageStep", Step),
    EnumType("Outcome", Outcome),
    EnumType("GrantSource", Source),
    EnumType("NotHeldCause", Cause),
    EnumType("UnlockWay", Way),
    EnumType("RefusalReason", insights.REASONS),
    EnumType("FeatureType", FeatureType),
    EnumType("PackageStatus", PackageStatus),
    EnumType("ResetPeriod", ResetPeriod),
    EnumType("Combine", Combine),
    EnumType("SubscriptionStatus", SubscriptionStatus),
    EnumType("SubscriptionAnchor", AnchorKind),
    EnumType("ChangeTime", ChangeTime),
    EnumType("ChangeUsage", ChangeUsage),
    EnumType("SubscriptionChangeProspect", Prospect),
    EnumType("SubscriptionChangesState", BulkState),
    EnumType("SubscriptionChangeOutcome", BulkOutcome),
    EnumType("RecordUsageAction", Action),
    EnumType("ReservationStatus", ReservationStatus),
    EnumType("HoldStep", HoldStep),
    EnumType("SegmentEventStatus", EventStatus),
    EnumType("WebhookDeliveryState", DeliveryState),
)


_PARTS = (
    "schema",
    "types",
    "allowances",
    "giving",
    "subscriptions",
    "changes",
    "user_life",
    "ledger",
    "consume",
    "explain",
    "notifications",
    "webhooks",
    "inputs",
)
"""Queries and mutations first, then the types of each noun, and inputs."""


def read_definitions() -> str:
    """Return the SDL as one text, in the order of reading."""
    folder = files(__package__)
    return "\n".join(folder.joinpath(f"{part}.graphql").read_text(encoding="utf-8") for part in _PARTS)


@cache
def build_schema() -> GraphQLSchema:
    """Return the executable schema, which is built once and never changed.

    Fields without a resolver are read from their object.
    """
    schema = make_executable_schema(read_definitions(), *_BINDINGS)
    widen_ints(schema)
    _name_arguments(schema)
    return schema


def _name_arguments(schema: GraphQLSchema) -> None:
    """Pass arguments and input fields to resolvers in snake case."""
    for named in schema.type_map.values():
        if isinstance(named, GraphQLInputObjectType):
            for name, field in named.fields.items():
                field.out_name = attribute_of(name)
        elif isinstance(named, GraphQLObjectType) and not named.name.startswith("__"):
            for parent in named.fields.values():
                for name, argument in parent.args.items():
                    argument.out_name = attribute_of(name)
