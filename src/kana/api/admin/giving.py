"""The resolvers of what is given to single users: top-ups and overrides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ariadne import MutationType, QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import Input, given_id
from kana.engine.ports.users import Gift
from kana.engine.turns import in_turns
from kana.engine.users.giving import parse_given_id
from kana.model.given import Given, Override, OverrideTerms, TopUp
from kana.model.period import ResetPeriod

query = QueryType()
mutation = MutationType()


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpView:
    """A top-up as the API returns it, with the id of its user and what is left of it at the moment of the answer."""

    id: str
    user_id: str
    feature_id: str
    amount: int
    used: int
    remaining: int
    starts_at: datetime
    expires_at: datetime | None
    reason: str
    given_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideView:
    """An override as the API returns it, with the id of its user."""

    id: str
    user_id: str
    feature_id: str
    limit: int | None
    reset_period: ResetPeriod | None
    overage_enabled: bool
    denied: bool
    starts_at: datetime
    ends_at: datetime | None
    reason: str
    given_by: str
    created_at: datetime


@query.field("topUps")
async def top_ups(
    _root: object, info: Info, *, user_id: str, first: int | None = None, after: str | None = None
) -> list[TopUpView]:
    """Return the top-ups of a user, the oldest first."""
    context = info.context
    found = await context.engine.giving.top_ups(
        context.environment, given_id(user_id, field="userId"), first=first, after=_after(after, TopUp)
    )
    now = context.engine.clock()
    return await in_turns(found, lambda gift: _top_up(gift, now=now))


@query.field("overrides")
async def overrides(
    _root: object, info: Info, *, user_id: str, first: int | None = None, after: str | None = None
) -> list[OverrideView]:
    """Return the overrides of a user, the oldest first."""
    context = info.context
    found = await context.engine.giving.overrides(
        context.environment, given_id(user_id, field="userId"), first=first, after=_after(after, Override)
    )
    return await in_turns(found, _override)


@mutation.field("createTopUp")
async def create_top_up(_root: object, info: Info, *, input: Input) -> TopUpView:  # noqa: A002 - GraphQL's word
    """Give units to a user."""
    context = info.context
    gift = await context.engine.giving.create_top_up(
        context.environment,
        given_id(input["user_id"], field="userId"),
        given_id(input["feature_id"], field="featureId"),
        input["amount"],
        reason=input["reason"],
        by=context.actor,
        starts_at=input.get("starts_at"),
        expires_at=input.get("expires_at"),
        key=input.get("idempotency_key"),
    )
    return _top_up(gift, now=context.engine.clock())


@mutation.field("endTopUp")
async def end_top_up(_root: object, info: Info, *, id: str) -> TopUpView:  # noqa: A002 - Kana's word
    """End a top-up now."""
    context = info.context
    gift = await context.engine.giving.end_top_up(context.environment, parse_given_id(id, TopUp), by=context.actor)
    return _top_up(gift, now=context.engine.clock())


@mutation.field("setOverride")
async def set_override(_root: object, info: Info, *, input: Input) -> OverrideView:  # noqa: A002 - GraphQL's word
    """Give a user something else than their packages allow."""
    context = info.context
    gift = await context.engine.giving.set_override(
        context.environment,
        given_id(input["user_id"], field="userId"),
        given_id(input["feature_id"], field="featureId"),
        _terms(input),
        reason=input["reason"],
        by=context.actor,
    )
    return _override(gift)


@mutation.field("endOverride")
async def end_override(_root: object, info: Info, *, id: str) -> OverrideView:  # noqa: A002 - Kana's word
    """End an override now."""
    context = info.context
    gift = await context.engine.giving.end_override(context.environment, parse_given_id(id, Override), by=context.actor)
    return _override(gift)


def _terms(given: Input) -> OverrideTerms:
    return OverrideTerms(
        limit=given.get("limit"),
        omits_limit="limit" not in given,
        overage_enabled=bool(given.get("overage_enabled")),
        reset_period=given.get("reset_period"),
        keeps_reset_period="reset_period" not in given,
        denied=bool(given.get("denied")),
        ends_at=given.get("ends_at"),
    )


def _after(after: str | None, kind: type[Given]) -> int | None:
    return None if after is None else parse_given_id(after, kind)


def _top_up(gift: Gift[TopUp], *, now: datetime) -> TopUpView:
    given = gift.given
    return TopUpView(
        id=str(given.id),
        user_id=gift.user_id,
        feature_id=given.feature_id,
        amount=given.amount,
        used=gift.used,
        remaining=given.remaining(gift.used, now=now),
        starts_at=given.start,
        expires_at=given.ends_at,
        reason=given.reason,
        given_by=given.by,
        created_at=given.created_at,
    )


def _override(gift: Gift[Override]) -> OverrideView:
    given = gift.given
    return OverrideView(
        id=str(given.id),
        user_id=gift.user_id,
        feature_id=given.feature_id,
        limit=given.limit,
        reset_period=given.reset_period,
        overage_enabled=given.overage_enabled,
        denied=given.denied,
        starts_at=given.start,
        ends_at=given.ends_at,
        reason=given.reason,
        given_by=given.by,
        created_at=given.created_at,
    )
