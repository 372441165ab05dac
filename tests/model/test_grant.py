"""Grants: what adds up, what is used up first, and what is posted to which counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.model.allowance import Allowance
from kana.model.catalog import Catalog
from kana.model.effective import effective, effective_at
from kana.model.entitlement import Consumption, Entitlement, Outcome, place_at
from kana.model.grant import CounterKey, Grant, Pool, Posting, Source
from kana.model.period import ResetPeriod
from kana.model.subscription import Subscription
from kana.model.text import UNITS_MAX
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
    examples,
)

MESSAGE = a_feature()
PACKAGES = (
    a_package("free", allows(10)),
    a_package("pro", allows(1000, overage=True)),
    a_package("endless", allows(None)),
    a_package("extra", adds(500), is_addon=True),
    a_package("more", adds(20, DAY, overage=True), is_addon=True),
    a_package("all", adds(None, None), is_addon=True),
    a_package("bonus", adds(7, None), is_addon=True),
)
CATALOG = a_catalog(MESSAGE, *PACKAGES)


def entitled(*packages: str | Subscription, at: datetime | None = None, catalog: Catalog = CATALOG) -> Entitlement:
    """What somebody has who subscribed to these packages, one after the other, or all of them at noon."""
    subscriptions = [
        each if isinstance(each, Subscription) else a_subscription(number, each)
        for number, each in enumerate(packages, 1)
    ]
    account = an_account(*subscriptions)
    if at is None:
        found = effective(account, catalog, MESSAGE, now=NOON)
    else:
        found = effective_at(account, catalog, MESSAGE, moment=at)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("packages", "answers", "allowed", "adding"),
    [
        (["free", "extra"], "free", (510, False), ["extra"]),
        (["extra", "free"], "free", (510, False), ["extra"]),
        (["pro", "extra"], "pro", (1500, True), ["extra"]),
        (["endless", "extra"], "endless", (None, False), ["extra"]),
        (["free", "all"], "free", (None, False), ["all"]),
        (["free", "more"], "free", (30, True), ["more"]),
        (["free", "pro", "extra", "bonus"], "pro", (1507, True), ["extra", "bonus"]),
        (["extra", "bonus"], "extra", (507, False), ["bonus"]),
        (["extra"], "extra", (500, False), []),
    ],
)
def test_what_adds_holds_on_top_of_the_highest(
    packages: list[str], answers: str, allowed: tuple[int | None, bool], adding: list[str]
) -> None:
    """Of those that do not add the highest answers, limits add up, and overage that one enables stays enabled."""
    found = entitled(*packages)
    assert found.holder.package_id == answers
    grants = found.pool_at(NOON, {})
    assert (grants.limit, grants.overage_enabled) == allowed
    assert [part.holder.package_id for part in parts_of(found)] == ([answers, *adding] if adding else [])


def parts_of(found: Entitlement) -> list[Entitlement]:
    parts = [part for part in found.parts if isinstance(part, Entitlement)]
    assert len(parts) == len(found.parts)
    return parts


def test_limits_add_up_to_no_more_than_a_number_may_be() -> None:
    """Beyond 2^53-1 nothing can be used anyway."""
    one, another = grants_of([UNITS_MAX, 1], [0, 0])
    assert Pool((one, another), one).limit == UNITS_MAX


def test_counters_are_those_of_all_parts() -> None:
    """What answers first, each in a period of its own."""
    found = entitled("free", "more")
    later = NOON + 3 * ONE_DAY
    free, more = CounterKey(7, 1, "message", MONTH, NOON), CounterKey(7, 2, "message", DAY, later)
    assert place_at(found, later, has_holds=False).counters == (free, more)
    assert place_at(entitled("free"), later, has_holds=False).counters == (free,)


def test_what_held_then_adds_for_then() -> None:
    """Before an add-on began, after it ended, and in between."""
    extra = a_subscription(2, "extra", start=NOON + ONE_DAY, ends_at=NOON + 2 * ONE_DAY)
    limits = [
        entitled("free", extra, at=NOON + days * ONE_DAY + off).pool_at(NOON, {}).limit
        for days, off in ((1, -MILLISECOND), (1, timedelta()), (2, -MILLISECOND), (2, timedelta()))
    ]
    assert limits == [10, 510, 510, 10]


def test_more_than_a_number_may_be_is_shown_as_the_most() -> None:
    """Counters that were filled apart may add up to more: nothing can be added then, and everything given back."""
    used = dict.fromkeys(place_at(entitled("endless", "all"), NOON, has_holds=False).counters, UNITS_MAX)
    standing = place_at(entitled("endless", "all"), NOON, has_holds=False).standing(used)
    assert standing.entitlement.consumption(standing.used) == Consumption(UNITS_MAX, None, overage_enabled=False)
    outcomes = [standing.decide(change).outcome for change in (1, -1, -2 * UNITS_MAX, -2 * UNITS_MAX - 1)]
    assert outcomes == [Outcome.TOTAL_TOO_LARGE, Outcome.RECORDED, Outcome.RECORDED, Outcome.BELOW_ZERO]


def burnt(*packages: str | Subscription, at: datetime = NOON) -> list[str]:
    return [grant.package_id for grant in entitled(*packages).pool_at(at, {}).grants]


def test_what_ends_first_is_used_up_first() -> None:
    """The end of its period or of its subscription, then the older subscription; what never ends comes last."""
    assert burnt("free", "extra", "more", "bonus") == ["more", "free", "extra", "bonus"]
    started = a_subscription(1, "free", start=NOON + timedelta(seconds=1))
    assert burnt(started, "extra", at=NOON + ONE_DAY) == ["extra", "free"]
    ending = a_subscription(2, "bonus", ends_at=NOON + ONE_DAY - MILLISECOND)
    assert burnt("free", ending, "more") == ["bonus", "more", "free"]
    together = [a_subscription(2, "extra"), a_subscription(1, "free")]
    assert burnt(*together) == ["free", "extra"]


def test_overage_is_taken_by_what_answers() -> None:
    """Or where it is not enabled there, by the first part that it is enabled for; never by two."""

    def takes(*packages: str) -> str:
        grants = entitled(*packages).pool_at(NOON, {})
        beyond = {posting.counter: posting.change for posting in grants.postings(10_000)}
        [taker] = [grant for grant in grants.grants if beyond.get(grant.counter, 0) > (grant.amount or 0)]
        return taker.package_id

    assert takes("pro", "more") == "pro"
    assert takes("free", "extra", "more") == "more"
    assert takes("free", "extra") == "free"


def grants_of(amounts: Sequence[int | None], used: Sequence[int], *, overage: int | None = None) -> list[Grant]:
    return [
        Grant(
            source=Source.PACKAGE,
            counter=CounterKey(7, number, "message", MONTH, NOON),
            package_id=f"p{number}",
            since=NOON,
            ends_at=NOON + number * ONE_DAY,
            allowance=Allowance(limit=amount, overage_enabled=number == overage),
            used=units,
            holder_id=number,
        )
        for number, (amount, units) in enumerate(zip(amounts, used, strict=True), 1)
    ]


def pool_of(
    amounts: Sequence[int | None], used: Sequence[int], *, answers: int = 0, overage: int | None = None
) -> Pool:
    grants = grants_of(amounts, used, overage=overage)
    return Pool(tuple(grants), grants[answers])


def moved(change: int, grants: Pool) -> list[int]:
    """What each grant's counter moves by."""
    by_counter = dict(grants.postings(change))
    return [by_counter.get(grant.counter, 0) for grant in grants.grants]


@pytest.mark.parametrize(
    ("amounts", "used", "change", "expected"),
    [
        ([10, 500], [0, 0], 1, [1, 0]),
        ([10, 500], [8, 0], 5, [2, 3]),
        ([10, 500], [10, 3], 7, [0, 7]),
        ([10, 500], [15, 0], 7, [0, 7]),
        ([10, 500], [10, 498], 7, [5, 2]),
        ([None, 500], [10, 0], 7, [7, 0]),
        ([10, None], [9, 0], 7, [1, 6]),
        ([10, 500], [8, 3], -2, [0, -2]),
        ([10, 500], [8, 3], -5, [-2, -3]),
        ([10, 500], [15, 500], -7, [-5, -2]),
        ([10, None], [8, 3], -5, [-2, -3]),
        ([10, 500], [8, 3], 0, [0, 0]),
    ],
)
def test_units_are_taken_in_order_and_given_back_the_other_way(
    amounts: list[int | None], used: list[int], change: int, expected: list[int]
) -> None:
    """Each until nothing is left, then overage; overage goes back first, then from the last to the first."""
    grants = pool_of(amounts, used)
    assert moved(change, grants) == expected
    assert all(posting.change for posting in grants.postings(change))


@st.composite
def situations(draw: st.DrawFn) -> Pool:
    """Up to five grants, what is used of each, perhaps more than there is, and one that overage may be enabled for."""
    amounts = draw(st.lists(st.none() | st.integers(0, 9), min_size=2, max_size=5))
    used = draw(st.lists(st.integers(0, 12), min_size=len(amounts), max_size=len(amounts)))
    numbers = st.integers(0, len(amounts) - 1)
    return pool_of(amounts, used, answers=draw(numbers), overage=draw(st.none() | numbers.map(lambda each: each + 1)))


def unit_by_unit(change: int, grants: Pool) -> list[int]:
    """The same rule, slow and plain: where one unit goes, so many times."""
    used = [grant.used for grant in grants.grants]
    total = list(used)
    amounts = [UNITS_MAX if grant.amount is None else grant.amount for grant in grants.grants]
    with_overage = [number for number, grant in enumerate(grants.grants) if grant.allowance.overage_enabled]
    taker = [*with_overage, grants.grants.index(grants.answering)][0]
    for _ in range(change):
        room = [number for number, amount in enumerate(amounts) if total[number] < amount]
        total[room[0] if room else taker] += 1
    for _ in range(-change):
        beyond = [number for number, amount in enumerate(amounts) if total[number] > amount]
        total[(beyond or [number for number, units in enumerate(total) if units])[-1]] -= 1
    return [after - before for after, before in zip(total, used, strict=True)]


def admitted(change: int, grants: Pool) -> bool:
    """Whether a change is admitted where these grants hold."""
    summed = Entitlement(MESSAGE, a_subscription(), Allowance()).summed(grants)
    return summed.decide(change, used=grants.used).access


@examples(1000)
@given(grants=situations(), change=st.integers(-70, 70))
def test_postings_are_the_change(grants: Pool, change: int) -> None:
    """Their sum is; none is below zero; no unit is taken from what ends later while one that ends first has some left.

    And unit by unit it comes to the same. A change that is not admitted moves nothing, and none is admitted in part.
    """
    left = [grant.left for grant in grants.grants]
    fits = None in left or grants.overage_enabled or change <= sum(units or 0 for units in left)
    assert admitted(change, grants) == (grants.used + change >= 0 and (change <= 0 or fits))
    if not admitted(change, grants):
        return
    parts = moved(change, grants)
    assert sum(parts) == change
    assert parts == unit_by_unit(change, grants)
    after = [grant.used + part for grant, part in zip(grants.grants, parts, strict=True)]
    assert min(after) >= 0
    if change > 0 and not grants.overage_enabled:
        for grant, units in zip(grants.grants, after, strict=True):
            assert grant.amount is None or units <= max(grant.amount, grant.used)
        for number, part in enumerate(parts):
            if part:
                before = zip(grants.grants[:number], after, strict=False)
                assert all(grant.amount is not None and grant.amount <= units for grant, units in before)


@examples(1000)
@given(grants=situations(), first=st.integers(0, 40), more=st.integers(1, 40))
def test_giving_back_restores_exactly(grants: Pool, first: int, more: int) -> None:
    """What was taken in order and is given back in the same windows leaves every counter as it was before."""

    def using(used: Sequence[int]) -> Pool:
        after = tuple(replace(grant, used=units) for grant, units in zip(grants.grants, used, strict=True))
        return Pool(after, after[grants.grants.index(grants.answering)])

    before = moved(first, using([0] * len(grants.grants)))
    taken = moved(more, using(before))
    after = [units + part for units, part in zip(before, taken, strict=True)]
    assert moved(-more, using(after)) == [-part for part in taken]


def posted(
    delta: int, *packages: str | Subscription, used: Sequence[int], action: Action = Action.ADD, now: datetime = NOON
) -> Entry:
    """The entry of a usage by somebody with these packages, who used so much of each in burn order."""
    place = place_at(entitled(*packages), now, has_holds=False)
    in_order = place.entitlement.pool_at(now, {}).grants
    standing = place.standing({grant.counter: units for grant, units in zip(in_order, used, strict=True)})
    return entry_for(a_usage(delta, action=action), a_ref(), standing, entry_id=1, now=now)


FREE, EXTRA = CounterKey(7, 1, "message", MONTH, NOON), CounterKey(7, 2, "message", MONTH, NOON)


@pytest.mark.parametrize(
    ("delta", "action", "used", "counter", "split", "total"),
    [
        (3, Action.ADD, [2, 0], FREE, [], 5),
        (3, Action.ADD, [8, 0], FREE, [2, 1], 11),
        (3, Action.ADD, [10, 4], EXTRA, [], 17),
        (-3, Action.ADD, [10, 4], EXTRA, [], 11),
        (-6, Action.ADD, [10, 4], FREE, [-2, -4], 8),
        (500, Action.SET, [10, 4], EXTRA, [], 500),
        (14, Action.SET, [10, 4], FREE, [], 14),
        (0, Action.SET, [10, 4], FREE, [-10, -4], 0),
    ],
)
def test_an_entry_says_what_it_moves_where(
    delta: int, action: Action, used: list[int], counter: CounterKey, split: list[int], total: int
) -> None:
    """All of it in one counter, or parts in several; the answer adds up all of them."""
    entry = posted(delta, "free", "extra", used=used, action=action)
    assert entry.outcome is Outcome.RECORDED
    assert (entry.counter, entry.change) == (counter, total - sum(used))
    assert entry.split == tuple(Posting(key, change) for key, change in zip((FREE, EXTRA), split, strict=False))
    assert entry.postings == (entry.split or (Posting(counter, entry.change),))
    assert entry.consumption == Consumption(total, 510, overage_enabled=False)


@pytest.mark.parametrize(
    ("delta", "used", "outcome", "reason"),
    [
        (
            2,
            [10, 499],
            Outcome.LIMIT_EXCEEDED,
            "The limit of 510 is reached for this period: 509 used, 2 more would exceed it,"
            " and overage is not enabled.",
        ),
        (-7, [4, 2], Outcome.BELOW_ZERO, "Only 6 used in this period: 7 cannot be given back."),
    ],
)
def test_a_refusal_moves_nothing_anywhere(delta: int, used: list[int], outcome: Outcome, reason: str) -> None:
    """Not a part of it; it is told of what answers."""
    entry = posted(delta, "free", "extra", used=used)
    assert (entry.outcome, entry.reason, entry.change) == (outcome, reason, 0)
    assert (entry.counter, entry.split, entry.postings) == (FREE, (), ())
    assert entry.consumption == Consumption(sum(used), 510, overage_enabled=False)


def test_an_entry_is_never_from_before_what_it_is_taken_from() -> None:
    """Where another machine's clock was ahead when it began an add-on, that moment is when it is recorded."""
    ahead = a_subscription(2, "extra", start=NOON + timedelta(seconds=2))
    entry = posted(1, "free", ahead, used=[0, 0])
    assert (entry.recorded_at, entry.occurred_at) == (ahead.start, ahead.start)


@pytest.mark.parametrize("reset", [*ResetPeriod, None])
def test_what_adds_may_have_any_period(reset: ResetPeriod | None) -> None:
    """A period of its own, whichever the one has that answers."""
    catalog = a_catalog(MESSAGE, a_package("base", allows(10)), a_package("extra", adds(5, reset), is_addon=True))
    found = entitled("base", "extra", catalog=catalog)
    assert [each.reset_period for each in place_at(found, NOON, has_holds=False).counters] == [MONTH, reset]


def test_a_counter_says_what_its_units_are_of() -> None:
    """What is carried over has a counter of its own, of the same subscription."""
    counter = CounterKey(7, 5, "message", MONTH, NOON)
    assert [(each.origin_id, each.is_carried) for each in (counter, counter.carried)] == [(5, False), (5, True)]
