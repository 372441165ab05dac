"""Whatever units come from, and whenever they end: what is lost first is used first, and all can be given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kana.model.allowance import Allowance
from kana.model.entitlement import Entitlement
from kana.model.grant import CounterKey, Grant, Pool, Source, pool
from tests.support.world import DAY, MONTH, NOON, ONE_DAY, a_feature, a_subscription, examples

NEVER = NOON + 1000 * ONE_DAY
LOST_FIRST = [Source.ROLLOVER, Source.PACKAGE, Source.OVERRIDE, Source.TOP_UP]
"""Of those that end together; an override stands where a package would, so there are never both."""


@st.composite
def grants(draw: st.DrawFn) -> list[Grant]:
    """Up to six, of all sources, that end on four days or never, with amounts that may have a grace."""
    found = []
    for number in range(draw(st.integers(2, 6))):
        amount = draw(st.none() | st.integers(0, 6))
        counter = CounterKey(7, number + 1, "message", MONTH, NOON - draw(st.integers(0, 3)) * ONE_DAY)
        brought = draw(st.lists(st.integers(1, 3), max_size=2))
        others = tuple((counter._replace(reset_period=DAY, period_start=NOON - day * ONE_DAY), units)
                       for day, units in enumerate(brought))  # fmt: skip
        grant = Grant(
            source=draw(st.sampled_from([Source.ROLLOVER, Source.PACKAGE, Source.PACKAGE, Source.TOP_UP])),
            counter=counter,
            package_id="basic",
            since=counter.period_start,
            ends_at=draw(st.none() | st.integers(1, 4).map(lambda days: NOON + days * ONE_DAY)),
            allowance=Allowance(limit=amount, grace_percent=0 if amount is None else draw(st.sampled_from([0, 0, 50]))),
            used=sum(brought),
            holder_id=counter.source_id,
            brought=others,
        )
        found.append(grant)
    return found


def using(held: Sequence[Grant], used: dict[CounterKey, int]) -> Pool:
    """The grants when so much of their counters is used beside what was brought along."""
    now = [
        replace(
            each,
            brought=tuple((counter, used.get(counter, units)) for counter, units in each.brought),
            used=used.get(each.counter, 0) + sum(used.get(counter, units) for counter, units in each.brought),
        )
        for each in held
    ]
    return pool(now[0], now[1:])


def moved(change: int, held: Sequence[Grant], used: dict[CounterKey, int]) -> dict[CounterKey, int]:
    """The counters after a change."""
    totals = {counter: units for each in held for counter, units in each.brought} | used
    for counter, part in using(held, used).postings(change):
        totals[counter] = totals.get(counter, 0) + part
    return totals


def room(held: Sequence[Grant], used: dict[CounterKey, int]) -> int:
    """The most that is admitted, up to 99."""
    grants = using(held, used)
    summed = Entitlement(a_feature(), a_subscription(), Allowance()).summed(grants)
    return max(units for units in range(100) if units == 0 or summed.decide(units, used=grants.used).access)


def order(grant: Grant) -> tuple[datetime, int, datetime, int]:
    """Which is lost first: the earlier end; at the same end by source, then the older one, then the older id."""
    return grant.ends_at or NEVER, LOST_FIRST.index(grant.source), grant.since, grant.counter.source_id


@examples(1000)
@given(held=grants(), share=st.floats(0, 1))
def test_what_is_lost_first_is_never_left_while_something_else_is_used(held: list[Grant], share: float) -> None:
    """Of any two grants: units of the one that is lost later are taken only where nothing is left of the other."""
    units = round(share * room(held, {}))
    after = moved(units, held, {})
    left = {each.counter: each.left for each in using(held, after).grants}
    for early in held:
        for late in held:
            if order(early) < order(late) and after.get(late.counter, 0) > 0:
                assert left[early.counter] == 0


@examples(1000)
@given(held=grants(), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_giving_back_restores_every_counter(held: list[Grant], shares: tuple[float, float]) -> None:
    """Also what a grace allowed. All of it was taken in order; what was brought along was not."""
    held = [replace(each, used=0, brought=()) for each in held]
    first = moved(round(shares[0] * room(held, {})), held, {})
    more = round(shares[1] * room(held, first))
    taken = moved(more, held, first)
    assert sum(taken.values()) - sum(first.values()) == more
    restored = moved(-more, held, taken)
    assert {counter: units for counter, units in restored.items() if units} == {
        counter: units for counter, units in first.items() if units
    }


@examples(300)
@given(held=grants(), changes=st.lists(st.integers(-9, 9), max_size=12))
def test_no_counter_is_ever_below_zero_or_beyond_what_is_allowed(held: list[Grant], changes: list[int]) -> None:
    """Whatever is taken and given back, one after the other, the sum of what is moved is what all of them count."""
    used: dict[CounterKey, int] = {}
    before = sum(units for each in held for _, units in each.brought)
    for change in changes:
        total = using(held, used).used
        if total + change >= 0 and change <= room(held, used):
            used = moved(change, held, used)
            before += change
    assert using(held, used).used == before
    assert all(units >= 0 for units in used.values())
    for each in using(held, used).grants:
        brought = sum(units for _, units in next(grant for grant in held if grant.counter == each.counter).brought)
        assert each.amount is None or each.used <= max(each.amount + each.allowance.grace, brought)


def test_a_later_one_first_would_be_seen() -> None:
    """The control: with the order turned round, units that end later are used while others are left."""
    soon, later = (
        Grant(
            source=Source.TOP_UP, counter=CounterKey(7, days, "message", None, NOON), package_id="", since=NOON,
            ends_at=NOON + timedelta(days=days), allowance=Allowance(limit=5), used=0, holder_id=days,
        )
        for days in (1, 2)
    )  # fmt: skip
    turned = Pool((later, soon), soon)
    assert [posting.counter for posting in turned.postings(3)] == [later.counter]
    assert [posting.counter for posting in pool(later, [soon]).postings(3)] == [soon.counter]
