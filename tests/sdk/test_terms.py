"""Subscribing on terms, changing at the end of a period, and taking it back, with both clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from kana.sdk import ChangeTime, ChangeUsage, Grant, KanaAdmin, SubscriptionStatus
from tests.sdk.people import value


async def test_subscriptions_on_terms(either: Any, kana: KanaAdmin, number: int) -> None:
    """A later start, a trial and a calendar; a change at the period's end is scheduled and taken back."""
    user_id, calls = f"terms-{number}", f"term-calls-{number}"
    kana.users.create(id=user_id)
    kana.features.create(id=calls, type="CONSUMABLE")
    for name in ("low", "high"):
        kana.packages.create(id=f"{name}-{number}", features=[Grant(id=calls, limit=5, reset_period="MONTH")])
        kana.packages.publish(id=f"{name}-{number}")
    starts_at = datetime(2090, 1, 31, tzinfo=UTC)
    trial_ends_at = starts_at + timedelta(days=14)
    [later] = await value(
        either.subscriptions.create(
            user_id=user_id,
            package_ids=[f"low-{number}"],
            starts_at=starts_at,
            anchor="CALENDAR",
            time_zone="Asia/Tokyo",
            trial_ends_at=trial_ends_at,
            ends_with_trial=True,
        )
    )
    assert (later.status, later.started_at, later.ends_at) == (SubscriptionStatus.SCHEDULED, starts_at, trial_ends_at)
    assert (later.trial_ends_at, later.anchor_at, later.time_zone) == (trial_ends_at, None, "Asia/Tokyo")
    assert (await value(either.subscriptions.resume(id=later.id))).ends_at is None
    await value(either.subscriptions.cancel(id=later.id))

    [now] = await value(
        either.subscriptions.create(user_id=user_id, package_ids=[f"low-{number}"], anchor_at=starts_at)
    )
    assert now.anchor_at == starts_at
    change = either.subscriptions.change
    new = await value(
        change(user_id=user_id, package_id=f"high-{number}", when=ChangeTime.PERIOD_END, usage=ChangeUsage.CARRY)
    )
    assert (new.status, new.anchor_at) == (SubscriptionStatus.SCHEDULED, starts_at)
    assert (await value(either.subscriptions.retrieve(id=now.id))).ends_at == new.started_at
    assert await value(either.subscriptions.resume(id=now.id)) == now
    assert (await value(either.subscriptions.retrieve(id=new.id))).status is SubscriptionStatus.CANCELLED


async def test_a_trial_by_the_package(either: Any, number: int) -> None:
    """Its days are sent and read; left out they count, None is no trial, and nobody has the trial twice."""
    package, calls = f"trial-{number}", f"trial-calls-{number}"
    await value(either.features.create(id=calls, type="CONSUMABLE"))
    made = await value(either.packages.create(id=package, features=[Grant(id=calls)], trial_days=14))
    assert made.trial_days == 14
    assert (await value(either.packages.update(id=package, trial_days=None))).trial_days is None
    assert (await value(either.packages.update(id=package, name="Trial"))).trial_days is None
    assert (await value(either.packages.update(id=package, trial_days=7))).trial_days == 7
    await value(either.packages.publish(id=package))
    lasting: list[timedelta | None] = []
    for terms in ({"trial_ends_at": None}, {}, {}):
        user_id = f"trial-user-{number}"
        if not lasting:
            await value(either.users.create(id=user_id))
        [held] = await value(either.subscriptions.create(user_id=user_id, package_ids=[package], **terms))
        lasting.append(None if held.trial_ends_at is None else held.trial_ends_at - held.started_at)
        await value(either.subscriptions.cancel(id=held.id))
    assert lasting == [None, timedelta(days=7), None]
