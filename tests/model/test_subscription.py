"""When a subscription stands, and when it gives access."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from kana.model.subscription import SubscriptionStatus
from tests.support.world import MILLISECOND, NOON, ONE_DAY, a_subscription

S = SubscriptionStatus


@pytest.mark.parametrize(
    ("status", "stands", "gives_access"),
    [
        (S.ACTIVE, True, True),
        (S.TRIALING, True, True),
        (S.PAST_DUE, True, False),
        (S.UNPAID, True, False),
        (S.INCOMPLETE, True, False),
        (S.CANCELLED, False, False),
        (S.INCOMPLETE_EXPIRED, False, False),
    ],
)
def test_what_each_status_means(status: SubscriptionStatus, stands: bool, gives_access: bool) -> None:
    """Only ACTIVE and TRIALING give access; the other three that have not ended still bar a second one."""
    subscription = a_subscription(status=status)
    assert subscription.stands(NOON) is stands
    assert subscription.gives_access(NOON) is gives_access
    assert subscription.at(NOON) is subscription


def test_the_end_is_exact() -> None:
    """It stands and gives access until the millisecond before its end, and is CANCELLED from there on."""
    subscription = a_subscription(ends_at=NOON)
    before = NOON - MILLISECOND
    assert (subscription.stands(before), subscription.gives_access(before)) == (True, True)
    assert subscription.at(before) is subscription
    assert (subscription.stands(NOON), subscription.gives_access(NOON)) == (False, False)
    assert subscription.at(NOON) == replace(subscription, status=S.CANCELLED)


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("ends_at", [None, NOON + ONE_DAY])
def test_what_gave_access_at_a_moment(status: S, ends_at: datetime | None) -> None:
    """ACTIVE, TRIALING and what was cancelled, from the start to the millisecond before the end, if it has one."""
    subscription = a_subscription(status=status, ends_at=ends_at)
    gave = status in {S.ACTIVE, S.TRIALING} or (status is S.CANCELLED and ends_at is not None)
    assert subscription.ever_gave_access is gave
    asked = [NOON - MILLISECOND, NOON, NOON + ONE_DAY - MILLISECOND, NOON + ONE_DAY]
    assert [subscription.gave_access(moment) for moment in asked] == [False, gave, gave, gave and ends_at is None]


@pytest.mark.parametrize("ends_at", [NOON, NOON - MILLISECOND])
def test_what_ended_as_it_began_never_gave_access(ends_at: datetime) -> None:
    """There is no moment that it held."""
    subscription = a_subscription(status=S.CANCELLED, ends_at=ends_at)
    assert not subscription.ever_gave_access
    assert not subscription.gave_access(NOON)


def test_what_has_ended_keeps_its_status() -> None:
    """One that expired unpaid does not turn into a cancelled one."""
    expired = a_subscription(status=S.INCOMPLETE_EXPIRED, ends_at=NOON)
    assert expired.at(NOON) is expired
