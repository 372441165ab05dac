"""Rows of subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from kana.engine.ports.users import Signed, Subscribed
from kana.model.account import Account
from kana.model.environment import Environment
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.store.log import log_row, verb
from kana.store.session import Row
from kana.store.values import optional_milliseconds, optional_moment

_STATUSES = {status.value: status for status in SubscriptionStatus}


def subscribed_from(row: Row) -> Subscribed:
    """Read a row of ``load_subscription`` and ``list_subscriptions``."""
    return Subscribed(row[0], subscription_from(row[1], row[2], *row[3:]))


@lru_cache(maxsize=16_384)  # Subscriptions rarely change, and those in use are read again and again.
def subscription_from(
    bucket: int, user_key: int, number: int, package_id: str, status: str, started_at: int, ends_at: int | None
) -> Subscription:
    """Read the columns of the fragment ``subscription``."""
    return Subscription(
        id=number,
        bucket=bucket,
        user_key=user_key,
        package_id=package_id,
        status=_STATUSES[status],
        start=from_milliseconds(started_at),
        ends_at=optional_moment(ends_at),
    )


def subscription_row(environment: Environment, subscription: Subscription) -> Row:
    """Write a row of ``put_subscription``."""
    return (
        subscription.bucket,
        subscription.user_key,
        subscription.id,
        environment,
        subscription.package_id,
        subscription.status,
        to_milliseconds(subscription.start),
        optional_milliseconds(subscription.ends_at),
    )


def subscription_log_rows(
    environment: Environment, old: Account, changed: Sequence[Subscription], signed: Signed
) -> list[Row]:
    """Write a line for each subscription that began, changed or ended, under the id of the user."""
    held = {subscription.id: _told_subscription(subscription) for subscription in old.subscriptions}
    subject, now = ("subscription", old.user.id), signed.clock()
    return [
        log_row(
            verb(held.get(each.id), each),
            subject,
            environment=environment,
            before=held.get(each.id),
            after=_told_subscription(each),
            by=signed.by,
            now=now,
        )
        for each in changed
    ]


def _told_subscription(subscription: Subscription) -> dict[str, object]:
    told = ("package_id", "status", "start", "ends_at")
    return {name: getattr(subscription, name) for name in told}
