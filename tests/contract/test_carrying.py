"""Usage that a change of package takes along into other reset periods, on every store."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from kana.engine.ports.store import Store
from kana.model.allowance import Allowance, Cost
from kana.model.counting import Brought
from kana.model.entitlement import Outcome
from kana.model.package import PackageFeature
from kana.model.period import ResetPeriod
from kana.model.terms import ChangeTime, ChangeUsage
from kana.model.usage import Action, Entry
from tests.support.stores import Place
from tests.support.world import (
    DAY,
    MILLISECOND,
    MONTH,
    NOON,
    ONE_DAY,
    TEST,
    TESTER,
    World,
    a_feature,
    a_package,
    a_usage,
    allows,
)

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
async def _changed(world: World) -> None:
    """Ada uses 40 of 100 a month within two days, and then changes to 50 a day."""
    await world.furnish(a_package("monthly", allows(100)), a_package("daily", allows(50, DAY)))
    await world.subscribed_user("ada", "monthly")
    await world.usage.record(a_usage(30))
    world.clock.advance(days=1, hours=6)
    await world.usage.record(a_usage(10))
    await world.accounts.change_subscription(TEST, "ada", "daily", usage=ChangeUsage.CARRY)


async def used(world: World) -> tuple[int, int | None]:
    """What ada has used of how many now."""
    consumption = (await world.usage.check(TEST, "ada", "message")).consumption
    assert consumption is not None
    return consumption.used, consumption.budget


async def record(world: World, delta: int, **changes: object) -> Entry:
    return (await world.usage.record(a_usage(delta, **changes))).entry


async def test_it_counts_for_checks_records_and_all_who_ask(world: World, place: Place) -> None:
    """Until the day of the change is over; another store reads it as it was written."""
    assert await used(world) == (40, 50)
    assert (await record(world, 11)).outcome is Outcome.LIMIT_EXCEEDED
    new = await record(world, 6)
    assert new.consumption is not None
    assert (new.consumption.used, [each.change for each in new.postings]) == (46, [6])
    shown = await world.usage.show(TEST, "ada", "message")
    assert shown.current is not None
    assert (shown.current.consumption.used, shown.current.period_end) == (46, NOON + 2 * ONE_DAY)
    [state] = (await world.engine.profiles.of(TEST, "ada")).features
    assert [(each.used, each.amount) for each in state.grants] == [(46, 50)]
    explained = await world.engine.explaining.explain(TEST, "ada", "message", delta=5)
    assert explained.decision.outcome is Outcome.LIMIT_EXCEEDED
    assert explained.fits_at == NOON + 2 * ONE_DAY
    another = await place.open()
    [old, changed] = [each.subscription for each in await world.accounts.subscriptions(TEST)]
    assert changed.brought == (Brought("message", MONTH, NOON),)
    assert (await another.users.subscription(TEST, changed.id)).subscription == changed
    await another.close()
    world.clock.now = NOON + 2 * ONE_DAY - MILLISECOND
    assert await used(world) == (46, 50)
    world.clock.now += MILLISECOND
    assert await used(world) == (0, 50)
    assert old.origin is None
    assert (await world.store.audits.audit()).is_clean


async def test_late_usage_and_reversals_of_the_old_package_count_too(world: World) -> None:
    """What is told late of the month is held to its limit, and what is undone of it counts no more."""
    late = await record(world, 5, timestamp=NOON + HOUR)
    assert [each.counter.reset_period for each in late.postings] == [MONTH]
    assert await used(world) == (45, 50)
    assert (await record(world, 56, timestamp=NOON + HOUR)).outcome is Outcome.LIMIT_EXCEEDED
    await record(world, 20, timestamp=NOON + HOUR)
    assert await used(world) == (65, 50)
    assert (await record(world, 1)).outcome is Outcome.LIMIT_EXCEEDED
    assert (await world.usage.reverse(TEST, late.id, reason="wrong", by=TESTER)).entry.recorded
    assert await used(world) == (60, 50)
    assert (await record(world, -15)).recorded
    assert await used(world) == (45, 50)
    assert (await record(world, 4)).recorded
    set_to = await record(world, 7, action=Action.SET)
    assert {each.counter.reset_period: each.change for each in set_to.postings} == {DAY: -4, MONTH: -38}
    assert (await world.usage.reverse(TEST, set_to.id, reason="wrong", by=TESTER)).entry.recorded
    assert await used(world) == (49, 50)
    assert (await world.store.audits.audit()).is_clean


async def test_of_many_at_once_only_those_that_fit_are_recorded(world: World, store: Store) -> None:
    """Together with what was brought they never pass the limit, late ones for the old package among them."""
    entries = await asyncio.gather(
        *(record(world, 1) for _ in range(20)),
        *(record(world, 1, timestamp=NOON + HOUR) for _ in range(3)),
        *(record(world, 1) for _ in range(20)),
    )
    recorded = sum(each.recorded for each in entries)
    assert recorded >= 10
    assert await used(world) == (40 + recorded, 50)
    late = sum(each.recorded for each in entries if each.timestamp is not None)
    assert (late, recorded - late <= 10) == (3, True)
    assert (await store.audits.audit()).is_clean


async def test_there_and_back_counts_everything_once(world: World) -> None:
    """Within the day the month goes on with its own counter, and what was used by the day counts in it."""
    await record(world, 3)
    await world.accounts.change_subscription(TEST, "ada", "monthly", usage=ChangeUsage.CARRY)
    assert await used(world) == (43, 100)
    await record(world, 2)
    await world.accounts.change_subscription(TEST, "ada", "daily", usage=ChangeUsage.CARRY)
    assert await used(world) == (45, 50)
    assert (await world.store.audits.audit()).is_clean


@pytest.mark.parametrize("reset", [None, ResetPeriod.HOUR, ResetPeriod.WEEK, ResetPeriod.YEAR])
async def test_every_other_period_takes_it_along(world: World, reset: ResetPeriod | None) -> None:
    """From days to any other, also at the end of a period, where only what goes on over it is taken along."""
    await record(world, 3)
    await world.furnish(a_package("other", allows(900, reset)))
    await world.accounts.change_subscription(TEST, "ada", "other", usage=ChangeUsage.CARRY)
    assert await used(world) == (43, 900)
    await world.accounts.change_subscription(TEST, "ada", "monthly", usage=ChangeUsage.CARRY)
    change = world.accounts.change_subscription
    new = (await change(TEST, "ada", "daily", when=ChangeTime.PERIOD_END, usage=ChangeUsage.CARRY)).subscription
    assert (new.start, new.brought) == (datetime(2026, 4, 10, 12, tzinfo=NOON.tzinfo), ())
    world.clock.now = new.start
    assert await used(world) == (0, 50)
    assert (await world.store.audits.audit()).is_clean


async def test_late_usage_costs_what_it_cost_then(world: World) -> None:
    """Also where the package that it counts on with by now allows more, and costs more."""

    def costing(limit: int, units: int) -> PackageFeature:
        cost = Cost(feature_id="credit", units=units)
        return PackageFeature(feature_id="image", allowance=Allowance(limit=limit, reset_period=MONTH, cost=cost))

    credit = allows(100, feature="credit")
    features = [a_feature(name) for name in ("message", "image", "credit")]
    packages = (a_package("cheap", costing(5, 1), credit), a_package("dear", costing(50, 7), credit))
    await world.furnish(*packages, features=features)
    await world.subscribed_user("eve", "cheap")
    then = world.clock.now
    world.clock.advance(hours=2)
    await world.accounts.change_subscription(TEST, "eve", "dear", usage=ChangeUsage.CARRY)
    for timestamp, expected in ((then + HOUR, 1), (None, 8)):
        usage = a_usage(1, user_id="eve", feature_id="image", timestamp=timestamp)
        assert (await world.usage.record(usage)).entry.recorded
        said = (await world.usage.check(TEST, "eve", "credit")).consumption
        assert said is not None
        assert said.used == expected
    assert (await world.store.audits.audit()).is_clean
