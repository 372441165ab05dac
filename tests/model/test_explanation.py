"""Why a user may or may not use a feature: what holds, what does not, when it fits, and what unlocks it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from kana.model.account import Account
from kana.model.entitlement import Outcome
from kana.model.explanation import Explanation, inquire
from kana.model.feature import Feature
from kana.model.grant import Source
from kana.model.later import CHANGES_MAX
from kana.model.package import Package, PackagePrice, PackageStatus
from kana.model.question import Question
from kana.model.reasons import Cause
from kana.model.subscription import SubscriptionStatus
from kana.model.unlock import Way
from tests.support.world import (
    DAY,
    NOON,
    ONE_DAY,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    a_top_up,
    adds,
    allows,
    an_account,
    an_override,
    holds,
    rolls_over,
)

MESSAGE, CHAT = a_feature(), a_feature("chat", binary=True)
NEXT_MONTH = NOON.replace(month=4)


def why(
    account: Account,
    *packages: Package,
    change: int = 1,
    feature: Feature = MESSAGE,
    now: datetime = NOON,
    at: datetime | None = None,
    used: Mapping[int, int] | None = None,
) -> Explanation:
    """What is explained; ``used`` is the total of each source in its period of the month of ``now``."""
    question = Question(
        account=account,
        catalog=a_catalog(MESSAGE, CHAT, *packages),
        feature=feature,
        change=change,
        moment=at or now,
        now=now,
        is_late=at is not None,
    )
    inquiry = inquire(question)
    totals = {
        key: (used or {})[key.source_id]
        for key in inquiry.counters()
        if key.source_id in (used or {}) and key.period_start <= now
    }
    return inquiry.explain(totals)


def subscribed(*packages: Package, **changes: Any) -> Account:
    """Somebody who subscribed to these at noon, in this order."""
    subscriptions = (a_subscription(number, package.id) for number, package in enumerate(packages, 1))
    return an_account(*subscriptions, **changes)


def told(*packages: Package, feature: Feature = MESSAGE) -> tuple[list[tuple[str, str]], list[tuple[str, Cause, str]]]:
    """What is told of a user who is subscribed to these: what holds, and what does not."""
    found = why(subscribed(*packages), *packages, feature=feature)
    return (
        [(each.grant.package_id, each.reason) for each in found.grants],
        [(each.package.id, each.cause, each.reason) for each in found.not_held if each.package],
    )


def test_the_only_one_answers() -> None:
    """There is nothing to weigh, and nothing without the feature is named."""
    only = "It is the user's only package with this feature."
    assert told(a_package("one", allows(1)), a_package("plain", is_addon=True)) == ([("one", only)], [])
    assert told(a_package("plain")) == ([], [])


@pytest.mark.parametrize(
    ("second", "reason", "reason_not"),
    [
        (
            a_package("b", allows(2000)),
            "The highest limit answers: 2,000 is more than 10.",
            "Its limit, 10, is lower. Limits are not added up.",
        ),
        (
            a_package("b", allows(None)),
            "The highest limit answers: unlimited is more than 10.",
            "Its limit, 10, is lower. Limits are not added up.",
        ),
        (
            a_package("b", allows(10, overage=True)),
            "Limits are equal, and this package allows overage.",
            "Its limit is equal, and it does not allow overage. Limits are not added up.",
        ),
        (
            a_package("b", allows(10)),
            "Limits are equal, and a base package comes before an add-on.",
            "Its limit is equal, and it is an add-on. Limits are not added up.",
        ),
    ],
)
def test_the_rule_that_decides_is_named_on_both_sides(second: Package, reason: str, reason_not: str) -> None:
    """Whichever is older."""
    assert told(a_package("a", allows(10), is_addon=True), second) == (
        [("b", reason)],
        [("a", Cause.OUTRANKED, reason_not)],
    )


def test_of_equals_the_older_subscription_answers() -> None:
    """And each of the others is told so."""
    younger = "Everything else is equal, and this subscription is newer. Limits are not added up."
    packages = [a_package(name, allows(10), is_addon=True) for name in ("x", "y", "z")]
    assert told(*packages) == (
        [("x", "Everything else is equal, and this subscription is older.")],
        [("y", Cause.OUTRANKED, younger), ("z", Cause.OUTRANKED, younger)],
    )


def test_what_adds_is_told_beside_what_answers() -> None:
    """In the order in which they are used up."""
    packages = a_package("free", allows(10)), a_package("more", adds(5000, DAY), is_addon=True)
    assert told(*packages) == (
        [("more", "It adds 5,000 to what else the user has."), ("free", "Other packages of the user add to it.")],
        [],
    )
    assert told(a_package("all", adds(None))) == ([("all", "It adds unlimited to what else the user has.")], [])


def test_a_feature_that_is_on_or_off_needs_one_package() -> None:
    """There are no limits to speak of."""
    packages = a_package("one", holds("chat")), a_package("two", holds("chat"), is_addon=True)
    assert told(*packages, feature=CHAT) == (
        [("one", "It has this feature.")],
        [("two", Cause.OUTRANKED, "It has this feature too, and one package is enough.")],
    )


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (SubscriptionStatus.PAST_DUE, "A payment is overdue: it gives no access until that is paid."),
        (SubscriptionStatus.UNPAID, "It is unpaid: it gives no access until it is paid."),
        (SubscriptionStatus.INCOMPLETE, "The first payment is not complete: it gives no access before that."),
    ],
)
def test_a_status_that_gives_no_access_is_named(status: SubscriptionStatus, reason: str) -> None:
    """At a moment of the past too: since when it has the status is not known."""
    basic = a_package("basic", allows(10))
    account = an_account(a_subscription(1, "basic", status=status))
    for at in (None, NOON + ONE_DAY):
        found = why(account, basic, at=at, now=NOON + ONE_DAY)
        assert found.decision.outcome is Outcome.NO_SUBSCRIPTION
        assert [(each.cause, each.reason) for each in found.not_held] == [(Cause.STATUS, reason)]


def test_subscriptions_that_ended_or_start_later_are_told() -> None:
    """By the moment that is asked about."""
    basic = a_package("basic", allows(10))
    over = a_subscription(1, "basic", status=SubscriptionStatus.CANCELLED, ends_at=NOON + ONE_DAY)
    account = an_account(over, a_subscription(2, "basic", start=NOON + 5 * ONE_DAY))
    at = NOON + 3 * ONE_DAY
    found = why(account, basic, at=at, now=NOON + 6 * ONE_DAY)
    assert [(each.cause, each.reason) for each in found.not_held] == [
        (Cause.ENDED, "It has ended."),
        (Cause.NOT_STARTED, "It has not started yet."),
    ]
    assert (found.decision.outcome, found.fits_at, found.unlocks) == (Outcome.NO_SUBSCRIPTION, None, [])
    then = why(account, basic, at=NOON, now=NOON + 6 * ONE_DAY)
    assert [each.subscription for each in then.grants] == [over]
    assert (then.decision.access, then.fits_at) == (True, NOON)
    [ended, _] = why(an_account(over, a_subscription(2, "basic", status=SubscriptionStatus.UNPAID, start=at)), basic,
                     now=NOON + 2 * ONE_DAY).not_held  # fmt: skip
    assert ended.cause is Cause.ENDED


def test_a_subscription_of_the_future_that_has_not_ended_is_told_as_to_come() -> None:
    """Its start may be ahead by another machine's clock, or because it was scheduled."""
    account = an_account(a_subscription(1, "basic", start=NOON + ONE_DAY, status=SubscriptionStatus.UNPAID))
    [other] = why(account, a_package("basic", allows(10))).not_held
    assert other.cause is Cause.NOT_STARTED


def test_packages_that_nobody_subscribed_to_are_told() -> None:
    """Drafts and archived ones, which nobody can get, and those that the user could have."""
    packages = (
        a_package("basic", allows(10)),
        a_package("soon", allows(10), status=PackageStatus.DRAFT),
        a_package("old", allows(10), status=PackageStatus.ARCHIVED),
        a_package("plain"),
    )
    found = why(an_account(), *packages)
    assert [(each.package and each.package.id, each.cause, each.reason) for each in found.not_held] == [
        ("basic", Cause.NOT_SUBSCRIBED, "It has this feature, but the user is not subscribed to it."),
        (
            "soon",
            Cause.DRAFT,
            "It has this feature, but it is a draft: nobody can subscribe to it before it is published.",
        ),
        ("old", Cause.ARCHIVED, "It has this feature, but it is archived: nobody can subscribe to it any more."),
    ]
    assert [each.package.id for each in found.unlocks] == ["basic"]


def test_an_override_is_told_with_who_made_it_and_what_it_replaces() -> None:
    """It counts where the subscription counted that it stands in place of."""
    basic = a_package("basic", allows(10))
    override = an_override(9, limit=20)
    found = why(subscribed(basic, given=(override,)), basic, used={1: 15})
    [grant] = found.grants
    assert (grant.grant.source, grant.grant.left, grant.given, grant.reason) == (
        Source.OVERRIDE,
        5,
        override,
        "It stands in place of what the user's packages allow.",
    )
    assert [(each.cause, each.reason) for each in found.not_held] == [
        (Cause.REPLACED, "An override stands in its place.")
    ]
    assert found.override == override


def test_what_was_given_is_told_with_its_times() -> None:
    """A top-up that holds; one that ended, one that is to come, and one that was taken back before it began."""
    basic, later = a_package("basic", allows(10)), NOON + ONE_DAY
    given = (
        a_top_up(5, 3, ends_at=NOON.replace(day=12)),
        a_top_up(6, 3, start=NOON - ONE_DAY, ends_at=NOON),
        a_top_up(7, 3, start=later),
        a_top_up(8, 3, start=later, ends_at=later),
        an_override(9, start=NOON - ONE_DAY, ends_at=NOON, feature_id="chat"),
    )
    found = why(subscribed(basic, given=given), basic)
    first = found.grants[0]
    assert (first.given, first.subscription, first.reason) == (
        given[0],
        None,
        "Given to this user, on top of what their packages allow.",
    )
    assert [(each.given, each.cause) for each in found.not_held] == [
        (given[1], Cause.ENDED),
        (given[2], Cause.NOT_STARTED),
        (given[3], Cause.ENDED),
    ]


def test_what_is_carried_over_is_told() -> None:
    """As a source of its own, of the subscription that it was left of."""
    rolling = a_package("rolling", rolls_over(10, DAY, most=6, periods=1))
    found = why(subscribed(rolling), rolling, now=NOON + ONE_DAY)
    carried, own = found.grants
    assert (carried.grant.source, carried.reason, carried.grant.left) == (
        Source.ROLLOVER,
        "Left over from an earlier period, and carried over.",
        6,
    )
    assert carried.subscription == own.subscription


def fits(account: Account, *packages: Package, change: int, used: Mapping[int, int]) -> datetime | None:
    return why(account, *packages, change=change, used=used).fits_at


def test_it_says_when_units_fit_next() -> None:
    """At the next reset; when a top-up begins; when an override ends; when enough is carried over; or never."""
    basic, rolling = a_package("basic", allows(10)), a_package("rolling", rolls_over(10, DAY, most=20, periods=2))
    full = {1: 10}
    assert fits(subscribed(basic), basic, change=1, used={}) == NOON
    assert fits(subscribed(basic), basic, change=1, used=full) == NEXT_MONTH
    assert fits(subscribed(basic), basic, change=11, used=full) is None
    soon = NOON + 2 * ONE_DAY
    assert fits(subscribed(basic, given=(a_top_up(5, 4, start=soon),)), basic, change=4, used=full) == soon
    assert fits(subscribed(basic, given=(a_top_up(5, 4, start=soon),)), basic, change=14, used=full) == NEXT_MONTH
    denied = an_override(9, denied=True, ends_at=soon)
    assert fits(subscribed(basic, given=(denied,)), basic, change=1, used={}) == soon
    assert fits(subscribed(rolling), rolling, change=30, used=full) == NOON + 3 * ONE_DAY
    assert fits(subscribed(rolling), rolling, change=31, used=full) is None
    endless = a_package("endless", allows(10, None))
    assert fits(subscribed(endless), endless, change=1, used=full) is None


def test_an_end_may_free_what_was_outranked() -> None:
    """What had the lower limit answers then, with what it has left."""
    high, low = a_package("high", allows(10)), a_package("low", allows(5), is_addon=True)
    ends = a_subscription(1, "high", ends_at=NOON + ONE_DAY)
    assert fits(an_account(ends, a_subscription(2, "low")), high, low, change=5, used={1: 10}) == NOON + ONE_DAY
    assert fits(an_account(ends, a_subscription(2, "low")), high, low, change=5, used={1: 10, 2: 1}) == NOON.replace(
        month=4
    )


def test_only_so_many_changes_are_looked_at() -> None:
    """The next ones; somebody may have been given thousands of top-ups."""
    given = tuple(a_top_up(number, 1, start=NOON + number * ONE_DAY) for number in range(1, CHANGES_MAX + 2))
    assert fits(an_account(given=given), change=CHANGES_MAX, used={}) == NOON + CHANGES_MAX * ONE_DAY
    assert fits(an_account(given=given), change=CHANGES_MAX + 1, used={}) is None


def priced(amount: int, currency: str = "eur", interval: str | None = "month") -> PackagePrice:
    return PackagePrice(id="p", provider="STRIPE", amount=amount, currency=currency, interval=interval)


def test_it_names_the_packages_that_would_unlock_it() -> None:
    """Add-ons to subscribe to, base packages to change to; none that would not admit it or cannot be had."""
    packages = (
        a_package("free", allows(10)),
        a_package("pro", allows(100)),
        a_package("tiny", allows(5)),
        a_package("plain"),
        a_package("soon", allows(100), status=PackageStatus.DRAFT),
        a_package("extra", adds(5), is_addon=True),
        a_package("little", adds(1), is_addon=True),
        a_package("for-pro", adds(500), is_addon=True, base_package_ids=("pro",)),
        a_package("other", holds("chat"), is_addon=True),
    )
    found = why(subscribed(packages[0]), *packages, change=5, used={1: 10})
    assert [(each.package.id, each.way) for each in found.unlocks] == [
        ("pro", Way.CHANGE_SUBSCRIPTION),
        ("tiny", Way.CHANGE_SUBSCRIPTION),
        ("extra", Way.SUBSCRIBE),
    ]
    assert why(subscribed(packages[0]), *packages, change=5).unlocks == []
    found = why(an_account(), *packages)
    assert [(each.package.id, each.way) for each in found.unlocks] == [
        (name, Way.SUBSCRIBE) for name in ("free", "pro", "tiny")
    ]


def test_the_cheapest_comes_first_among_prices_of_a_kind() -> None:
    """First those of the currency and interval that most have; without a price last."""
    packages = (
        a_package("free", allows(10)),
        a_package("none", allows(100)),
        a_package("dear", allows(100), prices=(priced(900), priced(9000, interval="year"))),
        a_package("dollars", allows(100), prices=(priced(1, "usd"),)),
        a_package("cheap", allows(100), prices=(priced(1000), priced(500), priced(2, "usd"))),
        a_package("once", allows(100), prices=(priced(3, interval=None),)),
    )
    found = why(subscribed(packages[0]), *packages, used={1: 10})
    assert [(each.package.id, each.price and each.price.amount) for each in found.unlocks] == [
        ("cheap", 500),
        ("dear", 900),
        ("once", 3),
        ("dollars", 1),
        ("none", None),
    ]
