"""Changing the base package now or at the end of its period, with or without its usage, and taking an end back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from kana.errors import Conflict, InvalidValue, SubscriptionNotFound, SubscriptionRefused
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.counting import Origin
from kana.model.period import Calendar
from kana.model.subscribing import cancel, change_base, resume
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.terms import AnchorKind, ChangeTime, ChangeUsage, anchor_of
from tests.support.world import (
    DAY,
    MONTH,
    NOON,
    ONE_DAY,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    allows,
    an_account,
    holds,
)

NOW = NOON + 3 * ONE_DAY
END = datetime(2026, 4, 10, 12, tzinfo=UTC)
CANCELLED = SubscriptionStatus.CANCELLED
CATALOG: Catalog = a_catalog(
    a_feature(),
    a_feature("chat", binary=True),
    a_package("basic", allows(10, MONTH)),
    a_package("pro", allows(100, MONTH)),
    a_package("daily", allows(5, DAY)),
    a_package("ever", allows(5, None)),
    a_package("switch", holds("chat")),
    a_package("extra", allows(5), is_addon=True),
    a_package("basic-extra", is_addon=True, base_package_ids=("basic",)),
)
BASIC = a_subscription(1, "basic")
EXTRA = a_subscription(2, "extra")
BASIC_EXTRA = a_subscription(3, "basic-extra")
PRO = a_subscription(100, "pro", start=END, scheduled=True)
TO_END = replace(BASIC, ends_at=END)


def changed(
    account: Account,
    package_id: str = "pro",
    *,
    when: ChangeTime = ChangeTime.PERIOD_END,
    usage: ChangeUsage = ChangeUsage.RESET,
) -> list[Subscription]:
    next_id = count(100).__next__
    return change_base(account, CATALOG, package_id, when=when, usage=usage, now=NOW, next_id=next_id)


def resumed(*held: Subscription, subscription_id: int = 1) -> list[Subscription]:
    return resume(an_account(*held), CATALOG, subscription_id, now=NOW)


def test_a_change_at_the_periods_end_is_scheduled() -> None:
    """The old one ends and the new one starts there; add-ons that do not go with it end, the others go on."""
    assert changed(an_account(BASIC, EXTRA, BASIC_EXTRA)) == [
        TO_END,
        replace(BASIC_EXTRA, ends_at=END, ends_with_base=True),
        PRO,
    ]


def test_one_that_is_going_to_end_lasts_until_then() -> None:
    """Its end is when it is changed; add-ons that were to end with it go on."""
    ends_at = NOW + ONE_DAY
    old = replace(BASIC, ends_at=ends_at)
    extra = replace(EXTRA, ends_at=ends_at, ends_with_base=True)
    assert changed(an_account(old, extra)) == [old, EXTRA, replace(PRO, start=ends_at)]


def test_another_change_takes_the_place_of_the_first() -> None:
    """The package that was scheduled before does not start, now or then."""
    before = a_subscription(9, "daily", start=END, scheduled=True)
    gone = replace(before, status=CANCELLED, ends_at=NOW)
    assert changed(an_account(TO_END, before)) == [TO_END, gone, PRO]
    assert changed(an_account(TO_END, before), when=ChangeTime.NOW) == [
        replace(BASIC, status=CANCELLED, ends_at=NOW),
        gone,
        a_subscription(100, "pro", start=NOW),
    ]


def test_there_must_be_a_period_end() -> None:
    """A package in which nothing resets can only be changed now."""
    with pytest.raises(Conflict, match="has no reset period"):
        changed(an_account(a_subscription(1, "ever")))


@pytest.mark.parametrize(("when", "start"), [(ChangeTime.NOW, NOW), (ChangeTime.PERIOD_END, END)])
def test_carrying_goes_on_with_counters_and_anchor(when: ChangeTime, start: datetime) -> None:
    """Also from one that goes on already: there is one origin."""
    old = replace(BASIC, anchor=NOON - 30 * ONE_DAY)
    end = start if when is ChangeTime.NOW else datetime(2026, 4, 8, 12, tzinfo=UTC)
    new = changed(an_account(old), when=when, usage=ChangeUsage.CARRY)[-1]
    assert (new.start, new.anchor, new.origin) == (end, old.anchor, Origin(1, NOON))
    again = replace(old, origin=Origin(7, NOON - ONE_DAY))
    assert changed(an_account(again), when=when, usage=ChangeUsage.CARRY)[-1].origin == Origin(7, NOON - ONE_DAY)


def test_features_of_one_package_alone_stand_in_no_way() -> None:
    """What only one of them has is not carried."""
    assert changed(an_account(BASIC), "switch", when=ChangeTime.NOW, usage=ChangeUsage.CARRY)[-1].origin is not None


def test_resuming_takes_back_a_cancellation() -> None:
    """With the add-ons that were to end with it, and not those that were cancelled alone."""
    alone = replace(a_subscription(4, "extra"), ends_at=END)
    with_it = replace(BASIC_EXTRA, ends_at=END, ends_with_base=True)
    assert resumed(TO_END, alone, with_it) == [BASIC, BASIC_EXTRA]
    ended = cancel(an_account(BASIC, BASIC_EXTRA), CATALOG, 1, at_period_end=True, now=NOW)
    assert resumed(*ended) == [BASIC, BASIC_EXTRA]


def test_resuming_takes_back_a_scheduled_change() -> None:
    """All is as it was; the new one never starts."""
    account = an_account(BASIC, EXTRA, BASIC_EXTRA)
    scheduled = {each.id: each for each in (*account.subscriptions, *changed(account))}
    back = {each.id: each for each in resumed(*scheduled.values())}
    assert back == {1: BASIC, 3: BASIC_EXTRA, 100: replace(PRO, status=CANCELLED, ends_at=NOW)}


def test_resuming_what_does_not_end_changes_nothing() -> None:
    """It may be repeated."""
    assert resumed(BASIC, EXTRA) == []


def test_what_cannot_be_resumed() -> None:
    """What has ended, an add-on whose base package ends, and a base package if another one starts later."""
    with pytest.raises(SubscriptionRefused, match="Subscription 1 has ended; subscribe the user again"):
        resumed(replace(BASIC, status=CANCELLED, ends_at=NOW))
    with pytest.raises(SubscriptionNotFound, match="User 'ada' has no subscription 1"):
        resumed(EXTRA)
    ending = replace(EXTRA, ends_at=END, ends_with_base=True)
    with pytest.raises(SubscriptionRefused) as raised:
        resumed(TO_END, ending, subscription_id=2)
    assert raised.value.message == (f"Add-on 'extra' ends with its base package at {END.isoformat()}; resume that one")
    with pytest.raises(SubscriptionRefused, match="Cannot subscribe to multiple tiers: 'pro' holds from"):
        resumed(TO_END, replace(PRO, start=END + ONE_DAY))


def test_an_addon_is_resumed_as_far_as_its_base_package_lasts() -> None:
    """For ever, or until the base package ends."""
    sooner = replace(EXTRA, ends_at=NOW + ONE_DAY)
    assert resumed(BASIC, sooner, subscription_id=2) == [EXTRA]
    assert resumed(TO_END, sooner, subscription_id=2) == [replace(EXTRA, ends_at=END, ends_with_base=True)]


def test_what_periods_are_counted_from() -> None:
    """The start, an instant or the calendar of a zone; never two of them."""
    assert anchor_of(None, anchor_at=None, time_zone=None) is None
    assert anchor_of(AnchorKind.START, anchor_at=None, time_zone=None) is None
    assert anchor_of(None, anchor_at=NOON, time_zone=None) == NOON
    assert anchor_of(AnchorKind.CALENDAR, anchor_at=None, time_zone=None) is AnchorKind.CALENDAR
    assert anchor_of(AnchorKind.CALENDAR, anchor_at=None, time_zone="Asia/Tokyo") == Calendar("Asia/Tokyo")
    for kind, zone in ((AnchorKind.CALENDAR, None), (AnchorKind.START, None), (None, "UTC")):
        with pytest.raises(InvalidValue, match=r"periods have one anchor|timeZone needs anchor CALENDAR"):
            anchor_of(kind, anchor_at=NOON, time_zone=zone)


def test_where_periods_are_counted_from_is_told() -> None:
    """An instant, or the zone of a calendar."""
    assert (BASIC.anchored_at, BASIC.time_zone) == (NOON, None)
    assert replace(BASIC, anchor=END).anchored_at == END
    assert replace(BASIC, origin=Origin(7, NOON - ONE_DAY)).anchored_at == NOON - ONE_DAY
    calendar = replace(BASIC, anchor=Calendar("Asia/Tokyo"))
    assert (calendar.anchored_at, calendar.time_zone) == (None, "Asia/Tokyo")
