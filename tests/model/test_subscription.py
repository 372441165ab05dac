"""When a subscription stands, and when it gives access."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from kana.model.counting import Origin
from kana.model.period import Calendar, Period
from kana.model.subscription import SubscriptionStatus
from tests.support.world import DAY, MILLISECOND, MONTH, NOON, ONE_DAY, a_subscription

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


def test_a_scheduled_start_is_exact() -> None:
    """It stands and gives no access until the millisecond before, and is shown as SCHEDULED as long."""
    scheduled = a_subscription(start=NOON, scheduled=True)
    before = NOON - MILLISECOND
    assert (scheduled.stands(before), scheduled.gives_access(before)) == (True, False)
    assert scheduled.at(before) == replace(scheduled, status=S.SCHEDULED)
    assert (scheduled.stands(NOON), scheduled.gives_access(NOON)) == (True, True)
    assert scheduled.at(NOON) is scheduled


def test_a_start_of_a_clock_that_is_ahead_gives_access() -> None:
    """The control: only what was given for later is waited for."""
    ahead = a_subscription(start=NOON)
    assert ahead.gives_access(NOON - MILLISECOND)
    assert ahead.at(NOON - MILLISECOND) is ahead


def test_a_scheduled_one_that_ends_before_it_starts_is_cancelled() -> None:
    """The end is asked first."""
    withdrawn = a_subscription(start=NOON + ONE_DAY, scheduled=True, ends_at=NOON)
    assert withdrawn.at(NOON).status is S.CANCELLED
    assert not withdrawn.ever_gave_access


def test_a_trial_is_over_at_its_end() -> None:
    """TRIALING until the millisecond before, then ACTIVE; access stays."""
    trial = a_subscription(status=S.TRIALING, trial_ends_at=NOON)
    assert trial.at(NOON - MILLISECOND) is trial
    assert trial.at(NOON) == replace(trial, status=S.ACTIVE)
    assert trial.gives_access(NOON)
    assert replace(trial, status=S.PAST_DUE).at(NOON).status is S.PAST_DUE


def test_a_trial_that_ends_with_it_is_cancelled() -> None:
    """Where the subscription ends as well, nothing is left to be ACTIVE."""
    trial = a_subscription(status=S.TRIALING, trial_ends_at=NOON, ends_at=NOON)
    assert trial.at(NOON - MILLISECOND) is trial
    assert trial.at(NOON).status is S.CANCELLED
    assert not trial.gives_access(NOON)


def test_a_trial_without_a_known_end_stays_one() -> None:
    """As a row from before trials had ends."""
    trial = a_subscription(status=S.TRIALING)
    assert trial.at(NOON + 1000 * ONE_DAY) is trial


LATER = NOON + 3 * ONE_DAY


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [
        (NOON - ONE_DAY, NOON, False),
        (NOON - ONE_DAY, NOON + MILLISECOND, True),
        (LATER - MILLISECOND, None, True),
        (LATER, None, False),
        (NOON - ONE_DAY, None, True),
        (NOON, NOON, False),
    ],
)
def test_what_overlaps(start: datetime, end: datetime | None, overlaps: bool) -> None:
    """Both are half-open, whatever the status; one that was cancelled lasted until its end."""
    held = a_subscription(ends_at=LATER)
    assert held.overlaps(start, end) is overlaps
    assert replace(held, status=S.CANCELLED).overlaps(start, end) is overlaps
    assert not replace(held, status=S.INCOMPLETE_EXPIRED).overlaps(start, end)
    assert not replace(held, status=S.CANCELLED, ends_at=None).overlaps(start, end)


def test_without_an_end_everything_later_overlaps() -> None:
    """And what was withdrawn before it began overlaps nothing."""
    assert a_subscription().overlaps(LATER, None)
    assert not a_subscription(scheduled=True, ends_at=NOON - ONE_DAY).overlaps(NOON - 2 * ONE_DAY, None)


def test_periods_are_counted_from_the_anchor() -> None:
    """From another instant or by a calendar; the first period is cut at the start."""
    by_instant = a_subscription(anchor=NOON - 9 * ONE_DAY)
    april, may = datetime(2026, 4, 1, 12, tzinfo=NOON.tzinfo), datetime(2026, 5, 1, 12, tzinfo=NOON.tzinfo)
    assert by_instant.period_at(MONTH, NOON) == Period(NOON, april)
    assert by_instant.period_at(MONTH, april) == Period(april, may)
    by_calendar = a_subscription(anchor=Calendar("Europe/Berlin"))
    assert by_calendar.period_at(DAY, NOON).end == datetime(2026, 3, 10, 23, tzinfo=NOON.tzinfo)
    assert by_calendar.period_start_at(DAY, NOON - ONE_DAY) == NOON


def test_what_goes_on_with_other_counters_has_their_periods() -> None:
    """Its id and the beginning of the first period are the other one's; its finished periods are its own."""
    start = NOON + 40 * ONE_DAY
    held = a_subscription(9, start=start, origin=Origin(4, NOON))
    april, may = datetime(2026, 4, 10, 12, tzinfo=NOON.tzinfo), datetime(2026, 5, 10, 12, tzinfo=NOON.tzinfo)
    assert (held.counts_as, held.counted_from) == (4, NOON)
    assert (replace(held, origin=None).counts_as, replace(held, origin=None).counted_from) == (9, start)
    assert held.period_at(MONTH, start) == Period(april, may)
    assert list(held.periods_before(MONTH, start)) == []
    assert list(held.periods_before(MONTH, may)) == [Period(april, may)]
    assert list(replace(held, origin=Origin(4, april)).periods_before(MONTH, may)) == [Period(april, may)]
