"""What a change of package takes along of features that both packages count, over different periods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest

from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.counting import Brought, Origin
from kana.model.effective import effective
from kana.model.entitlement import Consumption, Outcome, Place, place_at
from kana.model.grant import CounterKey, Posting
from kana.model.period import Calendar, ResetPeriod
from kana.model.subscribing import change_base
from kana.model.subscription import Subscription
from kana.model.terms import ChangeTime, ChangeUsage
from kana.model.usage import Action, Entry, entry_for
from tests.support.world import (
    DAY,
    MILLISECOND,
    MONTH,
    NOON,
    ONE_DAY,
    a_catalog,
    a_feature,
    a_package,
    a_ref,
    a_subscription,
    a_usage,
    adds,
    allows,
    an_account,
    an_override,
    rolls_over,
)

MESSAGE, CALL = a_feature(), a_feature("call")
CATALOG: Catalog = a_catalog(
    MESSAGE,
    CALL,
    a_package("monthly", allows(100, MONTH), allows(7, MONTH, feature="call")),
    a_package("daily", allows(50, DAY), allows(7, MONTH, feature="call")),
    a_package("ever", allows(500, None)),
    a_package("yearly", allows(900, ResetPeriod.YEAR)),
    a_package("calls", allows(7, DAY, feature="call")),
    a_package("rolling", rolls_over(50, DAY, most=30, periods=1)),
    a_package("extra", adds(20), is_addon=True),
)
NOW = NOON + timedelta(days=3, hours=6)
TODAY, TOMORROW = NOON + 3 * ONE_DAY, NOON + 4 * ONE_DAY
MONTHLY = a_subscription(1, "monthly")
THE_MONTH = Brought("message", MONTH, NOON)
THE_DAY = Brought("message", DAY, TODAY)


def carried(
    held: Subscription, *package_ids: str, when: ChangeTime = ChangeTime.NOW, now: datetime = NOW, every: int = 0
) -> Account:
    """The account after changes from one package to the next, each with what was used, so many hours apart."""
    account, next_id = an_account(held), count(100).__next__
    for number, package_id in enumerate(package_ids):
        moment = now + timedelta(hours=every * number)
        changed = change_base(
            account, CATALOG, package_id, when=when, usage=ChangeUsage.CARRY, now=moment, next_id=next_id
        )
        newest = {each.id: each for each in (*account.subscriptions, *changed)}
        account = replace(account, subscriptions=tuple(newest.values()))
    return account


def key(brought: Brought, source_id: int = 1) -> CounterKey:
    return CounterKey(7, source_id, *brought)


def place(account: Account, moment: datetime = NOW) -> Place:
    found = effective(account, CATALOG, MESSAGE, now=moment)
    assert found is not None
    return place_at(found, moment, has_holds=account.has_holds)


def consumption(account: Account, used: Mapping[CounterKey, int], moment: datetime = NOW) -> Consumption | None:
    standing = place(account, moment).standing(used)
    return standing.decide(1).consumption


def settled(account: Account, used: Mapping[CounterKey, int], delta: int, action: Action = Action.ADD) -> Entry:
    standing = place(account).standing(used)
    return entry_for(a_usage(delta, action=action), a_ref(), standing, entry_id=1, now=NOW)


@pytest.mark.parametrize(
    ("package_id", "brought"),
    [
        ("daily", (THE_MONTH,)),
        ("ever", (THE_MONTH,)),
        ("yearly", (THE_MONTH,)),
        ("calls", (Brought("call", MONTH, NOON),)),
    ],
)
def test_what_both_packages_hold_is_brought(package_id: str, brought: tuple[Brought, ...]) -> None:
    """As the total of the period of the change; what is counted over the same periods has its counter already."""
    *_, new = carried(MONTHLY, package_id).subscriptions
    assert (new.brought, new.origin, new.start) == (brought, Origin(1, NOON), NOW)


def test_what_goes_on_over_the_end_of_the_longest_period_is_brought_then() -> None:
    """A period that ends at the change leaves nothing; one that never ends does, and one by another calendar."""
    *_, new = carried(MONTHLY, "daily", when=ChangeTime.PERIOD_END).subscriptions
    assert (new.scheduled, new.brought) == (True, ())
    to_end = replace(a_subscription(1, "ever"), ends_at=NOW + ONE_DAY)
    *_, new = carried(to_end, "daily", when=ChangeTime.PERIOD_END).subscriptions
    assert new.brought == (Brought("message", None, NOON),)
    in_tokyo = replace(MONTHLY, anchor=Calendar("Asia/Tokyo"), ends_at=NOW + ONE_DAY)
    *_, new = carried(in_tokyo, "daily", when=ChangeTime.PERIOD_END).subscriptions
    assert new.brought == (THE_MONTH,)


def test_it_counts_until_the_period_of_the_change_is_over() -> None:
    """In the day in which the user changed, to the instant; then the next day starts at zero."""
    account, used = carried(MONTHLY, "daily"), {key(THE_MONTH): 40, key(THE_DAY): 3}
    for moment in (NOW, TOMORROW - MILLISECOND):
        assert place(account, moment).counters == (key(THE_DAY), key(THE_MONTH))
        assert consumption(account, used, moment) == Consumption(43, 50, False)
    assert place(account, TOMORROW).counters == (key(THE_DAY._replace(period_start=TOMORROW)),)
    assert consumption(account, used, TOMORROW) == Consumption(0, 50, False)
    for_ever = carried(MONTHLY, "ever")
    assert consumption(for_ever, used, NOW + 900 * ONE_DAY) == Consumption(40, 500, False)


def test_taking_is_held_to_the_new_limit() -> None:
    """Units are taken from the new counter alone, and what was brought leaves less room."""
    account, used = carried(MONTHLY, "daily"), {key(THE_MONTH): 40, key(THE_DAY): 3}
    entry = settled(account, used, 7)
    assert (entry.outcome, entry.postings) == (Outcome.RECORDED, (Posting(key(THE_DAY), 7),))
    assert entry.counter == key(THE_DAY, source_id=100)
    assert settled(account, used, 8).outcome is Outcome.LIMIT_EXCEEDED
    assert settled(account, {key(THE_MONTH): 90}, 1).outcome is Outcome.LIMIT_EXCEEDED


@pytest.mark.parametrize(
    ("delta", "postings"),
    [
        (-2, (Posting(key(THE_DAY), -2),)),
        (-3, (Posting(key(THE_DAY), -3),)),
        (-43, (Posting(key(THE_DAY), -3), Posting(key(THE_MONTH), -40))),
    ],
)
def test_giving_back_reaches_what_was_brought(delta: int, postings: tuple[Posting, ...]) -> None:
    """First what was used since then, and none goes below zero."""
    account, used = carried(MONTHLY, "daily"), {key(THE_MONTH): 40, key(THE_DAY): 3}
    assert settled(account, used, delta).postings == postings
    assert settled(account, used, -44).outcome is Outcome.BELOW_ZERO
    entry = settled(account, {key(THE_MONTH): 40}, 15, Action.SET)
    assert (entry.change, entry.postings) == (-25, (Posting(key(THE_MONTH), -25),))
    assert entry.counter == key(THE_MONTH, source_id=100)
    same = settled(account, {key(THE_MONTH): 40}, 40, Action.SET)
    assert (same.change, same.postings) == (0, (Posting(key(THE_DAY), 0),))


def test_each_total_counts_once_however_often_somebody_changes() -> None:
    """There and back within a day: the month is the own counter again, and the day is brought."""
    back = carried(MONTHLY, "daily", "monthly")
    assert back.subscriptions[-1].brought == (THE_DAY,)
    used = {key(THE_MONTH): 40, key(THE_DAY): 3}
    assert consumption(back, used) == Consumption(43, 100, False)
    *_, ever = carried(MONTHLY, "daily", "ever").subscriptions
    assert set(ever.brought) == {THE_DAY, THE_MONTH}
    *_, same = carried(replace(MONTHLY, package_id="daily"), "rolling").subscriptions
    assert (same.brought, same.origin) == ((), Origin(1, NOON))
    *_, on = carried(MONTHLY, "daily", "rolling").subscriptions
    assert on.brought == (THE_MONTH,)


def test_what_a_package_was_brought_is_passed_on_only_in_that_period() -> None:
    """Two days later only what was used that day counts."""
    *_, ever = carried(MONTHLY, "daily", "ever", every=48).subscriptions
    assert ever.brought == (THE_DAY._replace(period_start=TODAY + 2 * ONE_DAY),)


def test_other_grants_and_exceptions_stay_as_they_are() -> None:
    """What is added adds; an exception counts in its own periods."""
    account, used = carried(MONTHLY, "daily"), {key(THE_MONTH): 40, key(THE_DAY): 3}
    more = replace(account, subscriptions=(*account.subscriptions, a_subscription(9, "extra")))
    assert consumption(more, used) == Consumption(43, 70, False)
    given_back = settled(more, used, -43)
    assert {each.counter for each in given_back.postings} == {key(THE_DAY), key(THE_MONTH)}
    exception = replace(account, given=(an_override(5, limit=9, reset_period=DAY),))
    assert consumption(exception, used) == Consumption(3, 9, False)


def test_what_was_brought_is_not_carried_over_as_left() -> None:
    """Of the day of the change only the rest of the limit is left for the next one."""
    account, used = carried(MONTHLY, "rolling"), {key(THE_MONTH): 40, key(THE_DAY): 3}
    assert consumption(account, used, TOMORROW) == Consumption(0, 57, False)
    assert key(THE_MONTH) in place(account, TOMORROW).counters
    assert consumption(account, {}, TOMORROW) == Consumption(0, 80, False)
