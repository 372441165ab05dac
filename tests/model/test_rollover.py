"""Rollover: what earlier periods left, for how long, and how much of it at a time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from random import Random

import pytest

from kana.errors import InvalidValue
from kana.model.allowance import Allowance, Combine, Rollover
from kana.model.effective import effective
from kana.model.entitlement import Entitlement, Place, place_at
from kana.model.grant import CounterKey, Source
from kana.model.package import Package, PackageFeature
from kana.model.period import ResetPeriod
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
    rolls_over,
)

MESSAGE = a_feature()


def entitled(
    limit: int = 10, *, most: int = 100, periods: int = 1, reset: ResetPeriod = DAY, ends_at: datetime | None = None
) -> Entitlement:
    """What somebody has whose package carries over at most so much for so many periods."""
    package = a_package("basic", rolls_over(limit, reset, most=most, periods=periods))
    account = an_account(a_subscription(1, "basic", ends_at=ends_at))
    found = effective(account, a_catalog(MESSAGE, package), MESSAGE, now=NOON)
    assert found is not None
    return found


def day(number: int) -> datetime:
    return NOON + number * ONE_DAY


def counter(number: int) -> CounterKey:
    return CounterKey(7, 1, "message", DAY, day(number))


def held(entitlement: Entitlement, at: datetime, used: dict[CounterKey, int]) -> list[tuple[Source, int | None, int]]:
    pool = entitlement.pool_at(at, used)
    return [(grant.source, grant.amount, grant.used) for grant in pool.grants]


def test_the_first_period_has_nothing_carried_over() -> None:
    """Nor does one in which all was used before."""
    found = entitled()
    assert held(found, NOON, {}) == [(Source.PACKAGE, 10, 0)]
    assert held(found, day(1), {counter(0): 10}) == [(Source.PACKAGE, 10, 0)]
    assert held(found, day(1), {counter(0): 12}) == [(Source.PACKAGE, 10, 0)]


def test_what_a_period_left_is_a_grant_of_the_next() -> None:
    """Of that one only, used up before the package's own, and counted by itself."""
    found = entitled()
    used = {counter(0): 7}
    assert held(found, day(1), used) == [(Source.ROLLOVER, 3, 0), (Source.PACKAGE, 10, 0)]
    place = place_at(found, day(1), has_holds=False)
    assert set(place.counters) == {counter(1), counter(0), counter(0).carried}
    standing = place.standing(used)
    assert standing.grants is not None
    assert standing.grants.postings(5) == ((counter(0).carried, 3), (counter(1), 2))
    assert [standing.decide(change).access for change in (13, 14)] == [True, False]
    assert held(found, day(2), {counter(0): 7, counter(1): 10}) == [(Source.PACKAGE, 10, 0)]


def test_no_more_than_the_limit_is_carried_over() -> None:
    """In all, the older first; units that were used make room."""
    assert held(entitled(most=2), day(1), {})[0] == (Source.ROLLOVER, 2, 0)
    two = entitled(most=12, periods=2)
    assert held(two, day(2), {}) == [(Source.ROLLOVER, 10, 0), (Source.PACKAGE, 10, 0), (Source.ROLLOVER, 2, 0)]
    some_used = {counter(0).carried: 4}
    assert held(two, day(2), some_used) == [(Source.ROLLOVER, 10, 4), (Source.PACKAGE, 10, 0), (Source.ROLLOVER, 6, 0)]


def test_each_rest_is_lost_in_its_own_time() -> None:
    """After so many periods; with the subscription if that ends before."""
    ends = [(grant.source, grant.ends_at) for grant in entitled(periods=3).pool_at(day(3), {}).grants]
    assert ends == [
        (Source.ROLLOVER, day(4)),
        (Source.PACKAGE, day(4)),
        (Source.ROLLOVER, day(5)),
        (Source.ROLLOVER, day(6)),
    ]
    over = NOON + timedelta(hours=30)
    ends = [(grant.source, grant.ends_at) for grant in entitled(periods=3, ends_at=over).pool_at(day(1), {}).grants]
    assert ends == [(Source.ROLLOVER, over), (Source.PACKAGE, over)]


def test_usage_that_is_told_late_leaves_less() -> None:
    """Even of what has been used since: that is beyond, and takes nothing from others."""
    found = entitled()
    used = {counter(0): 8, counter(0).carried: 5}
    pool = found.pool_at(day(1), used)
    assert held(found, day(1), used) == [(Source.ROLLOVER, 2, 5), (Source.PACKAGE, 10, 0)]
    assert (pool.slack, found.summed(pool).decide(10, used=pool.used).access) == (3, True)
    assert not found.summed(pool).decide(11, used=pool.used).access


def brute(limit: int, most: int, periods: int, used: dict[CounterKey, int], today: int) -> int:
    """What is left in all of what was carried over, day by day."""
    room = most
    for number in range(max(0, today - periods), today):
        rest = max(0, limit - used.get(counter(number), 0))
        room -= max(0, min(room, min(rest, most) - used.get(counter(number).carried, 0)))
    return most - room


def test_random_totals_are_carried_over_by_the_rule() -> None:
    """Against the same, said plainly; never more than the limit, and nothing below zero."""
    random = Random(7)
    for _ in range(2_000):
        limit, most, periods, today = (
            random.randint(0, 12),
            random.randint(0, 25),
            random.randint(1, 5),
            random.randint(0, 7),
        )
        used = {counter(number): random.randint(0, 14) for number in range(today)}
        used |= {counter(number).carried: random.randint(0, 6) for number in range(today)}
        grants = entitled(limit, most=most, periods=periods).pool_at(day(today), used).grants
        left = sum(grant.left or 0 for grant in grants if grant.source is Source.ROLLOVER)
        assert left == brute(limit, most, periods, used, today)
        assert left <= most


def test_months_are_carried_over_too() -> None:
    """By the same calendar as periods."""
    found = entitled(periods=2, reset=MONTH)
    later = NOON + 70 * ONE_DAY
    assert [grant.source for grant in found.pool_at(later, {}).grants] == [
        Source.ROLLOVER,
        Source.PACKAGE,
        Source.ROLLOVER,
    ]
    assert Place(found, later, found.counter_at(later), ()).entitlement.parts[1].begins == NOON


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rollover(limit=-1, periods=1), "rollover.limit must be 0 to 9007199254740991, got -1"),
        (lambda: Rollover(limit=1, periods=0), "rollover.periods must be 1 to 12, got 0"),
        (lambda: Rollover(limit=1, periods=13), "rollover.periods must be 1 to 12, got 13"),
        (
            lambda: Allowance(limit=5, rollover=Rollover(limit=1, periods=1)),
            "rollover needs a limit and a reset period: otherwise no period leaves anything",
        ),
        (
            lambda: Allowance(reset_period=DAY, rollover=Rollover(limit=1, periods=1)),
            "rollover needs a limit and a reset period: otherwise no period leaves anything",
        ),
        (lambda: Allowance(limit=5, grace_percent=101), "gracePercent must be 0 to 100, got 101"),
        (lambda: Allowance(limit=5, grace_percent=-1), "gracePercent must be 0 to 100, got -1"),
        (lambda: Allowance(grace_percent=5), "a grace needs a limit that it lets be passed"),
    ],
)
def test_what_cannot_be(make: object, message: str) -> None:
    """Each with the field, what is allowed, and what was given."""
    with pytest.raises(InvalidValue) as raised:
        make()  # type: ignore[operator]
    assert raised.value.message == message


@pytest.mark.parametrize(("percent", "most"), [(0, 10), (5, 10), (10, 11), (25, 12), (100, 20)])
def test_a_grace_lets_a_limit_be_passed(percent: int, most: int) -> None:
    """By whole units, rounded down; the decision says so, before and after."""
    found = Entitlement(MESSAGE, a_subscription(), Allowance(limit=10, grace_percent=percent))
    assert [found.decide(change, used=0).access for change in (most, most + 1)] == [True, False]
    for moves in (False, True):
        decision = found.decide(most, used=0, moves=moves)
        assert decision.in_grace == (most > 10)
        assert not found.decide(10, used=0, moves=moves).in_grace
    assert not found.decide(-1, used=most).in_grace
    assert (
        not Entitlement(MESSAGE, a_subscription(), Allowance(limit=1, overage_enabled=True)).decide(5, used=0).in_grace
    )


def test_a_grace_holds_beside_what_adds() -> None:
    """It is of its own limit, and used after everything else."""
    package = a_package("basic", rolls_over(10, DAY, most=5, periods=1, grace_percent=20))
    account = an_account(a_subscription(1, "basic"))
    found = effective(account, a_catalog(MESSAGE, package), MESSAGE, now=NOON)
    assert found is not None
    standing = place_at(found, day(1), has_holds=False).standing({})
    assert [standing.decide(change).access for change in (17, 18)] == [True, False]
    assert standing.decide(16).in_grace
    assert standing.grants is not None
    assert standing.grants.postings(17) == ((counter(0).carried, 5), (counter(1), 12))


@pytest.mark.parametrize("limits", [[(10, 20)], [(10, 0), (5, 40)], [(10, 20), (5, 40)], [(0, 100), (3, 50)]])
def test_a_grace_is_passed_once(limits: list[tuple[int, int]]) -> None:
    """Whichever of several has it, and whether it is used one by one or at once; then it is used up."""
    names = [f"package-{number}" for number in range(len(limits))]
    packages = [_adding(name, *limit) for name, limit in zip(names, limits, strict=True)]
    account = an_account(*(a_subscription(number, name) for number, name in enumerate(names, 1)))
    found = effective(account, a_catalog(MESSAGE, *packages), MESSAGE, now=NOON)
    assert found is not None
    place, most = (
        place_at(found, NOON, has_holds=False),
        sum(limit + limit * percent // 100 for limit, percent in limits),
    )
    used: Counter[CounterKey] = Counter()
    while (standing := place.standing(used)).decide(1).access:
        assert standing.decide(most - used.total()).access
        assert not standing.decide(most - used.total() + 1).access
        assert standing.decide(1).in_grace == (used.total() >= sum(limit for limit, _ in limits))
        grants = standing.grants
        used.update(dict([(place.counter, 1)] if grants is None else grants.postings(1)))
    assert used.total() == most
    amounts = [(grant.used, grant.amount, grant.allowance.grace) for grant in found.pool_at(NOON, used).grants]
    assert all(amount is not None and taken <= amount + grace for taken, amount, grace in amounts)


def test_overage_comes_before_a_grace() -> None:
    """Where one of them may be exceeded without end, it counts all that is beyond."""
    over = a_package("over", allows(10, overage=True))
    account = an_account(a_subscription(1, "over"), a_subscription(2, "adding"))
    found = effective(account, a_catalog(MESSAGE, over, _adding("adding", 5, 40)), MESSAGE, now=NOON)
    assert found is not None
    grants = found.pool_at(NOON, {})
    assert [posting.change for posting in grants.postings(20)] == [5, 15]


def _adding(name: str, limit: int, percent: int) -> Package:
    allowance = Allowance(limit=limit, reset_period=DAY, combine=Combine.ADD, grace_percent=percent)
    return a_package(name, PackageFeature(feature_id="message", allowance=allowance), is_addon=True)
