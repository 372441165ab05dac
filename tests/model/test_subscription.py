"""When a subscription stands, and when it gives access."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kana.model.subscription import SubscriptionStatus
from tests.support.world import MILLISECOND, NOON, a_subscription

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


def test_what_has_ended_keeps_its_status() -> None:
    """One that expired unpaid does not turn into a cancelled one."""
    expired = a_subscription(status=S.INCOMPLETE_EXPIRED, ends_at=NOON)
    assert expired.at(NOON) is expired
