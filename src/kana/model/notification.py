"""Notifications of what has happened, so that a program need not ask again and again.

Each is found by a pure function of what is written anyway, and written in the same transaction. Some happen without a
call, as a trial ends: these are found when they are looked for, a few seconds later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from kana.model.account import Account
from kana.model.catalog import Catalog, CatalogChange
from kana.model.entitlement import Outcome
from kana.model.environment import Environment
from kana.model.given import Given, TopUp
from kana.model.grant import CounterKey
from kana.model.package import PackageStatus
from kana.model.period import optional_time_text, time_text, to_milliseconds
from kana.model.reservation import Reservation
from kana.model.subscription import GIVES_ACCESS, Subscription
from kana.model.usage import Entry
from kana.model.user import User
from kana.model.value import value_object
from kana.model.word import Word

THRESHOLDS = (80, 100)
"""There is a notification when usage reaches these percentages of a limit."""

SOON = timedelta(days=3)
"""How long before a trial or a top-up ends there is a notification."""

_REFUSALS = frozenset({Outcome.LIMIT_EXCEEDED, Outcome.CREDIT_EXCEEDED, Outcome.DENIED})
_FIRST_PERCENT = min(THRESHOLDS)


class NotificationType(Word):
    """What happened: the type of a webhook's event."""

    USAGE_THRESHOLD_REACHED = "usage.threshold_reached"
    USAGE_REFUSED = "usage.refused"
    SUBSCRIPTION_STARTED = "subscription.started"
    SUBSCRIPTION_CHANGED = "subscription.changed"
    SUBSCRIPTION_ENDED = "subscription.ended"
    TRIAL_ENDS_SOON = "trial.ends_soon"
    TOP_UP_USED_UP = "top_up.used_up"
    TOP_UP_ENDS_SOON = "top_up.ends_soon"
    RESERVATION_ENDED = "reservation.ended"
    PACKAGE_PUBLISHED = "package.published"
    USER_CREATED = "user.created"
    USER_DELETED = "user.deleted"


@value_object(kw_only=True)
class NewNotification:
    """One thing that happened, not written yet. ``user_key`` is None if it is about no user.

    ``about`` says more, in words and numbers that JSON has; a user's id is never in it, as it may change. Of those with
    the same ``once`` only the first is written.
    """

    environment: Environment
    bucket: int = 0
    user_key: int | None = None
    type: NotificationType
    occurred_at: datetime
    about: dict[str, object]
    once: str | None = None


@value_object(kw_only=True)
class Notification:
    """A notification that can be read: ``id`` grows in the order in which they can be, and never changes.

    ``user_id`` is the present id of the user; None if it is about no user.
    """

    id: int
    type: NotificationType
    user_id: str | None
    occurred_at: datetime
    about: dict[str, object]


def of_entry(entry: Entry) -> Sequence[NewNotification]:
    """Return the notifications of an entry: a limit is nearly or quite used up, or was refused for the first time.

    There is one of each for a period. There is none of what is only set aside, or has no limit.
    """
    said = entry.consumption
    if said is None or said.budget is None or (entry.line is not None and not entry.line.uses):
        return ()
    if not entry.recorded:
        return (_refused(entry),) if entry.outcome in _REFUSALS else ()
    if entry.change <= 0 or said.used * 100 < said.budget * _FIRST_PERCENT:
        return ()  # As nearly always.
    return [_reached(entry, percent) for percent in THRESHOLDS if _passes(entry, said.used, said.budget, percent)]


def _passes(entry: Entry, used: int, budget: int, percent: int) -> bool:
    return (used - entry.change) * 100 < budget * percent <= used * 100


def _reached(entry: Entry, percent: int) -> NewNotification:
    return _of_period(entry, NotificationType.USAGE_THRESHOLD_REACHED, {"percent": percent}, f"{percent}")


def _refused(entry: Entry) -> NewNotification:
    about = {"delta": entry.delta, "outcome": entry.outcome.value, "reason": entry.reason}
    return _of_period(entry, NotificationType.USAGE_REFUSED, about, "refused")


def _of_period(entry: Entry, type_: NotificationType, about: Mapping[str, object], what: str) -> NewNotification:
    """Return a notification of which there is one for the period of an entry's counter."""
    said, counter = entry.consumption, entry.counter
    assert said is not None, "it has a limit"
    assert counter is not None, "so something answered"
    start = to_milliseconds(counter.period_start)
    return NewNotification(
        environment=entry.environment,
        bucket=entry.bucket,
        user_key=entry.user_key,
        type=type_,
        occurred_at=entry.occurred_at,
        about={
            "featureId": entry.feature_id,
            **about,
            "used": said.used,
            "budget": said.budget,
            "overageEnabled": said.overage_enabled,
            "entryId": str(entry.id),
        },
        once=f"{what} {entry.user_key} {entry.feature_id} {counter.reset_period} {start}",
    )


def of_top_ups(entry: Entry, given: Sequence[Given], used: Mapping[CounterKey, int]) -> list[NewNotification]:
    """Return which of the top-ups that an entry takes from are used up with it, by the totals after it."""
    taken = {counter.source_id: counter for counter, change in entry.postings if change > 0 and not counter.is_held}
    return [
        _of_top_up(each, entry.environment, NotificationType.TOP_UP_USED_UP, entry.occurred_at)
        for each in given
        if isinstance(each, TopUp) and each.id in taken and used[taken[each.id]] >= each.amount
    ]


def of_given(account: Account, changed: Sequence[Given], *, now: datetime) -> list[NewNotification]:
    """Return the notifications of what is given to one user: a top-up may end soon from the beginning."""
    return [
        found
        for each in changed
        if isinstance(each, TopUp) and (each.ends_at is None or now < each.ends_at)
        for found in top_up_ends_soon(each, account.user.environment, now=now)
    ]


def top_up_ends_soon(top_up: TopUp, environment: Environment, *, now: datetime) -> Sequence[NewNotification]:
    """Return that a top-up ends soon, if it does."""
    if top_up.ends_at is None or now + SOON < top_up.ends_at:
        return ()
    return (_of_top_up(top_up, environment, NotificationType.TOP_UP_ENDS_SOON, now),)


def _of_top_up(top_up: TopUp, environment: Environment, type_: NotificationType, now: datetime) -> NewNotification:
    return NewNotification(
        environment=environment,
        bucket=top_up.bucket,
        user_key=top_up.user_key,
        type=type_,
        occurred_at=now,
        about={
            "topUpId": str(top_up.id),
            "featureId": top_up.feature_id,
            "amount": top_up.amount,
            "expiresAt": optional_time_text(top_up.ends_at),
        },
        once=f"{type_} {top_up.id}",
    )


def of_subscriptions(account: Account, changed: Sequence[Subscription], *, now: datetime) -> list[NewNotification]:
    """Return the notifications of subscriptions that are new or have changed.

    Of one that is to start or to end later there is another one when it does.
    """
    known = {each.id: each for each in account.subscriptions}
    found: list[NewNotification] = []
    for each in changed:
        old = known.get(each.id)
        if each == old:
            continue
        now_so = list(of_subscription(each, account.user.environment, now=now))
        if not now_so or (old is not None and each.stands(now)):
            now_so.append(_of_subscription(each, account.user.environment, NotificationType.SUBSCRIPTION_CHANGED, now))
        found += now_so
    return found


def of_subscription(
    subscription: Subscription, environment: Environment, *, now: datetime
) -> Iterator[NewNotification]:
    """Yield what is so of a subscription by now: it has started, its trial ends soon, it has ended."""
    if subscription.ever_gave_access and subscription.start <= now:
        yield _of_subscription(
            subscription, environment, NotificationType.SUBSCRIPTION_STARTED, subscription.start, once=True
        )
    trial = subscription.trial_ends_at
    if trial is not None and trial - SOON <= now < trial and subscription.at(now).status in GIVES_ACCESS:
        yield _of_subscription(subscription, environment, NotificationType.TRIAL_ENDS_SOON, now, once=True)
    if not subscription.stands(now):
        ended_at = subscription.ends_at or now
        yield _of_subscription(subscription, environment, NotificationType.SUBSCRIPTION_ENDED, ended_at, once=True)


def _of_subscription(
    subscription: Subscription, environment: Environment, type_: NotificationType, at: datetime, *, once: bool = False
) -> NewNotification:
    return NewNotification(
        environment=environment,
        bucket=subscription.bucket,
        user_key=subscription.user_key,
        type=type_,
        occurred_at=at,
        about={
            "subscriptionId": str(subscription.id),
            "packageId": subscription.package_id,
            "status": subscription.at(at).status.value,
            "startsAt": time_text(subscription.start),
            "endsAt": optional_time_text(subscription.ends_at),
            "trialEndsAt": optional_time_text(subscription.trial_ends_at),
        },
        once=f"{type_} {subscription.id}" if once else None,
    )


def of_reservation(reservation: Reservation) -> NewNotification:
    """Return that a reservation has ended, though nobody settled it."""
    return NewNotification(
        environment=reservation.environment,
        bucket=reservation.bucket,
        user_key=reservation.user_key,
        type=NotificationType.RESERVATION_ENDED,
        occurred_at=reservation.ends_at,
        about={
            "reservationId": str(reservation.id),
            "lines": [
                {"featureId": each.feature_id, "units": each.units, "settled": each.settled}
                for each in reservation.lines
            ],
        },
        once=f"{NotificationType.RESERVATION_ENDED} {reservation.id}",
    )


def of_catalog(old: Catalog, changes: CatalogChange, *, now: datetime) -> list[NewNotification]:
    """Return which packages a change of the catalogue publishes."""
    return [
        NewNotification(
            environment=old.environment,
            type=NotificationType.PACKAGE_PUBLISHED,
            occurred_at=now,
            about={"packageId": each.id},
        )
        for each in changes.packages
        if each.status is PackageStatus.PUBLISHED and not _was_published(old, each.id)
    ]


def _was_published(catalog: Catalog, package_id: str) -> bool:
    return package_id in catalog.packages and catalog.packages[package_id].status is PackageStatus.PUBLISHED


def of_user(user: User, type_: NotificationType, *, now: datetime) -> NewNotification:
    """Return that a user was created or deleted."""
    return NewNotification(
        environment=user.environment, bucket=user.bucket, user_key=user.key, type=type_, occurred_at=now, about={}
    )
