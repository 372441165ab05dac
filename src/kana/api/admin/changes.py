"""The resolvers of jobs that move many users to another package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ariadne import MutationType, ObjectType, QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import Input, given_id
from kana.engine.turns import in_turns
from kana.engine.users.bulk_changes import parse_change_id
from kana.errors import InvalidValue
from kana.model.bulk_change import BulkChange, BulkOutcome, BulkResult, BulkState, Move
from kana.model.bulk_preview import Excess, MovePreview, PreviewTotals, Prospect
from kana.model.terms import ChangeTime, ChangeUsage
from kana.model.text import number_in, shown

query = QueryType()
mutation = MutationType()
preview_type = ObjectType("SubscriptionChangesPreview")
changes_type = ObjectType("SubscriptionChanges")

FIRST = 100
"""How many results a list has by default."""

PREVIEWED = 50
"""How many users a preview has by default."""


@dataclass(frozen=True, slots=True)
class PreviewView:
    """A move whose preview is asked for; its fields are resolved when they are selected."""

    move: Move


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalsView:
    """The totals of a preview as the API returns them."""

    users: int
    would_change: int
    would_be_refused: int
    would_be_skipped: int
    losing: int
    over: int
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPreviewView:
    """The preview of one user as the API returns it."""

    user_id: str
    outcome: Prospect
    reason: str | None
    package_id: str | None
    loses: list[str]
    over: list[Excess]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesView:
    """A job as the API returns it; progress and results are read when they are selected."""

    change: BulkChange
    id: str
    state: BulkState
    package_id: str
    from_package_id: str | None
    when: ChangeTime
    usage: ChangeUsage
    started_at: datetime
    started_by: str
    taken_back_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackView:
    """How many users are moved back, as the API returns it."""

    left: int
    changed: int
    refused: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressView:
    """The progress of a job as the API returns it."""

    users: int
    left: int
    done: int
    changed: int
    refused: int
    skipped: int
    back: BackView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultView:
    """What has become of one user, as the API returns it."""

    id: str
    user_id: str
    outcome: BulkOutcome
    reason: str | None
    back: BulkOutcome | None
    back_reason: str | None


@query.field("previewSubscriptionChanges")
async def preview_subscription_changes(_root: object, _info: Info, *, input: Input) -> PreviewView:  # noqa: A002 - GraphQL's word
    """Return what a job would do; its fields are resolved one by one."""
    return PreviewView(_move(input))


@preview_type.field("totals")
async def totals(view: PreviewView, info: Info) -> TotalsView:
    """Return how many users would become what."""
    return _totals(await info.context.engine.bulk_changes.totals(info.context.environment, view.move))


@preview_type.field("users")
async def users(
    view: PreviewView, info: Info, *, first: int | None = None, after: str | None = None
) -> list[UserPreviewView]:
    """Return what would become of some users."""
    context = info.context
    page = await context.engine.bulk_changes.preview(
        context.environment,
        view.move,
        first=PREVIEWED if first is None else first,
        after=None if after is None else given_id(after, field="after"),
    )
    return [_user_preview(each) for each in page]


@query.field("subscriptionChanges")
async def subscription_changes(_root: object, info: Info, *, id: str) -> ChangesView:  # noqa: A002 - as elsewhere
    """Return a job."""
    context = info.context
    return _changes(await context.engine.bulk_changes.change(context.environment, parse_change_id(id)))


@mutation.field("changeSubscriptions")
async def change_subscriptions(_root: object, info: Info, *, input: Input) -> ChangesView:  # noqa: A002 - GraphQL's word
    """Begin to move users to another package."""
    context = info.context
    begun = await context.engine.bulk_changes.start(
        context.environment, _move(input), by=context.actor, key=input.get("idempotency_key")
    )
    return _changes(begun)


@mutation.field("takeBackSubscriptionChanges")
async def take_back_subscription_changes(_root: object, info: Info, *, id: str) -> ChangesView:  # noqa: A002
    """Begin to move the users of a job back."""
    context = info.context
    change_id = parse_change_id(id)
    return _changes(await context.engine.bulk_changes.take_back(context.environment, change_id, by=context.actor))


@changes_type.field("progress")
async def progress(view: ChangesView, info: Info) -> ProgressView:
    """Return how far a job is."""
    found = await info.context.engine.bulk_changes.progress(view.change)
    is_back = view.state in (BulkState.TAKING_BACK, BulkState.TAKEN_BACK)
    left = found.there[BulkOutcome.WAITING]
    return ProgressView(
        users=found.users,
        left=left,
        done=found.users - left,
        **_counts(found.there),
        back=BackView(left=found.back[BulkOutcome.WAITING], **_counts(found.back)) if is_back else None,
    )


@changes_type.field("results")
async def results(
    view: ChangesView,
    info: Info,
    *,
    first: int | None = None,
    after: str | None = None,
    outcome: BulkOutcome | None = None,
) -> list[ResultView]:
    """Return what has become of users of a job."""
    found = await info.context.engine.bulk_changes.results(
        view.change, outcome=outcome, first=FIRST if first is None else first, after=_after(after)
    )
    return await in_turns(found, _result)


def _move(given: Input) -> Move:
    user_ids = given.get("user_ids")
    return Move(
        package_id=given_id(given["package_id"], field="packageId"),
        when=given.get("when") or ChangeTime.NOW,
        usage=given.get("usage") or ChangeUsage.RESET,
        from_package_id=given.get("from_package_id"),
        search=given.get("search") or "",
        user_ids=None if user_ids is None else tuple(user_ids),
    )


def _after(after: str | None) -> int:
    number = 0 if after is None else number_in(after)
    if number is None:
        raise InvalidValue(f"after must be the id of a result, got {shown(after)}", field="after")
    return number


def _counts(counts: Mapping[BulkOutcome, int]) -> dict[str, Any]:
    return {
        "changed": counts[BulkOutcome.CHANGED],
        "refused": counts[BulkOutcome.REFUSED],
        "skipped": counts[BulkOutcome.SKIPPED],
    }


def _totals(found: PreviewTotals) -> TotalsView:
    return TotalsView(
        users=found.users,
        would_change=found.changed,
        would_be_refused=found.refused,
        would_be_skipped=found.skipped,
        losing=found.losing,
        over=found.over,
        is_whole=found.is_whole,
    )


def _user_preview(preview: MovePreview) -> UserPreviewView:
    return UserPreviewView(
        user_id=preview.user_id,
        outcome=preview.prospect,
        reason=preview.reason,
        package_id=preview.package_id,
        loses=list(preview.loses),
        over=list(preview.over),
    )


def _changes(change: BulkChange) -> ChangesView:
    return ChangesView(
        change=change,
        id=str(change.id),
        state=change.state,
        package_id=change.move.package_id,
        from_package_id=change.move.from_package_id,
        when=change.move.when,
        usage=change.move.usage,
        started_at=change.begun_at,
        started_by=change.by.name,
        taken_back_by=None if change.taken_back_by is None else change.taken_back_by.name,
    )


def _result(result: BulkResult) -> ResultView:
    return ResultView(
        id=str(result.number),
        user_id=result.user_id,
        outcome=result.outcome,
        reason=result.reason,
        back=result.back,
        back_reason=result.back_reason,
    )
