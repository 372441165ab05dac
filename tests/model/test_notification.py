"""What is notified of an entry, a subscription, a top-up and a change of the catalogue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kana.model.catalog import difference
from kana.model.entitlement import Consumption, Outcome
from kana.model.given import Given
from kana.model.grant import CounterKey
from kana.model.line import DecisionLine, HoldStep
from kana.model.notification import (
    SOON,
    NotificationType,
    of_catalog,
    of_entry,
    of_given,
    of_subscriptions,
    of_top_ups,
)
from kana.model.package import PackageStatus
from kana.model.subscription import SubscriptionStatus
from kana.model.usage import Entry
from tests.support.world import (
    MONTH,
    NOON,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    a_top_up,
    allows,
    an_account,
    an_entry,
    an_override,
)

COUNTER = CounterKey(7, 1, "message", MONTH, NOON)
STARTED, CHANGED, ENDED, TRIAL = (
    NotificationType.SUBSCRIPTION_STARTED,
    NotificationType.SUBSCRIPTION_CHANGED,
    NotificationType.SUBSCRIPTION_ENDED,
    NotificationType.TRIAL_ENDS_SOON,
)


def entry(change: int, used: int, budget: int | None = 10, **changes: Any) -> Entry:
    """An entry after which so much is used."""
    said = Consumption(used, budget, overage_enabled=False)
    return replace(an_entry(1, change=change, counter=COUNTER), consumption=said, **changes)


@pytest.mark.parametrize(
    ("change", "used", "percents"),
    [
        (8, 8, [80]),
        (1, 8, [80]),
        (1, 9, []),
        (2, 10, [100]),
        (10, 10, [80, 100]),
        (3, 12, [100]),
        (1, 12, []),
        (7, 7, []),
    ],
)
def test_a_threshold_is_passed_by_the_entry_that_reaches_it(change: int, used: int, percents: list[int]) -> None:
    """At exactly the percentage, however far it goes."""
    assert [each.about["percent"] for each in of_entry(entry(change, used))] == percents


def test_most_entries_notify_nothing() -> None:
    """Without a limit, of a BINARY feature, giving back, setting aside, refusals that are no limit's."""
    held = DecisionLine(decision_id=1, size=1, step=HoldStep.RESERVED)
    for quiet in (
        entry(10, 10, None),
        replace(entry(10, 10), consumption=None),
        entry(-1, 9),
        entry(10, 10, line=held),
        entry(0, 10, outcome=Outcome.BELOW_ZERO),
        entry(0, 10, outcome=Outcome.OTHER_LINE_REFUSED),
        entry(1, 1, 0, outcome=Outcome.TOTAL_TOO_LARGE),
    ):
        assert list(of_entry(quiet)) == []


@pytest.mark.parametrize("outcome", [Outcome.LIMIT_EXCEEDED, Outcome.CREDIT_EXCEEDED, Outcome.DENIED])
def test_a_refusal_by_a_limit_is_one(outcome: Outcome) -> None:
    """Once for the period of the counter, with the outcome and the reason."""
    first, second = (of_entry(entry(0, 10, outcome=outcome, reason="full", id=number))[0] for number in (1, 2))
    assert first.once == second.once
    assert (first.about["outcome"], first.about["reason"]) == (outcome.value, "full")


def test_a_top_up_is_used_up_by_what_takes_the_rest() -> None:
    """Not by what is set aside of it, gives back, or takes less."""
    top_up = a_top_up(5, 3)
    taken = an_entry(1, change=1, counter=top_up.counter)
    given = (an_override(4, limit=1), top_up)
    assert [each.type for each in of_top_ups(taken, given, {top_up.counter: 3})] == [NotificationType.TOP_UP_USED_UP]
    assert of_top_ups(taken, given, {top_up.counter: 2}) == []
    assert of_top_ups(replace(taken, change=-1), given, {top_up.counter: 3}) == []
    held = an_entry(1, change=3, counter=top_up.held_counter)
    assert of_top_ups(held, given, {top_up.held_counter: 3}) == []


def test_a_top_up_may_end_soon_from_the_beginning() -> None:
    """Three days before its end; one without an end, that has ended, or an override, does not."""
    account = an_account()
    ends = [NOON + SOON, NOON + SOON + timedelta(milliseconds=1), None]
    changed: list[Given] = [
        an_override(4, limit=1),
        *(a_top_up(number, 3, ends_at=end) for number, end in enumerate(ends, 5)),
    ]
    assert [each.about["topUpId"] for each in of_given(account, changed, now=NOON)] == ["5"]
    assert of_given(account, [a_top_up(5, 3, ends_at=NOON + SOON)], now=NOON + SOON) == []


@pytest.mark.parametrize(
    ("changes", "old", "types"),
    [
        ({}, None, [STARTED]),
        ({}, {}, []),
        ({"start": NOON + SOON, "scheduled": True}, None, [CHANGED]),
        ({"status": SubscriptionStatus.PAST_DUE}, None, [CHANGED]),
        ({"status": SubscriptionStatus.PAST_DUE}, {}, [CHANGED]),
        ({"ends_at": NOON + SOON}, {}, [STARTED, CHANGED]),
        ({"ends_at": NOON + SOON}, None, [STARTED]),
        ({"ends_at": NOON}, {"start": NOON - SOON}, [ENDED]),
        ({"status": SubscriptionStatus.INCOMPLETE_EXPIRED}, {}, [ENDED]),
        ({"status": SubscriptionStatus.TRIALING, "trial_ends_at": NOON + SOON}, None, [STARTED, TRIAL]),
        ({"status": SubscriptionStatus.TRIALING, "trial_ends_at": NOON + 2 * SOON}, None, [STARTED]),
        ({"status": SubscriptionStatus.PAST_DUE, "trial_ends_at": NOON + SOON}, None, [CHANGED]),
    ],
)
def test_subscriptions(changes: dict[str, Any], old: dict[str, Any] | None, types: list[str]) -> None:
    """They start, change and end; what begins or ends later is a change now."""
    account = an_account() if old is None else an_account(a_subscription(**old))
    assert [each.type for each in of_subscriptions(account, [a_subscription(**changes)], now=NOON)] == types


def test_a_package_is_published_once() -> None:
    """As it becomes published; not when it changes later, and not as a draft."""
    draft = a_catalog(a_feature(), a_package("a", status=PackageStatus.DRAFT), a_package("b"))
    published = draft.with_package(a_package("a", allows(3))).with_package(a_package("b", allows(3)))
    published = published.with_package(a_package("c", status=PackageStatus.DRAFT))
    found = of_catalog(draft, difference(draft, published), now=NOON)
    assert [each.about for each in found] == [{"packageId": "a"}]
