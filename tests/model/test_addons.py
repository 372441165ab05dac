"""How long add-ons last: as their base packages do, until their own end, and one after the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import count

import pytest

from kana.errors import SubscriptionRefused
from kana.model.account import Account
from kana.model.subscribing import cancel, change_base, resume
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.terms import ChangeTime
from tests.support.world import (
    MONTH,
    NOON,
    ONE_DAY,
    YEAR,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    allows,
    an_account,
)

NOW = NOON + ONE_DAY
SOON, LATER = NOON + 5 * ONE_DAY, NOON + 9 * ONE_DAY
YEAR_END = NOON.replace(year=NOON.year + 1)
CATALOG = a_catalog(
    a_feature(),
    a_package("basic", allows(10, MONTH)),
    a_package("pro", allows(100, MONTH)),
    a_package("extra", allows(5, YEAR), is_addon=True),
    a_package("pro-extra", allows(5, YEAR), is_addon=True, base_package_ids=("pro",)),
)
ENDING = a_subscription(1, "basic", ends_at=SOON)
EXTRA = a_subscription(2, "extra")
WITH_BASE = replace(EXTRA, ends_at=SOON, ends_with_base=True)


def after(account: Account, changed: list[Subscription]) -> Account:
    newest = {each.id: each for each in (*account.subscriptions, *changed)}
    return replace(account, subscriptions=tuple(newest.values()))


def cancelled(account: Account, number: int, *, now: datetime = NOW, at_period_end: bool = False) -> Account:
    return after(account, cancel(account, CATALOG, number, at_period_end=at_period_end, now=now))


def resumed(account: Account, number: int) -> Account:
    return after(account, resume(account, CATALOG, number, now=NOW))


def found(account: Account, number: int) -> Subscription:
    return next(each for each in account.subscriptions if each.id == number)


def test_an_addons_own_end_is_kept_while_its_base_package_ends_sooner() -> None:
    """Once that goes on, the add-on ends when it would have: at the end of its trial, or when it was cancelled."""
    trial = replace(EXTRA, ends_at=LATER, trial_ends_at=LATER, status=SubscriptionStatus.TRIALING)
    account = an_account(replace(ENDING, ends_at=LATER + ONE_DAY), trial)
    account = cancelled(account, 1, now=SOON)
    assert found(account, 2).ends_at == SOON
    account = cancelled(an_account(replace(ENDING, ends_at=None), trial), 1, at_period_end=True)
    assert found(account, 2) == trial
    sooner = after(account, [ENDING, replace(trial, ends_at=SOON, ends_with_base=True, own_ends_at=LATER)])
    assert found(resumed(sooner, 1), 2) == trial


def test_a_base_package_that_ends_sooner_notes_the_addons_own_end() -> None:
    """It is what the add-on ended at before."""
    account = an_account(replace(ENDING, ends_at=None), replace(EXTRA, ends_at=YEAR_END))
    account = cancelled(account, 1, at_period_end=True)
    ends_at = found(account, 1).ends_at
    assert ends_at is not None
    assert found(account, 2) == replace(EXTRA, ends_at=ends_at, ends_with_base=True, own_ends_at=YEAR_END)


def test_an_addon_that_ends_with_its_base_package_may_be_cancelled_beside() -> None:
    """At the end of its own period, it ends no later than before, and does not go on with the base package."""
    account = cancelled(an_account(ENDING, WITH_BASE), 2, at_period_end=True)
    assert found(account, 2) == replace(WITH_BASE, own_ends_at=YEAR_END)
    assert cancel(account, CATALOG, 2, at_period_end=True, now=NOW) == []
    assert found(resumed(account, 1), 2) == replace(EXTRA, ends_at=YEAR_END)


def test_an_addon_goes_on_until_it_is_subscribed_to_again() -> None:
    """Never are there two at once: neither by resuming the first, nor by resuming its base package."""
    again = a_subscription(3, "extra", start=LATER, scheduled=True)
    base = replace(ENDING, ends_at=None)
    account = resumed(an_account(base, replace(EXTRA, ends_at=SOON), again), 2)
    assert found(account, 2) == replace(EXTRA, ends_at=LATER, ends_with_base=True)
    with pytest.raises(SubscriptionRefused) as refused:
        resumed(account, 2)
    assert refused.value.message == f"Add-on 'extra' is subscribed to again from {LATER.isoformat()} on"
    next_base = a_subscription(4, "pro", start=SOON, scheduled=True)
    account = resumed(an_account(ENDING, WITH_BASE, replace(again, start=SOON), next_base), 1)
    assert found(account, 2) == WITH_BASE
    assert found(account, 3) == replace(again, start=SOON)


def test_an_addon_that_is_to_start_with_another_base_package_does_not_start_with_this_one() -> None:
    """It was asked for beside the one that was to follow; it goes with no other, and does not start."""
    to_follow = a_subscription(3, "pro", start=SOON, scheduled=True)
    addon = a_subscription(4, "pro-extra", start=SOON, scheduled=True)
    account = resumed(an_account(ENDING, to_follow, addon), 1)
    assert [each.status for each in account.state(NOW)] == [SubscriptionStatus.ACTIVE]
    never = replace(addon, status=SubscriptionStatus.CANCELLED, ends_at=NOW, ends_with_base=True)
    assert found(account, 4) == never


def test_a_change_leaves_an_addon_that_was_made_for_the_package_before() -> None:
    """Once it has begun, what it goes with is not asked again as long as its package stays, whatever has changed."""
    made_before = a_subscription(4, "pro-extra")
    changed = change_base(
        an_account(replace(ENDING, ends_at=None), made_before), CATALOG, "pro",
        when=ChangeTime.PERIOD_END, now=NOW, next_id=count(100).__next__,
    )  # fmt: skip
    assert [each.id for each in changed] == [1, 100]
