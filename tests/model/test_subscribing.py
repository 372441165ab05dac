"""Terms of subscribing: starts, anchors and trials, and what they do to base packages and add-ons over time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from kana.errors import InvalidValue, SubscriptionRefused
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.period import Calendar
from kana.model.subscribing import cancel, change_base, subscribe
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.terms import AnchorKind, Terms
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
LATER = NOW + 10 * ONE_DAY
CANCELLED, TRIALING = SubscriptionStatus.CANCELLED, SubscriptionStatus.TRIALING
CATALOG: Catalog = a_catalog(
    a_feature(),
    a_package("basic", allows(10, MONTH)),
    a_package("pro", allows(100, MONTH)),
    a_package("extra", allows(5), is_addon=True),
    a_package("basic-extra", is_addon=True, base_package_ids=("basic",)),
    a_package("pro-extra", is_addon=True, base_package_ids=("pro",)),
)
BASIC = a_subscription(1, "basic")
EXTRA = a_subscription(2, "extra")
TO_LATER = replace(BASIC, ends_at=LATER)
PRO_LATER = a_subscription(3, "pro", start=LATER, scheduled=True)


def subscribed(account: Account, *package_ids: str, **terms: Any) -> list[Subscription]:
    return subscribe(account, CATALOG, package_ids, terms=Terms(**terms), now=NOW, next_id=count(100).__next__)


def test_a_later_start_is_scheduled() -> None:
    """The start is the one given, and nothing is allowed before."""
    assert subscribed(an_account(), "basic", "extra", starts_at=LATER) == [
        a_subscription(100, "basic", start=LATER, scheduled=True),
        a_subscription(101, "extra", start=LATER, scheduled=True),
    ]


@pytest.mark.parametrize("starts_at", [NOW, NOON - 30 * ONE_DAY])
def test_a_start_now_or_before_is_not(starts_at: datetime) -> None:
    """It has begun; a base package and its add-ons may begin in the past together."""
    assert [each.scheduled for each in subscribed(an_account(), "basic", "extra", starts_at=starts_at)] == [False] * 2


def test_a_trial_becomes_active_or_ends() -> None:
    """TRIALING until a moment; with endsWithTrial that is the end as well, for add-ons too."""
    [trial] = subscribed(an_account(), "basic", trial_ends_at=LATER)
    assert trial == a_subscription(100, start=NOW, status=TRIALING, trial_ends_at=LATER)
    both = subscribed(an_account(), "basic", "extra", trial_ends_at=LATER, ends_with_trial=True)
    assert [(each.status, each.ends_at) for each in both] == [(TRIALING, LATER)] * 2


def test_the_anchor_is_kept() -> None:
    """As it was given."""
    calendar = Calendar("Asia/Tokyo")
    assert [each.anchor for each in subscribed(an_account(), "basic", "extra", anchor=calendar)] == [calendar] * 2
    assert subscribed(an_account(), "basic", anchor=NOON)[0].anchor == NOON


def test_a_calendar_without_a_zone_follows_that_of_the_account() -> None:
    """It is settled when the subscription is made, and a zone that is named comes first."""
    calendar = AnchorKind.CALENDAR
    assert [each.anchor for each in subscribed(an_account(), "basic", anchor=calendar)] == [Calendar("UTC")]
    in_tokyo = replace(an_account(), time_zone="Asia/Tokyo")
    assert [each.anchor for each in subscribed(in_tokyo, "basic", anchor=calendar)] == [Calendar("Asia/Tokyo")]
    berlin = Calendar("Europe/Berlin")
    assert [each.anchor for each in subscribed(in_tokyo, "basic", anchor=berlin)] == [berlin]
    assert [each.anchor for each in subscribed(in_tokyo, "basic")] == [None]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"starts_at": datetime(1969, 12, 31, tzinfo=UTC)}, "startsAt must be from 1970 to 2999, got 1969-12-31"),
        ({"anchor": datetime(3000, 1, 1, tzinfo=UTC)}, "anchorAt must be from 1970 to 2999, got 3000-01-01"),
        ({"trial_ends_at": datetime(3000, 1, 1, tzinfo=UTC)}, "trialEndsAt must be from 1970 to 2999, got 3000"),
        (
            {"ends_with_trial": True},
            "endsWithTrial needs a trial to end with, and 'basic' would have none: give trialEndsAt",
        ),
        (
            {"trial_ends_at": LATER, "without_trial": True},
            "trialEndsAt cannot be given for a start without a trial",
        ),
        ({"trial_ends_at": NOW}, f"trialEndsAt must be after {NOW.isoformat()}, got"),
        ({"trial_ends_at": LATER, "starts_at": LATER}, f"trialEndsAt must be after {LATER.isoformat()}, got"),
        ({"trial_ends_at": NOON, "starts_at": NOON - ONE_DAY}, f"trialEndsAt must be after {NOW.isoformat()}, got"),
    ],
)
def test_terms_that_cannot_be(terms: dict[str, Any], message: str) -> None:
    """The field, the value and what is allowed are named."""
    with pytest.raises(InvalidValue) as raised:
        subscribed(an_account(), "basic", **terms)
    assert raised.value.message.startswith(message)
    assert raised.value.field == message.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    ("held", "terms"),
    [
        ([TO_LATER], {"starts_at": LATER}),
        ([replace(BASIC, status=CANCELLED, ends_at=NOON + ONE_DAY)], {"starts_at": NOON + ONE_DAY}),
        ([PRO_LATER], {"trial_ends_at": LATER, "ends_with_trial": True}),
        ([replace(PRO_LATER, ends_at=LATER + ONE_DAY)], {"starts_at": LATER + ONE_DAY}),
        ([replace(PRO_LATER, status=CANCELLED, ends_at=NOW)], {}),
    ],
)
def test_base_packages_may_follow_each_other(held: list[Subscription], terms: dict[str, Any]) -> None:
    """From the moment that one ends, or until the other begins; one that was withdrawn counts for nothing."""
    assert [each.package_id for each in subscribed(an_account(*held), "pro", **terms)] == ["pro"]


@pytest.mark.parametrize(
    ("held", "terms", "more"),
    [
        ([TO_LATER], {}, ""),
        ([TO_LATER], {"starts_at": LATER - MILLISECOND}, ""),
        ([PRO_LATER], {}, f": 'pro' holds from {LATER.isoformat()}, and 'pro' would start at {NOW.isoformat()}"),
        (
            [replace(BASIC, status=CANCELLED, ends_at=NOON + ONE_DAY)],
            {"starts_at": NOON},
            f": 'basic' holds from {NOON.isoformat()} until {(NOON + ONE_DAY).isoformat()},"
            f" and 'pro' would start at {NOON.isoformat()}",
        ),
    ],
)
def test_two_base_packages_never_hold_at_once(held: list[Subscription], terms: dict[str, Any], more: str) -> None:
    """Not later, and not in the past either; where it is not plain, the message says when the other one holds."""
    with pytest.raises(SubscriptionRefused) as raised:
        subscribed(an_account(*held), "pro", **terms)
    assert raised.value.message == f"Cannot subscribe to multiple tiers{more}"


def test_an_addon_needs_its_base_package_when_it_starts() -> None:
    """One that is yet to come, or has ended by then, is none."""
    with pytest.raises(SubscriptionRefused, match="Missing live tier subscription"):
        subscribed(an_account(TO_LATER), "extra", starts_at=LATER)
    with pytest.raises(SubscriptionRefused, match="Missing live tier subscription"):
        subscribed(an_account(PRO_LATER), "extra")
    [addon] = subscribed(an_account(TO_LATER, PRO_LATER), "pro-extra", starts_at=LATER)
    assert (addon.start, addon.ends_at) == (LATER, None)


def test_an_addon_lasts_over_base_packages_that_follow() -> None:
    """If it goes with the next one, it goes on; if not, or after a gap, it ends with the first."""
    following = an_account(TO_LATER, PRO_LATER)
    assert [each.ends_at for each in subscribed(following, "extra")] == [None]
    assert [each.ends_at for each in subscribed(following, "basic-extra")] == [LATER]
    gap = an_account(TO_LATER, replace(PRO_LATER, start=LATER + MILLISECOND))
    assert [each.ends_at for each in subscribed(gap, "extra")] == [LATER]


def test_an_addon_in_the_past_comes_with_its_base_package() -> None:
    """What was used since was decided without it."""
    with pytest.raises(SubscriptionRefused) as raised:
        subscribed(an_account(BASIC), "extra", starts_at=NOON + ONE_DAY)
    assert raised.value.message == (
        f"Cannot subscribe to addon 'extra' from {(NOON + ONE_DAY).isoformat()}: only together with its base package"
        " can it start in the past"
    )


def test_an_addon_may_follow_itself() -> None:
    """A second time is refused only where both would hold."""
    ending = replace(EXTRA, ends_at=LATER)
    assert len(subscribed(an_account(BASIC, ending), "extra", starts_at=LATER)) == 1
    with pytest.raises(SubscriptionRefused, match="a second time before it has ended"):
        subscribed(an_account(BASIC, ending), "extra", starts_at=LATER - MILLISECOND)


def cancelled(account: Account, subscription_id: int, *, at_period_end: bool = False) -> list[Subscription]:
    return cancel(account, CATALOG, subscription_id, at_period_end=at_period_end, now=NOW)


def test_a_scheduled_one_that_is_cancelled_never_starts() -> None:
    """It ends now, before its start, and so do the add-ons that would have started with it."""
    addon = a_subscription(4, "pro-extra", start=LATER, scheduled=True)
    assert cancelled(an_account(TO_LATER, EXTRA, PRO_LATER, addon), 3) == [
        replace(PRO_LATER, status=CANCELLED, ends_at=NOW),
        replace(EXTRA, ends_at=LATER, ends_with_base=True),
        replace(addon, status=CANCELLED, ends_at=NOW, ends_with_base=True),
    ]


@pytest.mark.parametrize("at_period_end", [True, False])
def test_cancelling_takes_back_what_was_to_follow(at_period_end: bool) -> None:
    """Who cancels their package does not want the next one."""
    end = datetime(2026, 4, 10, 12, tzinfo=UTC)
    old, next_one = replace(BASIC, ends_at=end), replace(PRO_LATER, start=end)
    changed = cancelled(an_account(old, next_one), 1, at_period_end=at_period_end)
    ended = [] if at_period_end else [replace(old, status=CANCELLED, ends_at=NOW)]
    assert changed == [*ended, replace(next_one, status=CANCELLED, ends_at=NOW)]


def test_a_scheduled_one_can_end_after_its_first_period() -> None:
    """Its period is counted from its start; it stays scheduled until then."""
    [ended] = cancelled(an_account(PRO_LATER), 3, at_period_end=True)
    assert ended == replace(PRO_LATER, ends_at=LATER.replace(month=4))


def test_the_end_of_the_period_is_that_of_the_anchor() -> None:
    """By the calendar in Berlin, the first of April, at midnight in summer time."""
    [ended] = cancelled(an_account(replace(BASIC, anchor=Calendar("Europe/Berlin"))), 1, at_period_end=True)
    assert ended.ends_at == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_a_change_now_takes_the_place_of_one_that_was_to_follow() -> None:
    """The one that was scheduled to follow does not start; one that starts after a gap is in the way."""
    old, new, fresh = change_base(an_account(TO_LATER, PRO_LATER), CATALOG, "pro", now=NOW, next_id=count(100).__next__)
    assert (old.ends_at, new.ends_at) == (NOW, NOW)
    assert fresh == a_subscription(100, "pro", start=NOW)
    gap = replace(PRO_LATER, start=LATER + timedelta(hours=1))
    with pytest.raises(SubscriptionRefused, match="Cannot subscribe to multiple tiers: 'pro' holds from"):
        change_base(an_account(TO_LATER, gap), CATALOG, "pro", now=NOW, next_id=count(100).__next__)


def test_a_package_that_is_yet_to_come_cannot_be_changed() -> None:
    """There is none to change now."""
    with pytest.raises(SubscriptionRefused, match="has no base package to change"):
        change_base(an_account(PRO_LATER), CATALOG, "basic", now=NOW, next_id=count(100).__next__)
