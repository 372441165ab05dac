"""Which subscription answers for a user and a feature, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kana.model.allowance import Allowance
from kana.model.counting import Origin
from kana.model.effective import effective, effective_at
from kana.model.entitlement import Consumption, Credit, Decision, Entitlement, Outcome, place_at
from kana.model.grant import CounterKey
from kana.model.package import Package, PackageFeature
from kana.model.period import CLOCKS_APART
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.text import UNITS_MAX
from tests.support.world import (
    DAY,
    MILLISECOND,
    MONTH,
    NOON,
    ONE_DAY,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    adds,
    allows,
    an_account,
    holds,
    rolls_over,
)

MESSAGE = a_feature()
CHAT = a_feature("chat", binary=True)


def entitled(allowance: Allowance) -> Entitlement:
    return Entitlement(MESSAGE, a_subscription(), allowance)


@pytest.mark.parametrize(
    ("packages", "winner"),
    [
        ([a_package("a", allows(10)), a_package("b", allows(20), is_addon=True)], "b"),
        ([a_package("a", allows(20)), a_package("b", allows(10), is_addon=True)], "a"),
        ([a_package("a", allows(20, overage=True)), a_package("b", allows(21), is_addon=True)], "b"),
        ([a_package("a", allows(10**9, overage=True)), a_package("b", allows(None), is_addon=True)], "b"),
        ([a_package("a", allows(10)), a_package("b", allows(10, overage=True), is_addon=True)], "b"),
        ([a_package("a", allows(10), is_addon=True), a_package("b", allows(10))], "b"),
        ([a_package("a", allows(10, DAY)), a_package("b", allows(10, MONTH))], "a"),
        ([a_package("a", allows(10), is_addon=True), a_package("b", allows(10), is_addon=True)], "a"),
        ([a_package("a", allows(None)), a_package("b", allows(None, overage=True), is_addon=True)], "b"),
        ([a_package("a", holds("chat")), a_package("b", allows(0), is_addon=True)], "b"),
        ([a_package("a", holds("chat"))], None),
        ([], None),
    ],
)
def test_the_highest_limit_answers(packages: list[Package], winner: str | None) -> None:
    """Unlimited, the larger limit, overage enabled, base before add-on, the older one: never a sum."""
    catalog = a_catalog(MESSAGE, CHAT, *packages)
    account = an_account(*(a_subscription(number, package.id) for number, package in enumerate(packages, 1)))
    found = effective(account, catalog, MESSAGE, now=NOON)
    assert (found and found.holder.package_id) == winner
    if found is not None:
        held = catalog.package(found.holder.package_id).feature("message")
        assert held is not None
        assert found.allowance == held.allowance


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_only_active_and_trialing_subscriptions_answer(status: SubscriptionStatus) -> None:
    """Another subscription with a lower limit answers where the higher one gives no access."""
    catalog = a_catalog(MESSAGE, a_package("a", allows(10)), a_package("b", allows(20), is_addon=True))
    account = an_account(a_subscription(1, "a"), a_subscription(2, "b", status=status))
    found = effective(account, catalog, MESSAGE, now=NOON)
    assert found is not None
    assert found.holder.package_id == ("b" if status in {"ACTIVE", "TRIALING"} else "a")


def test_what_ended_does_not_answer() -> None:
    """From its end on a subscription is no candidate."""
    catalog = a_catalog(MESSAGE, a_package("basic", allows(10)))
    account = an_account(a_subscription(ends_at=NOON + ONE_DAY))
    assert effective(account, catalog, MESSAGE, now=NOON) is not None
    assert effective(account, catalog, MESSAGE, now=NOON + ONE_DAY) is None


PAST = a_catalog(
    MESSAGE,
    a_package("basic", allows(10)),
    a_package("pro", allows(100)),
    a_package("extra", allows(50), is_addon=True),
    a_package("chat", is_addon=True),
)


def at(moment: datetime, *subscriptions: Subscription) -> int | None:
    """The number of the subscription that answered at a moment."""
    found = effective_at(an_account(*subscriptions), PAST, MESSAGE, moment=moment)
    return None if found is None else found.holder.id


def test_what_held_then_answers_for_then() -> None:
    """Before an upgrade the old package, from its instant on the new one; an add-on while it was held."""
    cancelled = SubscriptionStatus.CANCELLED
    upgrade = NOON + 10 * ONE_DAY
    basic = a_subscription(1, "basic", status=cancelled, ends_at=upgrade)
    extra = a_subscription(2, "extra", start=NOON + ONE_DAY, status=cancelled, ends_at=NOON + 2 * ONE_DAY)
    pro = a_subscription(3, "pro", start=upgrade, status=cancelled, ends_at=upgrade + ONE_DAY)
    expected = {
        NOON: 1,
        NOON + ONE_DAY: 2,
        NOON + 2 * ONE_DAY - MILLISECOND: 2,
        NOON + 2 * ONE_DAY: 1,
        upgrade - MILLISECOND: 1,
        upgrade: 3,
        upgrade + ONE_DAY - MILLISECOND: 3,
        upgrade + ONE_DAY: None,
    }
    assert {moment: at(moment, basic, extra, pro) for moment in expected} == expected


def test_soon_before_a_subscription_counts_as_its_start() -> None:
    """Five minutes and not a millisecond more, where nothing with the feature held; the next to begin answers."""
    first = a_subscription(1, "basic", status=SubscriptionStatus.CANCELLED, ends_at=NOON + ONE_DAY)
    again = a_subscription(2, "basic", start=NOON + 2 * ONE_DAY)
    later = a_subscription(3, "extra", start=NOON + 2 * ONE_DAY + MILLISECOND)
    for begin, number in ((NOON, 1), (again.start, 2)):
        assert at(begin - MILLISECOND, first, again, later) == number
        assert at(begin - CLOCKS_APART, first, again, later) == number
        assert at(begin - CLOCKS_APART - MILLISECOND, first, again, later) is None
    assert at(NOON + ONE_DAY, first, again, later) is None


def test_soon_before_an_add_on_counts_as_its_start_where_only_it_has_the_feature() -> None:
    """A base package with the feature answers for its own time, and one without it does not stand in the way."""
    extra = a_subscription(2, "extra", start=NOON + ONE_DAY)
    assert at(extra.start - MILLISECOND, a_subscription(1, "chat"), extra) == 2
    assert at(extra.start - MILLISECOND, a_subscription(1, "basic"), extra) == 1


def test_of_those_that_begin_together_the_most_generous_answers() -> None:
    """As from their first moment on; one that ended as it began is not among them."""
    empty = a_subscription(1, "pro", status=SubscriptionStatus.CANCELLED, ends_at=NOON)
    assert at(NOON - MILLISECOND, empty, a_subscription(2, "basic"), a_subscription(3, "extra")) == 3


def test_totals_belong_to_subscription_feature_and_period() -> None:
    """The running total's key names all of them, and the reset period that the package had."""
    entitlement = entitled(Allowance(limit=10, reset_period=DAY))
    assert entitlement.counter_at(NOON + timedelta(hours=30)) == CounterKey(7, 1, "message", DAY, NOON + ONE_DAY)
    lasting = entitled(Allowance(limit=10))
    assert lasting.counter_at(NOON + timedelta(days=999)) == CounterKey(7, 1, "message", None, NOON)


def test_a_moment_before_the_start_counts_in_the_first_period() -> None:
    """Where the clock went back after subscribing, no period opens before the first."""
    entitlement = entitled(Allowance(limit=10, reset_period=MONTH))
    assert entitlement.period_at(NOON - timedelta(days=40)) == entitlement.period_at(NOON)


@pytest.mark.parametrize(
    ("allowance", "used", "delta", "access"),
    [
        (Allowance(limit=10), 9, 1, True),
        (Allowance(limit=10), 9, 2, False),
        (Allowance(limit=10), 11, 1, False),
        (Allowance(limit=10, overage_enabled=True), 11, 1, True),
        (Allowance(), 11, 1, True),
        (Allowance(limit=0), 0, 1, False),
    ],
)
def test_a_consumable_is_decided_by_its_allowance(allowance: Allowance, used: int, delta: int, access: bool) -> None:
    """Yes in Kana's own words, spelling included; no with the limit, what is used and what was asked for."""
    reason = (
        "The user has a subcription to a package with this consumable feature and either has an allowance remaining"
        " or overage is enabled."
        if access
        else f"The limit of {allowance.limit} is reached for this period: {used} used, {delta} more would exceed it,"
        " and overage is not enabled."
    )
    consumption = Consumption(used, allowance.limit, allowance.overage_enabled)
    outcome = Outcome.RECORDED if access else Outcome.LIMIT_EXCEEDED
    decision = entitled(allowance).decide(delta, used=used)
    assert (decision, decision.access) == (Decision(outcome, reason, consumption), access)


def test_a_binary_feature_is_a_switch() -> None:
    """Whoever holds it has access, without consumption, however much was recorded."""
    entitlement = replace(entitled(Allowance()), feature=CHAT)
    reason = "The user has a subscription to a package with this binary feature."
    assert entitlement.decide(1, used=10**6) == Decision(Outcome.RECORDED, reason, consumption=None)
    assert entitlement.consumption(5) is None


def test_late_usage_is_held_to_the_most_generous_limit_of_its_counter() -> None:
    """Of those that count in it by now, in that period; the subscription is the one of its moment."""
    catalog = a_catalog(
        MESSAGE,
        a_package("basic", allows(10)),
        a_package("pro", allows(100)),
        a_package("daily", allows(1000, DAY)),
        a_package("extra", adds(5), is_addon=True),
    )
    change, end = NOON + 40 * ONE_DAY, NOON + 50 * ONE_DAY
    old = a_subscription(1, "basic", status=SubscriptionStatus.CANCELLED, ends_at=change)
    new = a_subscription(2, "pro", start=change, origin=Origin(1, NOON), ends_at=end)
    daily = a_subscription(3, "daily", start=end, origin=Origin(1, NOON))
    account = an_account(old, new, daily, a_subscription(4, "extra"))

    def answer(moment: datetime, now: datetime) -> tuple[str, int | None]:
        found = effective_at(account, catalog, MESSAGE, moment=moment, now=now)
        assert found is not None
        assert found.parts
        return found.holder.package_id, found.allowance.limit

    assert answer(change - MILLISECOND, end) == ("basic", 100)
    assert answer(change - MILLISECOND, change - MILLISECOND) == ("basic", 10)
    assert answer(NOON + ONE_DAY, end) == ("basic", 10)
    assert answer(change, change) == ("pro", 100)
    assert answer(end, end) == ("daily", 1000)


def test_late_usage_takes_what_was_carried_over_where_its_own_limit_holds() -> None:
    """Also beside subscriptions that go on with each other; where another one's limit holds, it takes nothing more."""
    catalog = a_catalog(
        MESSAGE,
        a_package("basic", rolls_over(10, most=5, periods=1)),
        a_package("pro", allows(100)),
    )
    change = NOON + 50 * ONE_DAY
    old = a_subscription(1, "basic", status=SubscriptionStatus.CANCELLED, ends_at=change)
    new = a_subscription(2, "pro", start=change, origin=Origin(1, NOON))

    def limit(now: datetime) -> int | None:
        moment = NOON + 40 * ONE_DAY
        found = effective_at(an_account(old, new), catalog, MESSAGE, moment=moment, now=now)
        assert found is not None
        return place_at(found, moment, has_holds=False).standing({}).entitlement.allowance.limit

    assert limit(change - MILLISECOND) == 10 + 5
    assert limit(change) == 100


def test_a_scheduled_start_is_not_a_clock_that_is_ahead() -> None:
    """What happened shortly before belongs to what held then, or to nothing."""
    catalog = a_catalog(MESSAGE, a_package("basic", allows(10)))
    before = NOON - MILLISECOND
    assert effective_at(an_account(a_subscription()), catalog, MESSAGE, moment=before) is not None
    scheduled = a_subscription(scheduled=True)
    assert effective_at(an_account(scheduled), catalog, MESSAGE, moment=before) is None
    assert effective_at(an_account(scheduled), catalog, MESSAGE, moment=NOON) is not None


@pytest.mark.parametrize(
    ("credit", "rate", "affords"),
    [
        (allows(10), 3, 3),
        (allows(2), 3, 0),
        (allows(None), 3, None),
        (allows(10, overage=True), 3, None),
        (replace(allows(UNITS_MAX), allowance=Allowance(limit=UNITS_MAX, grace_percent=100)), 1, UNITS_MAX),
    ],
)
def test_a_decision_says_what_the_credit_affords(credit: PackageFeature, rate: int, affords: int | None) -> None:
    """Whole units of the feature, at most as many as can be counted; None if nothing prevents more."""
    paying = place_at(entitled(credit.allowance), NOON, has_holds=False)
    place = place_at(entitled(Allowance(limit=None)), NOON, has_holds=False)
    assert place.decide(1, {}).affords is None
    assert place.costing(Credit("credit", rate, paying)).decide(1, {}).affords == affords
