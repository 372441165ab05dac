"""Exports all that is kept of one user, in pages of JSON records."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from kana.engine.ports.exports import Bookmark, ExportStore, Kept, Total
from kana.errors import InvalidValue
from kana.model.bulk_change import BulkResult
from kana.model.deletion import IdSpan
from kana.model.environment import Environment
from kana.model.given import Given, Override, TopUp
from kana.model.grant import CounterKey
from kana.model.line import DecisionLine
from kana.model.log import LogLine
from kana.model.merge import MergedUser
from kana.model.page import page_size
from kana.model.period import optional_time_text, time_text
from kana.model.reservation import Reservation
from kana.model.segment import SegmentEvent
from kana.model.subscription import Subscription
from kana.model.text import NUMBER_MAX, metadata, shown
from kana.model.usage import Entry
from kana.model.user import User
from kana.model.value import value_object

PAGE_MAX = 200
"""Most records of a page: even with the longest messages it stays far below the largest answer."""

Record = dict[str, Any]
"""One thing that is kept, as JSON; its ``kind`` says what it is, and its fields are called as in the Admin API."""


async def document(user_id: str, pages: AsyncIterator[list[Record]]) -> AsyncIterator[str]:
    """Yield the text of one JSON object with all records, a page at a time. One that was cut off cannot be read."""
    yield f'{{"userId": {json.dumps(user_id, ensure_ascii=False)}, "records": ['
    separator = "\n"
    async for records in pages:
        for record in records:
            yield separator + json.dumps(record, ensure_ascii=False)
            separator = ",\n"
    yield "\n]}\n"


@value_object()
class ExportPage:
    """Some records, and where the next page begins; None at the end."""

    records: list[Record]
    end_cursor: str | None


class ExportEngine:
    """Exports users."""

    def __init__(self, store: ExportStore) -> None:
        self._store = store

    async def page(
        self, environment: Environment, user_id: str, *, first: int = 100, after: str | None = None
    ) -> ExportPage:
        """Return up to ``first`` records, 1 to 200, after a cursor; only the last page has fewer.

        Raises:
            UserNotFound: no user has this id, or somebody else has it since the page before.
            InvalidValue: ``first`` is out of range, or ``after`` is not a cursor.
        """
        page_size(first, most=PAGE_MAX)
        bookmark = None if after is None else _bookmark_in(after)
        records: list[Record] = []
        while True:
            kept, bookmark = await self._store.export_page(environment, user_id, bookmark, limit=first - len(records))
            records += map(record_of, kept)
            if bookmark is None or len(records) == first:
                return ExportPage(records, None if bookmark is None else _cursor_of(bookmark))

    async def records(self, environment: Environment, user_id: str) -> AsyncIterator[list[Record]]:
        """Yield all records in pages, so that memory does not grow with them.

        Raises:
            UserNotFound: no user has this id, or no longer.
        """
        after: str | None = None
        while True:
            page = await self.page(environment, user_id, first=PAGE_MAX, after=after)
            yield page.records
            if page.end_cursor is None:
                return
            after = page.end_cursor


def _cursor_of(bookmark: Bookmark) -> str:
    return urlsafe_b64encode(json.dumps(bookmark).encode()).decode()


def _bookmark_in(cursor: str) -> Bookmark:
    """Read a cursor, which a caller may have changed: it can lead to nothing but records of the user who is asked for.

    Raises:
        InvalidValue: it is not one.
    """
    try:
        read: Any = json.loads(urlsafe_b64decode(cursor.encode()))
        key, stage, after = read
        metadata(after, field="after")
        numbers = [key, stage, *(each for each in after if not isinstance(each, str))]
        if all(type(each) is int and abs(each) <= NUMBER_MAX for each in numbers):
            return Bookmark(key, stage, tuple(after))
    except (ValueError, TypeError, InvalidValue):
        pass
    raise InvalidValue(f"after must be the endCursor of the page before, got {shown(cursor)}", field="after")


def record_of(kept: Kept) -> Record:
    """Return one thing that is kept as JSON. Ids that Kana makes are text, as numbers in JSON can be too small."""
    return _RECORDS[type(kept)](kept)


def _user(user: User) -> Record:
    return {
        "kind": "user",
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "billingId": user.billing_id,
        "timeZone": user.time_zone,
        "metadata": user.metadata,
        "createdAt": time_text(user.created_at),
    }


def _subscription(subscription: Subscription) -> Record:
    return {
        "kind": "subscription",
        "id": str(subscription.id),
        "packageId": subscription.package_id,
        "status": subscription.status,
        "startedAt": time_text(subscription.start),
        "endsAt": optional_time_text(subscription.ends_at),
        "trialEndsAt": optional_time_text(subscription.trial_ends_at),
        "anchorAt": optional_time_text(subscription.anchored_at),
        "timeZone": subscription.time_zone,
    }


def _bulk_result(result: BulkResult) -> Record:
    return {
        "kind": "subscriptionChange",
        "changesId": str(result.change_id),
        "outcome": result.outcome,
        "reason": result.reason,
        "backOutcome": result.back,
        "backReason": result.back_reason,
    }


def _given(given: Given) -> Record:
    allowance = given.allowance
    terms: Record = {"kind": "topUp", "amount": allowance.limit}
    if not isinstance(given, TopUp):
        terms = {
            "kind": "override",
            "limit": allowance.limit,
            "overageEnabled": allowance.overage_enabled,
            "resetPeriod": allowance.reset_period,
            "denied": given.denied,
        }
    return terms | {
        "id": str(given.id),
        "featureId": given.feature_id,
        "startsAt": time_text(given.start),
        "endsAt": optional_time_text(given.ends_at),
        "reason": given.reason,
        "by": given.by,
        "createdAt": time_text(given.created_at),
    }


def _counter(counter: CounterKey) -> Record:
    """Return where units are counted: of which subscription, top-up or override, with a minus what one left."""
    return {
        "sourceId": str(counter.source_id),
        "featureId": counter.feature_id,
        "resetPeriod": counter.reset_period,
        "periodStart": time_text(counter.period_start),
        "held": counter.is_held,
    }


def _reservation(reservation: Reservation) -> Record:
    return {
        "kind": "reservation",
        "id": str(reservation.id),
        "lines": [
            {
                "featureId": line.feature_id,
                "units": line.units,
                "settled": line.settled,
                "held": line.held,
                "costOf": line.cost_of,
            }
            for line in reservation.lines
        ],
        "createdAt": time_text(reservation.created_at),
        "endsAt": time_text(reservation.ends_at),
        "closedAs": reservation.closed_as,
        "closedAt": optional_time_text(reservation.closed_at),
    }


def _entry(entry: Entry) -> Record:
    consumption = entry.consumption
    return {
        "kind": "entry",
        "id": str(entry.id),
        "featureId": entry.feature_id,
        "action": entry.action,
        "delta": entry.delta,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "change": entry.change,
        "reverses": None if entry.reverses is None else str(entry.reverses),
        "line": None if entry.line is None else _decision_line(entry.line),
        "postings": [{**_counter(posting.counter), "change": posting.change} for posting in entry.postings],
        "consumption": consumption
        and {
            "used": consumption.used,
            "budget": consumption.budget,
            "overageEnabled": consumption.overage_enabled,
        },
        "timestamp": optional_time_text(entry.timestamp),
        "metadata": entry.metadata,
        "recordedAt": time_text(entry.recorded_at),
    }


def _decision_line(line: DecisionLine) -> Record:
    return {
        "decisionId": str(line.decision_id),
        "step": line.step,
        "reservationId": None if line.reservation_id is None else str(line.reservation_id),
        "costOf": line.cost_of,
    }


def _event(event: SegmentEvent) -> Record:
    return {
        "kind": "segmentEvent",
        "id": str(event.number),
        "messageId": event.message_id,
        "type": event.type,
        "userId": event.user_id,
        "event": event.event,
        "status": event.status,
        "reason": event.reason,
        "featureId": event.feature_id,
        "delta": event.delta,
        "happenedAt": time_text(event.happened_at),
        "receivedAt": time_text(event.received_at),
        "message": event.raw,
    }


def _line(line: LogLine) -> Record:
    return {
        "kind": "logLine",
        "id": str(line.id),
        "at": time_text(line.at),
        "actorKind": line.actor.kind,
        "actorName": line.actor.name,
        "action": line.action,
        "subjectKind": line.subject_kind,
        "subjectId": line.subject_id,
        "before": line.before,
        "after": line.after,
    }


def _merged(merged: MergedUser) -> Record:
    return {**_user(merged.user), "kind": "mergedUser", "mergedAt": time_text(merged.merged_at)}


def _id(span: IdSpan) -> Record:
    return {
        "kind": "id",
        "id": span.id,
        "since": optional_time_text(span.since),
        "until": optional_time_text(span.until),
    }


def _total(total: Total) -> Record:
    return {"kind": "counter", **_counter(total.counter), "used": total.used}


_RECORDS: Mapping[type, Callable[[Any], Record]] = {
    User: _user,
    MergedUser: _merged,
    IdSpan: _id,
    Subscription: _subscription,
    BulkResult: _bulk_result,
    TopUp: _given,
    Override: _given,
    Reservation: _reservation,
    Total: _total,
    Entry: _entry,
    SegmentEvent: _event,
    LogLine: _line,
}
"""How each kind is told."""
