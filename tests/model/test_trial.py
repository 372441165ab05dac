"""How long a new subscription is a trial: by its terms, or else as many days as its package says, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from kana.errors import InvalidValue
from kana.model.subscribing import change_base, subscribe
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.terms import Terms
from tests.support.world import (
    MILLISECOND,
    MONTH,
    NOON,
    ONE_DAY,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    allows,
    an_account,
)

NOW = NOON + 3 * ONE_DAY
ACTIVE, CANCELLED, TRIALING = SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELLED, SubscriptionStatus.TRIALING
CATALOG = a_catalog(
    a_feature(),
    a_package("basic", allows(10, MONTH), trial_days=14),
    a_package("pro", allows(100, MONTH)),
    a_package("gold", allows(500, MONTH), trial_days=7),
    a_package("extra", allows(5), is_addon=True, trial_days=365),
)
IN_14_DAYS = NOW + 14 * ONE_DAY
TRIED = a_subscription(1, status=CANCELLED, trial_ends_at=NOON + ONE_DAY, ends_at=NOON + MILLISECOND)


def subscribed(*package_ids: str, held: tuple[Subscription, ...] = (), **terms: Any) -> list[Subscription]:
    account = an_account(*held)
    return subscribe(account, CATALOG, package_ids, terms=Terms(**terms), now=NOW, next_id=count(100).__next__)


def trials(made: list[Subscription]) -> list[tuple[SubscriptionStatus, datetime | None]]:
    return [(each.status, each.trial_ends_at) for each in made]


def test_a_package_gives_a_trial_of_its_days() -> None:
    """TRIALING until so many times 24 hours after the start, to the instant; each package has its own."""
    [made] = subscribed("basic")
    assert made == a_subscription(100, start=NOW, status=TRIALING, trial_ends_at=IN_14_DAYS)
    assert made.at(IN_14_DAYS - MILLISECOND).status is TRIALING
    assert made.at(IN_14_DAYS).status is ACTIVE
    assert trials(subscribed("pro", "extra")) == [(ACTIVE, None), (TRIALING, NOW + 365 * ONE_DAY)]


@pytest.mark.parametrize("days", [-400, -2, 5])
def test_the_days_are_counted_from_the_start(days: int) -> None:
    """One that is given too; days that are over by now were the trial."""
    start = NOW + days * ONE_DAY
    [made] = subscribed("basic", starts_at=start)
    assert (made.trial_ends_at, made.ends_at) == (start + 14 * ONE_DAY, None)
    assert made.at(max(start, NOW)).status is (ACTIVE if days == -400 else TRIALING)


def test_what_the_terms_say_comes_first() -> None:
    """Another end, also for a package without a trial and for a user who had one; or no trial."""
    later = NOW + ONE_DAY
    assert trials(subscribed("basic", "extra", trial_ends_at=later)) == [(TRIALING, later)] * 2
    assert trials(subscribed("pro", trial_ends_at=later)) == [(TRIALING, later)]
    assert trials(subscribed("basic", held=(TRIED,), trial_ends_at=later)) == [(TRIALING, later)]
    assert trials(subscribed("basic", "extra", without_trial=True)) == [(ACTIVE, None)] * 2


def test_nobody_has_the_trial_of_a_package_twice() -> None:
    """However the first one ended; that of another package is another one."""
    assert trials(subscribed("basic", held=(TRIED,))) == [(ACTIVE, None)]
    assert trials(subscribed("gold", held=(TRIED,))) == [(TRIALING, NOW + 7 * ONE_DAY)]
    given = replace(TRIED, trial_ends_at=NOON + 90 * ONE_DAY)
    assert trials(subscribed("basic", held=(given,))) == [(ACTIVE, None)]


@pytest.mark.parametrize(
    "earlier",
    [
        a_subscription(1, status=CANCELLED, ends_at=NOON + ONE_DAY),
        replace(TRIED, start=NOW + 9 * ONE_DAY, scheduled=True),
        replace(TRIED, package_id="gold"),
    ],
)
def test_what_was_no_trial_takes_none_away(earlier: Subscription) -> None:
    """A subscription without one, a start that was cancelled before it came, and another package."""
    assert trials(subscribed("basic", held=(earlier,))) == [(TRIALING, IN_14_DAYS)]


def test_a_trial_that_is_still_to_come_counts() -> None:
    """So that there are not two of them."""
    later = a_subscription(1, start=NOW + 60 * ONE_DAY, scheduled=True, trial_ends_at=NOW + 74 * ONE_DAY)
    [made] = subscribed("basic", held=(later,), trial_ends_at=NOW + ONE_DAY, ends_with_trial=True)
    assert made.ends_at == NOW + ONE_DAY
    ended = replace(made, id=2)
    start = NOW + 30 * ONE_DAY
    with pytest.raises(InvalidValue, match="'basic' would have none"):
        subscribed("basic", held=(later, ended), starts_at=start, ends_with_trial=True)


def test_a_subscription_may_end_with_the_trial_of_its_package() -> None:
    """If there is one that is not over; otherwise it would never end, or have ended before anybody saw it."""
    [made] = subscribed("basic", ends_with_trial=True)
    assert (made.status, made.ends_at, made.trial_ends_at) == (TRIALING, IN_14_DAYS, IN_14_DAYS)
    for terms in ({}, {"without_trial": True}):
        with pytest.raises(InvalidValue) as none:
            subscribed("basic", held=(TRIED,) if not terms else (), ends_with_trial=True, **terms)
        assert (none.value.field, "'basic' would have none" in none.value.message) == ("endsWithTrial", True)
    with pytest.raises(InvalidValue, match="'pro' would have none: give trialEndsAt"):
        subscribed("pro", "extra", ends_with_trial=True)
    over = NOW - 14 * ONE_DAY
    with pytest.raises(InvalidValue, match=f"'basic' would have had its until {NOW.isoformat()}".replace("+", "\\+")):
        subscribed("basic", starts_at=over, ends_with_trial=True)
    assert subscribed("basic", starts_at=over + MILLISECOND, ends_with_trial=True)[0].ends_at == NOW + MILLISECOND


def test_a_change_of_package_is_no_new_trial() -> None:
    """The new subscription is ACTIVE, whatever the package says, and the trial of the old one has ended with it."""
    held = a_subscription(1, "pro")
    *_, new = change_base(an_account(held), CATALOG, "basic", now=NOW, next_id=count(100).__next__)
    assert trials([new]) == [(ACTIVE, None)]
