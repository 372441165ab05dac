"""Where a row becomes a value and a value a row, for every store. Columns stand in the order of the .sql files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from kana.engine.ports.users import Signed, Subscribed
from kana.model.account import Account
from kana.model.entitlement import Consumption, CounterKey, Outcome
from kana.model.environment import Actor, Environment
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.tally import Tallies
from kana.model.usage import Action, Entry
from kana.model.user import User
from kana.store.log import log_row as log_row  # noqa: PLC0414 - for those that still take it from here
from kana.store.log import verb
from kana.store.session import Row as Row  # noqa: PLC0414 - for those that still take it from here
from kana.store.values import NO_RESET as NO_RESET  # noqa: PLC0414 - for those that still take it from here
from kana.store.values import RESETS as RESETS  # noqa: PLC0414 - for those that still take it from here
from kana.store.values import optional_milliseconds, optional_moment
from kana.store.values import to_json as to_json  # noqa: PLC0414 - for those that still take it from here

_STATUSES = {status.value: status for status in SubscriptionStatus}


def user_from(row: Row) -> User:
    """Read a row of ``load_user`` and ``list_users``."""
    return User(
        bucket=row[0],
        key=row[1],
        environment=Environment(row[2]),
        id=row[3],
        billing_id=row[4],
        name=row[5],
        email=row[6],
        metadata=json.loads(row[7]),
        created_at=from_milliseconds(row[8]),
        token_version=row[9],
    )


def user_row(user: User) -> Row:
    """Write a row of ``put_user``, which leaves the version of their tokens alone."""
    return (
        user.bucket,
        user.key,
        user.environment,
        user.id,
        user.billing_id,
        user.name,
        user.email,
        to_json(user.metadata),
        to_milliseconds(user.created_at),
    )


def subscription_from(bucket: int, user_key: int, row: Row) -> Subscription:
    """Read the last five columns of ``load_accounts`` and ``load_subscription``."""
    return subscription(bucket, user_key, *row)


@lru_cache(maxsize=16_384)  # Subscriptions rarely change, and those in use are read again and again.
def subscription(
    bucket: int, user_key: int, number: int, package_id: str, status: str, started_at: int, ends_at: int | None
) -> Subscription:
    """Read the columns of a subscription."""
    return Subscription(
        id=number,
        bucket=bucket,
        user_key=user_key,
        package_id=package_id,
        status=_STATUSES[status],
        start=from_milliseconds(started_at),
        ends_at=optional_moment(ends_at),
    )


def subscribed_from(row: Row) -> Subscribed:
    """Read a row of ``load_subscription`` and ``list_subscriptions``."""
    return Subscribed(row[0], subscription_from(row[1], row[2], row[3:]))


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


def counter_row(counter: CounterKey) -> Row:
    """Write the key of a total, as ``load_totals`` and ``put_total`` take it."""
    bucket, subscription_id, feature_id, reset_period, period_start = counter
    return (bucket, subscription_id, feature_id, reset_period or NO_RESET, to_milliseconds(period_start))


def counter_from(row: Row) -> CounterKey:
    """Read the first five columns of ``audit``: the key of a total."""
    return CounterKey(row[0], row[1], row[2], RESETS[row[3]], from_milliseconds(row[4]))


def entry_from(row: Row) -> Entry:
    """Read a row of ``load_entries_by_key`` and ``list_entries``."""
    bucket, feature_id, subscription_id, used = row[0], row[4], row[10], row[13]
    recorded_at, timestamp = from_milliseconds(row[19]), optional_moment(row[17])
    counter = consumption = None
    if subscription_id is not None:
        counter = counter_from((bucket, subscription_id, feature_id, row[11], row[12]))
    if used is not None:
        consumption = Consumption(used, row[14], bool(row[15]))
    return Entry(
        bucket=bucket,
        user_key=row[1],
        id=row[2],
        environment=Environment(row[3]),
        feature_id=feature_id,
        action=Action(row[5]),
        delta=row[6],
        outcome=Outcome(row[7]),
        reason=row[8],
        change=row[9],
        counter=counter,
        consumption=consumption,
        key=None if row[16] is None else bytes(row[16]),
        timestamp=timestamp,
        metadata=None if row[18] is None else json.loads(row[18]),
        occurred_at=timestamp or recorded_at,
        recorded_at=recorded_at,
    )


ENTRY_COLUMNS = (
    "bucket",
    "user_key",
    "id",
    "environment",
    "feature_id",
    "action",
    "delta",
    "outcome",
    "reason",
    "change",
    "subscription_id",
    "reset_period",
    "period_start",
    "used",
    "budget",
    "overage_enabled",
    "key",
    "timestamp",
    "metadata",
    "recorded_at",
)
"""The columns of the ledger, as ``entry_row`` has them."""


def entry_row(entry: Entry) -> Row:
    """Write a row of ``entries``."""
    counter, consumption = entry.counter, entry.consumption
    return (
        entry.bucket,
        entry.user_key,
        entry.id,
        entry.environment,
        entry.feature_id,
        entry.action,
        entry.delta,
        entry.outcome,
        entry.reason,
        entry.change,
        None if counter is None else counter.subscription_id,
        None if counter is None else counter.reset_period or NO_RESET,
        None if counter is None else to_milliseconds(counter.period_start),
        None if consumption is None else consumption.used,
        None if consumption is None else consumption.budget,
        None if consumption is None else int(consumption.overage_enabled),
        entry.key,
        optional_milliseconds(entry.timestamp),
        None if entry.metadata is None else to_json(entry.metadata),
        to_milliseconds(entry.recorded_at),
    )


def day_rows(tallies: Tallies) -> list[Row]:
    """Write the rows of ``add_usage_day``."""
    return [(*key, *tally) for key, tally in tallies.days.items()]


def hour_rows(tallies: Tallies, *, bucket: int) -> list[Row]:
    """Write the rows of ``add_usage_hour`` in one order, so that no two who add wait for each other in a circle."""
    return [(*key, bucket, *tally) for key, tally in sorted(tallies.hours.items())]


def tokens_log_row(user: User, *, by: Actor, now: datetime) -> Row:
    """Write the line for a user's tokens revoked."""
    subject = ("user tokens", user.id)
    return log_row("revoked", subject, environment=user.environment, before=None, after=None, by=by, now=now)


def user_log_row(old: User | None, new: User, signed: Signed) -> Row:
    """Write the line for a user made or changed, under the id that they have now."""
    before = None if old is None else _told_user(old)
    after, subject = _told_user(new), ("user", new.id)
    return log_row(
        verb(before, after),
        subject,
        environment=new.environment,
        before=before,
        after=after,
        by=signed.by,
        now=signed.clock(),
    )


def _told_user(user: User) -> dict[str, object]:
    told = ("id", "name", "email", "billing_id", "metadata")
    return {name: getattr(user, name) for name in told}


def subscription_log_rows(
    environment: Environment, old: Account, changed: Sequence[Subscription], signed: Signed
) -> list[Row]:
    """Write a line for each subscription begun, changed or ended, under the id of the user."""
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
