"""Subscribing, changing and cancelling: what is allowed, in which words it is refused, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest

from kana.errors import Conflict, PackageNotFound, SubscriptionNotFound, SubscriptionRefused
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.package import PackageStatus
from kana.model.period import ResetPeriod
from kana.model.subscribing import cancel, change_base, subscribe
from kana.model.subscription import Subscription, SubscriptionStatus
from tests.support.world import (
    DAY,
    MILLISECOND,
    MONTH,
    NOON,
    ONE_DAY,
    YEAR,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    a_top_up,
    allows,
    an_account,
    an_override,
    holds,
)

NOW = NOON + timedelta(days=3)
UNKNOWN = "Package Id not found for app"
TIERS = "Cannot subscribe to multiple tiers"
MISSING = "Cannot subscribe to addon. Missing live tier subscription."
CANCELLED = SubscriptionStatus.CANCELLED
TIED = "Cannot subscribe to addon 'basic-extra': it goes with 'basic' only"
STANDING = sorted(set(SubscriptionStatus) - {CANCELLED, SubscriptionStatus.INCOMPLETE_EXPIRED})

CATALOG: Catalog = a_catalog(
    a_feature(),
    a_feature("chat", binary=True),
    a_package("basic", allows(10, MONTH)),
    a_package("pro", allows(100, MONTH)),
    a_package("forever", holds("chat")),
    a_package("draft", status=PackageStatus.DRAFT),
    a_package("retired", status=PackageStatus.ARCHIVED),
    a_package("extra", allows(5, DAY), is_addon=True),
    a_package("more", is_addon=True),
    a_package("basic-extra", is_addon=True, base_package_ids=("basic",)),
)

BASIC = a_subscription(1, "basic")
EXTRA = a_subscription(2, "extra")
BASIC_EXTRA = a_subscription(3, "basic-extra")


def ids() -> Iterator[int]:
    return count(100)


def subscribed(account: Account, *package_ids: str, now: datetime = NOW) -> list[Subscription]:
    return subscribe(account, CATALOG, package_ids, now=now, next_id=ids().__next__)


@pytest.mark.parametrize(
    ("held", "package_ids"),
    [
        ([], ["basic"]),
        ([], ["basic", "extra"]),
        ([], ["extra", "basic"]),
        ([], ["basic-extra", "more", "basic"]),
        ([BASIC], ["extra"]),
        ([BASIC], ["basic-extra"]),
        ([BASIC, EXTRA], ["more"]),
        ([replace(BASIC, status=SubscriptionStatus.PAST_DUE)], ["extra"]),
        ([replace(BASIC, status=CANCELLED, ends_at=NOON)], ["basic"]),
        ([replace(BASIC, ends_at=NOW)], ["pro"]),
        ([replace(BASIC, status=SubscriptionStatus.INCOMPLETE_EXPIRED)], ["pro"]),
        ([BASIC, replace(EXTRA, ends_at=NOW)], ["extra"]),
    ],
)
def test_what_may_be_subscribed_to(held: list[Subscription], package_ids: list[str]) -> None:
    """One new active subscription for each package in the order given, from now on, each with its own id."""
    assert subscribed(an_account(*held), *package_ids) == [
        a_subscription(100 + number, package_id, start=NOW) for number, package_id in enumerate(package_ids)
    ]


@pytest.mark.parametrize(
    ("held", "package_ids", "message"),
    [
        ([], [], "packageIds must name at least one package"),
        ([], ["none"], UNKNOWN),
        ([], ["draft"], UNKNOWN),
        ([], ["retired"], UNKNOWN),
        ([], ["basic", "none"], UNKNOWN),
        ([], ["basic", "pro"], TIERS),
        ([], ["basic", "basic"], TIERS),
        ([BASIC], ["pro"], TIERS),
        ([BASIC], ["basic"], TIERS),
        ([BASIC], ["extra", "pro"], TIERS),
        ([replace(BASIC, ends_at=NOW + MILLISECOND)], ["pro"], TIERS),
        *[([replace(BASIC, status=status)], ["pro"], TIERS) for status in STANDING],
        ([], ["extra"], MISSING),
        ([EXTRA], ["more"], MISSING),
        ([replace(BASIC, ends_at=NOW)], ["extra"], MISSING),
        ([], ["pro", "basic-extra"], TIED),
        ([a_subscription(1, "pro")], ["basic-extra"], TIED),
        ([BASIC, EXTRA], ["extra"], "Cannot subscribe to addon 'extra' a second time before it has ended"),
        ([], ["basic", "extra", "extra"], "Cannot subscribe to addon 'extra' a second time before it has ended"),
    ],
)
def test_what_may_not_be_subscribed_to(held: list[Subscription], package_ids: list[str], message: str) -> None:
    """All or nothing: one package that breaks a rule, in the order that the rules were settled, refuses them all."""
    with pytest.raises(SubscriptionRefused) as raised:
        subscribed(an_account(*held), *package_ids)
    assert raised.value.message == message


def test_a_held_package_that_was_archived_still_counts() -> None:
    """Who holds a retired base package may not take a second one, and may take add-ons."""
    held = an_account(a_subscription(1, "retired"))
    with pytest.raises(SubscriptionRefused, match=TIERS):
        subscribed(held, "basic")
    assert [subscription.package_id for subscription in subscribed(held, "extra")] == ["extra"]


def test_an_addon_to_a_base_that_is_to_end_ends_with_it() -> None:
    """An add-on never outlives its base package, also when it is taken after the cancellation."""
    ends_at = NOW + ONE_DAY
    [addon] = subscribed(an_account(replace(BASIC, ends_at=ends_at)), "extra")
    assert addon == a_subscription(100, "extra", start=NOW, ends_at=ends_at, ends_with_base=True)


def changed(account: Account, package_id: str) -> list[Subscription]:
    return change_base(account, CATALOG, package_id, now=NOW, next_id=ids().__next__)


@pytest.mark.parametrize(
    "old", [BASIC, replace(BASIC, ends_at=NOW + ONE_DAY), replace(BASIC, status=SubscriptionStatus.UNPAID)]
)
def test_a_change_ends_one_base_as_the_other_begins(old: Subscription) -> None:
    """The old one is cancelled, the new one active without an end, at the same instant; add-ons stay."""
    assert changed(an_account(EXTRA, old), "pro") == [
        replace(old, status=CANCELLED, ends_at=NOW),
        a_subscription(100, "pro", start=NOW),
    ]


@pytest.mark.parametrize(
    ("held", "package_id", "message"),
    [
        ([BASIC], "none", UNKNOWN),
        ([BASIC], "draft", UNKNOWN),
        ([BASIC], "extra", "Package 'extra' is an add-on; changeSubscription takes a base package"),
        ([], "pro", "User 'ada' has no base package to change; use subscribe"),
        ([EXTRA], "pro", "User 'ada' has no base package to change; use subscribe"),
        ([replace(BASIC, ends_at=NOW)], "pro", "User 'ada' has no base package to change; use subscribe"),
        ([BASIC], "basic", "User 'ada' is already subscribed to 'basic'"),
        (
            [BASIC, BASIC_EXTRA],
            "pro",
            "Add-on 'basic-extra' of user 'ada' does not go with 'pro'; cancel it first",
        ),
    ],
)
def test_what_may_not_be_changed(held: list[Subscription], package_id: str, message: str) -> None:
    """There must be a base package to leave, another to go to, and no add-on that would be left behind."""
    with pytest.raises(SubscriptionRefused) as raised:
        changed(an_account(*held), package_id)
    assert raised.value.message == message


def test_an_addon_that_goes_with_both_stays_through_a_change() -> None:
    """An add-on tied to several base packages follows from one of them to another."""
    tied = a_package("tied", is_addon=True, base_package_ids=("basic", "pro"))
    account = an_account(BASIC, a_subscription(2, "tied"))
    [_, new] = change_base(account, CATALOG.with_package(tied), "pro", now=NOW, next_id=ids().__next__)
    assert new.package_id == "pro"


def cancelled(
    account: Account,
    subscription_id: int = 1,
    *,
    at_period_end: bool = False,
    now: datetime = NOW,
    catalog: Catalog = CATALOG,
) -> list[Subscription]:
    return cancel(account, catalog, subscription_id, at_period_end=at_period_end, now=now)


def gone(*subscriptions: Subscription) -> list[Subscription]:
    return [replace(subscription, status=CANCELLED, ends_at=NOW) for subscription in subscriptions]


def test_a_base_takes_its_addons_along() -> None:
    """Cancelled now, all that stands of the user ends now, the base package first."""
    over = replace(EXTRA, id=9, package_id="more", status=CANCELLED, ends_at=NOON)
    assert cancelled(an_account(EXTRA, BASIC, BASIC_EXTRA, over)) == [
        *gone(BASIC),
        *(replace(each, ends_with_base=True) for each in gone(EXTRA, BASIC_EXTRA)),
    ]


def test_an_addon_goes_alone() -> None:
    """Cancelling an add-on leaves the base package and other add-ons."""
    assert cancelled(an_account(BASIC, EXTRA, BASIC_EXTRA), 2) == gone(EXTRA)


@pytest.mark.parametrize(
    ("resets", "now", "end"),
    [
        ([DAY], NOW, NOON + 4 * ONE_DAY),
        ([DAY, MONTH], NOW, datetime(2026, 4, 10, 12, tzinfo=NOON.tzinfo)),
        ([MONTH, YEAR, DAY], NOW, datetime(2027, 3, 10, 12, tzinfo=NOON.tzinfo)),
        ([DAY, ResetPeriod.HOUR], NOW, NOON + 4 * ONE_DAY),
        ([ResetPeriod.HOUR], NOW, NOW + timedelta(hours=1)),
        ([DAY, ResetPeriod.WEEK], NOW, NOON + 7 * ONE_DAY),
        ([ResetPeriod.QUARTER, MONTH, ResetPeriod.WEEK], NOW, datetime(2026, 6, 10, 12, tzinfo=NOON.tzinfo)),
        ([YEAR, ResetPeriod.QUARTER], NOW, datetime(2027, 3, 10, 12, tzinfo=NOON.tzinfo)),
        ([None, MONTH], NOW, datetime(2026, 4, 10, 12, tzinfo=NOON.tzinfo)),
        ([DAY], NOON - 5 * ONE_DAY, NOON + ONE_DAY),
        ([MONTH], NOON - 50 * ONE_DAY, datetime(2026, 4, 10, 12, tzinfo=NOON.tzinfo)),
    ],
)
def test_at_period_end_is_the_end_of_the_longest_period(
    resets: Sequence[ResetPeriod | None], now: datetime, end: datetime
) -> None:
    """It stands until its longest reset period is over; where the clock went back, until the first is."""
    features = [a_feature(f"feature-{number}") for number, _ in enumerate(resets)]
    held = [allows(1, reset, feature=feature.id) for reset, feature in zip(resets, features, strict=True)]
    catalog = a_catalog(*features, a_package("basic", *held))
    [ended] = cancelled(an_account(BASIC), at_period_end=True, now=now, catalog=catalog)
    assert ended == replace(BASIC, ends_at=end)
    assert ended.stands(end - MILLISECOND)
    assert not ended.stands(end)


def test_a_base_to_end_later_takes_its_addons_along_later() -> None:
    """An add-on that would have ended sooner still does; the others end with their base package."""
    sooner = replace(EXTRA, ends_at=NOW + ONE_DAY)
    end = datetime(2026, 4, 10, 12, tzinfo=NOON.tzinfo)
    assert cancelled(an_account(BASIC, sooner, BASIC_EXTRA), at_period_end=True) == [
        replace(BASIC, ends_at=end),
        replace(BASIC_EXTRA, ends_at=end, ends_with_base=True),
    ]


def test_cancelling_again_ends_sooner_and_never_later() -> None:
    """What is to end later ends now when asked; what is to end now is not put off."""
    later = replace(BASIC, ends_at=NOW + ONE_DAY)
    assert cancelled(an_account(later)) == gone(BASIC)
    assert cancelled(an_account(later), at_period_end=True) == []


def test_there_must_be_a_period_end_to_wait_for() -> None:
    """A package in which nothing resets can only be cancelled at once."""
    account = an_account(a_subscription(1, "forever"))
    with pytest.raises(
        Conflict, match="Package 'forever' has no reset period, so there is no period end: cancel it immediately"
    ):
        cancelled(account, at_period_end=True)
    assert [subscription.status for subscription in cancelled(account)] == [CANCELLED]


@pytest.mark.parametrize("held", [[], [EXTRA]])
def test_only_what_there_is_can_be_cancelled(held: list[Subscription]) -> None:
    """An id of nothing is not found."""
    with pytest.raises(SubscriptionNotFound, match="User 'ada' has no subscription 1"):
        cancelled(an_account(*held))


@pytest.mark.parametrize("ended", [replace(BASIC, ends_at=NOW), replace(BASIC, status=CANCELLED)])
def test_cancelling_what_has_ended_changes_nothing(ended: Subscription) -> None:
    """Whoever cancelled it before has the same answer."""
    assert cancelled(an_account(ended)) == []


def test_a_subscription_to_nothing_is_an_error() -> None:
    """A package that somebody holds cannot vanish; where the data says so, nothing is decided on it."""
    with pytest.raises(PackageNotFound):
        subscribed(an_account(a_subscription(1, "vanished")), "extra")


def test_the_time_of_a_change_is_never_before_an_earlier_one() -> None:
    """A clock behind the newest start or end is taken to be there; an end still to come says nothing of now."""
    later = NOON + ONE_DAY
    ahead = a_subscription(start=NOON, ends_at=later)
    ended = replace(ahead, status=CANCELLED)
    assert an_account().time(NOON) == NOON
    assert an_account(ahead).time(NOON - ONE_DAY) == NOON
    assert an_account(ahead).time(NOON + MILLISECOND) == NOON + MILLISECOND
    assert an_account(ended).time(NOON) == later
    assert an_account(ended, a_subscription(2, start=later + ONE_DAY)).time(NOON) == later + ONE_DAY
    assert an_account(replace(ended, ends_at=None)).time(NOON - ONE_DAY) == NOON
    scheduled = a_subscription(3, start=later, scheduled=True)
    assert an_account(scheduled).time(NOON) == NOON
    assert an_account(given=(an_override(9, start=later),)).time(NOON) == later
    top_up = a_top_up(9, 1, start=later + ONE_DAY, created_at=later)
    assert an_account(given=(top_up,)).time(NOON) == later
    assert an_account(replace(scheduled, status=CANCELLED, ends_at=NOON)).time(NOON - ONE_DAY) == NOON


def test_somebody_is_subscribed_since_the_first_that_gave_access() -> None:
    """Ended ones count, one that never gave access does not."""
    expired = a_subscription(1, start=NOON - ONE_DAY, status=SubscriptionStatus.INCOMPLETE_EXPIRED)
    ended = a_subscription(2, status=CANCELLED, ends_at=NOON + ONE_DAY)
    assert an_account(expired, ended, a_subscription(3, start=NOON + 3 * ONE_DAY)).subscribed_since(NOON) == NOON
    assert an_account(expired).subscribed_since(NOON) is None
    later = a_subscription(4, start=NOON + ONE_DAY, scheduled=True)
    assert [an_account(later).subscribed_since(now) for now in (NOON, later.start)] == [None, later.start]
    ahead = a_subscription(5, start=NOON + ONE_DAY)
    assert an_account(ahead).subscribed_since(NOON) == ahead.start
