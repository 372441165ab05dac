"""Rows of subscriptions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from itertools import starmap
from typing import Any

from kana.engine.ports.users import Signed, Subscribed
from kana.model.account import Account
from kana.model.counting import Brought, Origin
from kana.model.environment import Environment
from kana.model.period import Anchor, Calendar, ResetPeriod, from_milliseconds, period_start_at, to_milliseconds
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.store.log import change_rows
from kana.store.session import Row
from kana.store.values import NO_RESET, RESETS, optional_milliseconds, optional_moment, to_json

_STATUSES = {status.value: status for status in SubscriptionStatus}


def subscribed_from(row: Row) -> Subscribed:
    """Read a row of ``load_subscription`` and ``list_subscriptions``."""
    return Subscribed(row[0], subscription_from(row[1], row[2], *row[3:]))


@lru_cache(maxsize=16_384)  # Subscriptions rarely change, and those in use are read again and again.
def subscription_from(
    bucket: int, user_key: int, number: int, package_id: str, status: str, started_at: int, *terms: Any
) -> Subscription:
    """Read the columns of the fragment ``subscription``."""
    ends_at, ends_with_base, own_ends_at, scheduled, trial_ends_at, anchor_at, calendar, *origin = terms
    counts_as, counted_from, brought = origin
    return Subscription(
        id=number,
        bucket=bucket,
        user_key=user_key,
        package_id=package_id,
        status=_STATUSES[status],
        start=from_milliseconds(started_at),
        ends_at=optional_moment(ends_at),
        ends_with_base=bool(ends_with_base),
        own_ends_at=optional_moment(own_ends_at),
        scheduled=bool(scheduled),
        trial_ends_at=optional_moment(trial_ends_at),
        anchor=anchor_from(anchor_at, calendar),
        origin=None if counts_as is None else Origin(counts_as, from_milliseconds(counted_from)),
        brought=() if brought is None else tuple(starmap(_brought_from, json.loads(brought))),
    )


def _brought_from(feature_id: str, reset: str, period_start: int) -> Brought:
    return Brought(feature_id, RESETS[reset], from_milliseconds(period_start))


def _brought(subscription: Subscription) -> str | None:
    """Write the totals that a subscription was brought."""
    found = [
        (each.feature_id, each.reset_period or NO_RESET, to_milliseconds(each.period_start))
        for each in subscription.brought
    ]
    return to_json(found) if found else None


def anchor_from(anchor_at: int | None, calendar: str | None) -> Anchor | None:
    """Read what periods are counted from; None is the first one's beginning."""
    return optional_moment(anchor_at) if calendar is None else Calendar(calendar)


def current_start(row: Row, reset: ResetPeriod | None, now: datetime) -> datetime:
    """Read the columns of the fragment ``counting``: when a subscription's current period began."""
    begun_at, anchor_at, calendar = row
    first = from_milliseconds(begun_at)
    return period_start_at(first, reset, max(first, now), anchor_from(anchor_at, calendar))


def subscription_row(environment: Environment, subscription: Subscription) -> Row:
    """Write a row of ``put_subscription``."""
    anchor, origin = subscription.anchor, subscription.origin
    return (
        subscription.bucket,
        subscription.user_key,
        subscription.id,
        environment,
        subscription.package_id,
        subscription.status,
        to_milliseconds(subscription.start),
        optional_milliseconds(subscription.ends_at),
        int(subscription.ends_with_base),
        optional_milliseconds(subscription.own_ends_at),
        int(subscription.scheduled),
        optional_milliseconds(subscription.trial_ends_at),
        None if isinstance(anchor, Calendar) else optional_milliseconds(anchor),
        anchor.zone if isinstance(anchor, Calendar) else None,
        None if origin is None else origin.subscription_id,
        None if origin is None else to_milliseconds(origin.start),
        _brought(subscription),
    )


def subscription_log_rows(
    environment: Environment, old: Account, changed: Sequence[Subscription], signed: Signed
) -> list[Row]:
    """Write a line for each subscription that began, changed or ended, under the id of the user."""
    held = {subscription.id: _told_subscription(subscription) for subscription in old.subscriptions}
    subject = ("subscription", old.user.id)
    changes = ((subject, held.get(each.id), _told_subscription(each)) for each in changed)
    return change_rows(changes, environment=environment, signed=signed)


def _told_subscription(subscription: Subscription) -> dict[str, object]:
    told = ("package_id", "status", "start", "ends_at")
    terms = ("trial_ends_at", "anchor")
    return {name: getattr(subscription, name) for name in told} | {
        name: value for name in terms if (value := getattr(subscription, name)) is not None
    }
