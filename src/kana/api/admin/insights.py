"""The resolvers of insights, and of the log of administrative changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

from ariadne import ObjectType, QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import given_id, given_ids
from kana.errors import InvalidValue
from kana.model.entitlement import Outcome
from kana.model.insights import Adoption, CreditRow, Outlook, Refusals, Step, TopUser, UsageRow
from kana.model.log import LogLine
from kana.model.text import number_in, shown

query = QueryType()
log_type = ObjectType("AdminLogLine")

REASONS = {outcome.name: outcome for outcome in Outcome if outcome is not Outcome.RECORDED}
"""The reasons for a refusal, by their names in the schema."""


class Range(TypedDict):
    """A time range, as arguments of the engine."""

    start: datetime
    end: datetime


# The arguments are a mapping, because `from` cannot be a name in Python.


@query.field("usageInsights")
async def usage_insights(_root: object, info: Info, **given: Any) -> list[UsageRow]:
    """Return usage step by step."""
    return await info.context.engine.insights.usage(
        info.context.environment,
        **_range(given),
        step=given.get("by") or Step.DAY,
        feature_ids=_ids(given.get("feature_ids"), field="featureIds"),
        package_ids=_ids(given.get("package_ids"), field="packageIds"),
        user_id=_id(given.get("user_id"), field="userId"),
    )


@query.field("creditInsights")
async def credit_insights(_root: object, info: Info, **given: Any) -> list[CreditRow]:
    """Return what a credit was spent on step by step."""
    return await info.context.engine.insights.credit(
        info.context.environment,
        given_id(given["feature_id"], field="featureId"),
        **_range(given),
        step=given.get("by") or Step.DAY,
    )


@query.field("adoption")
async def adoption(_root: object, info: Info, **given: Any) -> list[Adoption]:
    """Return how many could use each feature, and how many did."""
    return await info.context.engine.insights.adoption(
        info.context.environment, **_range(given), feature_ids=_ids(given.get("feature_ids"), field="featureIds")
    )


@query.field("topUsers")
async def top_users(_root: object, info: Info, **given: Any) -> list[TopUser]:
    """Return the users who used a feature most."""
    return await info.context.engine.insights.top_users(
        info.context.environment,
        given_id(given["feature_id"], field="featureId"),
        **_range(given),
        first=_or(given.get("first"), 20),
    )


@query.field("nearLimit")
async def near_limit(_root: object, info: Info, *, first: int | None = None) -> list[Outlook]:
    """Return the users near a limit."""
    return await info.context.engine.insights.near_limit(info.context.environment, first=_or(first, 100))


@query.field("limitOutlook")
async def limit_outlook(_root: object, info: Info, *, user_id: str) -> list[Outlook]:
    """Return how much of each limit a user has used."""
    return await info.context.engine.insights.outlook(info.context.environment, given_id(user_id, field="userId"))


@query.field("refusals")
async def refusals(_root: object, info: Info, **given: Any) -> list[Refusals]:
    """Return refusals by user, feature and reason."""
    return await info.context.engine.insights.refusals(
        info.context.environment,
        **_range(given),
        feature_id=_id(given.get("feature_id"), field="featureId"),
        user_id=_id(given.get("user_id"), field="userId"),
        first=_or(given.get("first"), 100),
    )


@query.field("adminLog")
async def admin_log(
    _root: object, info: Info, *, first: int | None = None, after: str | None = None, subject: str | None = None
) -> list[LogLine]:
    """Return administrative changes."""
    return await info.context.engine.insights.log(
        info.context.environment,
        first=_or(first, 100),
        after=None if after is None else _line_id(after),
        subject_id=_id(subject, field="subject"),
    )


@log_type.field("id")
def line_id(line: LogLine, _info: Info) -> str:
    """Return the id of the line as text."""
    return str(line.id)


@log_type.field("actorKind")
def actor_kind(line: LogLine, _info: Info) -> str:
    """Return the kind of the actor."""
    return line.actor.kind


@log_type.field("actorName")
def actor_name(line: LogLine, _info: Info) -> str:
    """Return the name of the actor."""
    return line.actor.name


def _range(given: dict[str, Any]) -> Range:
    return {"start": given["from"], "end": given["to"]}


def _ids(values: list[str] | None, *, field: str) -> list[str] | None:
    return None if values is None else given_ids(values, field=field)


def _id(value: str | None, *, field: str) -> str | None:
    return None if value is None else given_id(value, field=field)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _line_id(text: str) -> int:
    number = number_in(text)
    if number is None:
        raise InvalidValue(f"after must be the id of a change, got {shown(text)}", field="after")
    return number
