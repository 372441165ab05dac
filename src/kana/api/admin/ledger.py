"""The resolvers of the ledger: a search of a user's entries, one entry, and undoing one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ariadne import MutationType, QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import given_id
from kana.api.bulk import UsageAnswer, answer_of
from kana.engine.turns import in_turns
from kana.engine.usage.ledger import parse_entry_id
from kana.model.entitlement import Consumption, Outcome
from kana.model.grant import Posting
from kana.model.line import HoldStep
from kana.model.period import ResetPeriod
from kana.model.usage import Action, Entry

query = QueryType()
mutation = MutationType()

FIRST = 100
"""How many entries a list has by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingView:
    """What an entry moves in one counter, as the API returns it."""

    source_id: str
    carried_over: bool
    held: bool
    reset_period: ResetPeriod | None
    period_start: datetime
    change: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """An entry as the API returns it."""

    id: str
    feature_id: str
    action: Action
    delta: int
    change: int
    outcome: Outcome
    reason: str | None
    consumption: Consumption | None
    in_grace: bool
    timestamp: datetime
    recorded_at: datetime
    metadata: object
    has_idempotency_key: bool
    reverses: str | None
    decision_id: str | None
    step: HoldStep | None
    reservation_id: str | None
    cost_of: str | None
    postings: list[PostingView]


# The arguments are a mapping, because `from` cannot be a name in Python.


@query.field("entries")
async def entries(_root: object, info: Info, **given: Any) -> list[EntryView]:
    """Return a user's entries that match, the newest first."""
    first, feature_id, outcome = given.get("first"), given.get("feature_id"), given.get("outcome")
    limit = FIRST if first is None else first
    page = await info.context.engine.ledger.search(
        info.context.environment,
        given_id(given["user_id"], field="userId"),
        feature_id=None if feature_id is None else given_id(feature_id, field="featureId"),
        start=given.get("from"),
        end=given.get("to"),
        outcomes=tuple(Outcome) if outcome is None else (outcome,),
        after=given.get("after"),
        first=limit,
    )
    return await in_turns(page.whole(limit), _shown)


@query.field("entry")
async def entry(_root: object, info: Info, *, user_id: str, id: str) -> EntryView:  # noqa: A002 - as elsewhere
    """Return one entry of a user."""
    context = info.context
    return _shown(await context.engine.ledger.entry(context.environment, given_id(user_id, field="userId"), id))


@mutation.field("reverseUsage")
async def reverse_usage(
    _root: object, info: Info, *, entry_id: str, reason: str, user_id: str | None = None
) -> UsageAnswer:
    """Undo one entry, and answer when that is on disk."""
    context = info.context
    receipt = await context.engine.usage.reverse(
        context.environment,
        parse_entry_id(entry_id),
        reason=reason,
        by=context.actor,
        user_id=None if user_id is None else given_id(user_id, field="userId"),
    )
    return answer_of(receipt)


def _shown(entry: Entry) -> EntryView:
    line = entry.line
    return EntryView(
        id=str(entry.id),
        feature_id=entry.feature_id,
        action=entry.action,
        delta=entry.delta,
        change=entry.change,
        outcome=entry.outcome,
        reason=entry.reason,
        consumption=entry.consumption,
        in_grace=entry.in_grace,
        timestamp=entry.occurred_at,
        recorded_at=entry.recorded_at,
        metadata=entry.metadata,
        has_idempotency_key=entry.key is not None,
        reverses=None if entry.reverses is None else str(entry.reverses),
        decision_id=None if line is None else str(line.decision_id),
        step=None if line is None else line.step,
        reservation_id=None if line is None or line.reservation_id is None else str(line.reservation_id),
        cost_of=None if line is None else line.cost_of,
        postings=[_shown_posting(posting) for posting in entry.postings],
    )


def _shown_posting(posting: Posting) -> PostingView:
    counter = posting.counter
    return PostingView(
        source_id=str(counter.origin_id),
        carried_over=counter.is_carried,
        held=counter.is_held,
        reset_period=counter.reset_period,
        period_start=counter.period_start,
        change=posting.change,
    )
