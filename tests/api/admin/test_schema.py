"""The schema is what Kana published, and says of everything else that it is ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    is_specified_scalar_type,
)
from graphql.utilities.print_schema import print_input_value

from kana.api.admin import build_schema
from kana.api.admin.changes import (
    BackView,
    ChangesView,
    PreviewView,
    ProgressView,
    ResultView,
    TotalsView,
    UserPreviewView,
)
from kana.api.admin.consuming import ConsumedView, LineView, ReservationView
from kana.api.admin.explaining import ExplanationView, GivenView, GrantView, NotHeldView
from kana.api.admin.giving import OverrideView, TopUpView
from kana.api.admin.ledger import EntryView, PostingView
from kana.api.admin.notifications import NotificationView
from kana.api.admin.packages import PackageFeatureView
from kana.api.admin.subscriptions import PackageSubscription
from kana.api.admin.usage import DecisionRow
from kana.api.admin.webhooks import WebhookDeliveryView, WebhookEndpointView
from kana.api.bulk import UsageAnswer, UsageFault
from kana.api.graphql.plan import attribute_of
from kana.engine.segment.mapping import EventCounts, UnmappedEventName, UnmappedProperty
from kana.engine.usage.usage import PeriodUsage, Shown
from kana.engine.users.deletions import DeletedUser
from kana.engine.users.exports import ExportPage
from kana.model.allowance import Allowance, Cost, Rollover
from kana.model.bulk_preview import Excess
from kana.model.entitlement import Consumption, Decision
from kana.model.feature import Feature
from kana.model.insights import Adoption, CreditRow, Outlook, Refusals, TopUser, UsageRow
from kana.model.key import EnvironmentSettings
from kana.model.log import LogLine
from kana.model.package import Package, PackagePrice
from kana.model.reservation import HeldLine
from kana.model.segment import MappingRule, PropertyCondition, SegmentEvent
from kana.model.unlock import Unlock
from kana.model.user import User
from kana.model.webhook import Attempt
from tests.api.admin.calls import ENTITLEMENT, FEATURE, HELD, PACKAGE, SHOW, USER, record
from tests.support.serving import Served

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text("utf-8"))
SCHEMA = build_schema()
OURS = {
    "EntitlementInput.resetPeriod": "ResetPeriod",
    "Consumption.used": "Units!",
    "Consumption.budget": "Units",
    "PackageFeature.limit": "Units",
    "ConsumptionInPeriod.periodEnd": "DateTime",
    "UpdateUserInput.id": "String",
}
"""Where we differ on purpose. Everything else that was published stands as it was."""

OUR_VALUES = {
    "ResetPeriod.HOUR",
    "ResetPeriod.WEEK",
    "ResetPeriod.QUARTER",
    "SubscriptionStatus.SCHEDULED",
}
"""What we added to enumerations that were published."""

SOURCES: dict[str, type] = {
    "Feature": Feature,
    "Package": Package,
    "PackageFeature": PackageFeatureView,
    "PackageEntitlement": Allowance,
    "Rollover": Rollover,
    "PackagePrice": PackagePrice,
    "Entitlement": Decision,
    "CanUseFeatureData": Decision,
    "CanUseFeaturesRow": DecisionRow,
    "Explanation": ExplanationView,
    "ExplainedGrant": GrantView,
    "NotHeld": NotHeldView,
    "Given": GivenView,
    "Unlock": Unlock,
    "Consumption": Consumption,
    "ConsumptionInPeriod": PeriodUsage,
    "ShowUsageData": Shown,
    "PackageSubscription": PackageSubscription,
    "SubscriptionChangesPreview": PreviewView,
    "SubscriptionChangesTotals": TotalsView,
    "SubscriptionChangePreview": UserPreviewView,
    "FeatureOverLimit": Excess,
    "SubscriptionChanges": ChangesView,
    "SubscriptionChangesProgress": ProgressView,
    "SubscriptionChangesBack": BackView,
    "SubscriptionChangeResult": ResultView,
    "Notification": NotificationView,
    "WebhookEndpoint": WebhookEndpointView,
    "WebhookDelivery": WebhookDeliveryView,
    "WebhookAttempt": Attempt,
    "TopUp": TopUpView,
    "Override": OverrideView,
    "User": User,
    "DeletedUser": DeletedUser,
    "UserExport": ExportPage,
    "RecordedUsage": UsageAnswer,
    "BatchedUsage": UsageAnswer,
    "UsageError": UsageFault,
    "EnvironmentSettings": EnvironmentSettings,
    "Entry": EntryView,
    "Posting": PostingView,
    "Consumed": ConsumedView,
    "ConsumedLine": LineView,
    "Reservation": ReservationView,
    "ReservedLine": HeldLine,
    "Cost": Cost,
    "UsageInsight": UsageRow,
    "CreditInsight": CreditRow,
    "FeatureAdoption": Adoption,
    "TopUser": TopUser,
    "LimitOutlook": Outlook,
    "RefusalCount": Refusals,
    "AdminLogLine": LogLine,
    "MappingRule": MappingRule,
    "PropertyCondition": PropertyCondition,
    "SegmentEvent": SegmentEvent,
    "SegmentEventCounts": EventCounts,
    "UnmappedEventName": UnmappedEventName,
    "UnmappedEventProperty": UnmappedProperty,
}
"""The values that fields without a resolver are read off."""
WITHOUT_SOURCE = {"SubscriptionLink.url", "GeneratedUserToken.token"}
"""A link is never made yet; a token comes in a mapping."""


def named_types() -> Iterator[GraphQLNamedType]:
    for named in SCHEMA.type_map.values():
        if not named.name.startswith("__") and not is_specified_scalar_type(named):
            yield named


def shape(named: GraphQLNamedType) -> dict[str, str]:
    """The fields and arguments of a type, as in ``published.json``."""
    if isinstance(named, GraphQLInputObjectType):
        return {name: print_input_value(name, field).split(": ", 1)[1] for name, field in named.fields.items()}
    assert isinstance(named, GraphQLObjectType)
    lines = {}
    for name, field in named.fields.items():
        lines[name] = str(field.type)
        for key, argument in field.args.items():
            lines[f"{name}({key})"] = print_input_value(key, argument).split(": ", 1)[1]
    return lines


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_part_is_unchanged(name: str) -> None:
    """Every published type, field, argument, default and nullability is there, but for the listed differences."""
    named = SCHEMA.type_map[name]
    published = PUBLISHED[name]
    if published == "scalar":
        assert named.name == name
    elif isinstance(published, list):
        assert isinstance(named, GraphQLEnumType)
        assert sorted(value for value in named.values if f"{name}.{value}" not in OUR_VALUES) == published
    else:
        ours = shape(named)
        wanted = {field: OURS.get(f"{name}.{field}", line) for field, line in published.items()}
        assert {field: ours.get(field) for field in wanted} == wanted


def test_each_listed_difference_is_one() -> None:
    """The list of differences names nothing that is as published."""
    published = {place: PUBLISHED[place.split(".")[0]][place.split(".")[1]] for place in OURS}
    assert [place for place in OURS if published[place] == OURS[place]] == []


def descriptions(named: GraphQLNamedType) -> dict[str, str]:
    """What a type says of each of its fields, arguments and values."""
    lines = {}
    if isinstance(named, GraphQLEnumType):
        return {name: value.description or "" for name, value in named.values.items()}
    if isinstance(named, GraphQLObjectType | GraphQLInputObjectType):
        for name, field in named.fields.items():
            lines[name] = field.description or ""
            if isinstance(field, GraphQLField):
                lines |= {f"{name}({key})": argument.description or "" for key, argument in field.args.items()}
    return lines


def test_what_was_not_published_says_so() -> None:
    """Whoever reads the schema can tell what Kana had from what we added or changed."""
    silent = []
    for named in named_types():
        if named.name not in PUBLISHED:
            silent += [] if (named.description or "").startswith("Ours:") else [named.name]
            continue
        for place, text in descriptions(named).items():
            field = place.split("(")[0]
            added = place not in PUBLISHED[named.name] and (place == field or field in PUBLISHED[named.name])
            changed = f"{named.name}.{place}" in OURS
            if (added and not text.startswith("Ours:")) or (changed and "Ours:" not in text and "In Kana:" not in text):
                silent.append(f"{named.name}.{place}")
    assert silent == []


def test_every_field_has_a_resolver() -> None:
    """A field is bound to a function, or read off an attribute that its value is sure to have."""
    unbound = []
    for named in named_types():
        if isinstance(named, GraphQLObjectType):
            for name, field in named.fields.items():
                source = SOURCES.get(named.name)
                readable = source is not None and hasattr(source, attribute_of(name))
                if field.resolve is None and not readable and f"{named.name}.{name}" not in WITHOUT_SOURCE:
                    unbound.append(f"{named.name}.{name}")
    assert unbound == []


def test_every_field_answers(served: Served) -> None:
    """Each field of each type, asked at once over HTTP, has a value of its type."""
    record(served)
    query = f"""{{
      features {{
        {FEATURE} packages {{ {PACKAGE} }} entitlement(userId: "ada") {{ access reason consumption {{ used }} }}
      }}
      packages(status: "ALL") {{ {PACKAGE} features {{ {HELD} entitlement {{ {ENTITLEMENT} }} }} }}
      users {{ {USER} }}
      subscriptions {{ id userId status startedAt endsAt package {{ {PACKAGE} }} }}
    }}"""
    data = served.ask(query)
    assert {key: len(rows) for key, rows in data.items()} == {
        "features": 2, "packages": 5, "users": 3, "subscriptions": 2,
    }  # fmt: skip
    assert data["features"][0]["entitlement"]["consumption"] == {"used": 1}
    assert served.ask(SHOW, {"userId": "ada", "featureId": "message"})["showUsage"]["past"] == []


def test_introspection_is_for_private_keys(empty: Served) -> None:
    """Tools read the schema with a private key."""
    data = empty.ask("{ __schema { queryType { fields { name } } mutationType { fields { name } } } }")["__schema"]
    assert {"canUseFeature", "canUseFeatures"} <= {field["name"] for field in data["queryType"]["fields"]}
    assert {"recordUsage", "publishPackage"} <= {field["name"] for field in data["mutationType"]["fields"]}
