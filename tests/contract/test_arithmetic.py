"""What databases work out agrees with what the model does: sums, days and hours, of any time and amount."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from kana.engine.ports.store import Store
from kana.engine.usage.batch import Batch
from kana.model.insights import Step, Steps, TopUser
from kana.model.text import UNITS_MAX
from kana.model.usage import Entry, Receipt, Usage
from tests.support.ledger import entries_of
from tests.support.stores import Place, furnish_workspace
from tests.support.world import (
    DAY,
    NOON,
    ONE_DAY,
    TEST,
    SetClock,
    World,
    a_feature,
    a_package,
    a_usage,
    allows,
    examples,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
ALWAYS = Steps(Step.HOUR, (FIRST,), LAST)
"""All of time as one step, wider than people may ask for."""

near_an_edge = st.builds(
    lambda day, off: EPOCH + timedelta(days=day, milliseconds=off), st.integers(-2, 2), st.integers(-2, 2)
)
moments = near_an_edge | st.datetimes(
    FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC)
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
deltas = st.sampled_from([1, -1, 2**32 - 1, 2**32, -(2**32), UNITS_MAX, -UNITS_MAX]) | st.integers(
    -UNITS_MAX, UNITS_MAX
)
usages = st.lists(st.tuples(moments, deltas.filter(bool)), min_size=1, max_size=12)


Tallies = dict[object, tuple[int, int, int]]
"""Units, usages and refusals."""


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def always(place: Place, runner: asyncio.Runner) -> Iterator[World]:
    """Somebody has had units without a limit, day by day, for nearly as long as there are dates."""

    async def open_world() -> World:
        world = World(await place.open(), clock=SetClock())
        await furnish_workspace(world.store)
        await world.furnish(a_package("free", allows(None, DAY)))
        world.clock.now = FIRST
        return world

    world = runner.run(open_world())
    yield world
    runner.run(world.store.close())


def hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


async def told_by_the_store(store: Store, user_id: str, feature_id: str) -> tuple[object, ...]:
    """A user's hours and days, all hours added up, and the first of the users: each by its own statement."""
    hours = await store.insights.usage_of(TEST, user_id, ALWAYS, [feature_id], ["free", None])
    days = await store.insights.usage_of(TEST, user_id, Steps(Step.DAY, (FIRST,), LAST), [feature_id], ["free", None])
    steps = await store.insights.usage_by_step(TEST, ALWAYS, [feature_id], ["free", None], limit=9)
    top = await store.insights.top_users(TEST, feature_id, start=FIRST, end=LAST, limit=1)
    return (
        {(row.at, row.package_id): (row.units, row.entries, row.refusals) for row in hours},
        {(row.at, row.package_id): (row.units, row.entries, row.refusals) for row in days},
        {row.package_id: (row.units, row.entries, row.refusals) for row in steps},
        top,
    )


def told_by_the_lines(entries: list[Entry], user_id: str) -> tuple[object, ...]:
    """The same in Python, of the lines of the ledger."""
    hours, days, steps = (Tallies() for _ in range(3))
    for entry in entries:
        package = None if entry.counter is None else "free"
        at = hour(entry.occurred_at)
        for tallies, key in ((hours, (at, package)), (days, (at.replace(hour=0), package)), (steps, package)):
            units, counted, refused = tallies.get(key, (0, 0, 0))
            tallies[key] = (units + entry.change, counted + entry.recorded, refused + (not entry.recorded))
    units, counted, refused = (sum(tally[place] for tally in steps.values()) for place in range(3))
    return (hours, days, steps, [TopUser(user_id, units, counted, refused)])


def test_sums_days_and_hours_are_those_of_the_model(always: World, runner: asyncio.Runner) -> None:
    """Times before and after 1970 and at its edge, and amounts of any size: statements and audit agree with Python."""
    numbers = count(1)

    @examples(40, suppress_health_check=list(HealthCheck))
    @given(usages, st.booleans())
    def agrees(drawn: list[tuple[datetime, int]], subscribed: bool) -> None:
        async def scenario() -> None:
            user_id = feature_id = f"n{next(numbers)}"
            always.clock.now = NOON
            package = a_package("free", allows(None, DAY, feature=feature_id))
            await always.furnish(package, features=[a_feature(feature_id)])
            always.clock.now = FIRST
            await always.accounts.create_user(TEST, id=user_id)
            if subscribed:
                await always.accounts.subscribe(TEST, user_id, ["free"])
            always.clock.now = LAST - ONE_DAY
            given = [a_usage(delta, user_id=user_id, feature_id=feature_id, timestamp=at) for at, delta in drawn]
            await always.usage.record_many(given)
            lines = await entries_of(always.store, user_id)
            expected = told_by_the_lines(lines, user_id)
            assert await told_by_the_store(always.store, user_id, feature_id) == expected
            assert (await always.store.audits.audit()).is_clean

        runner.run(scenario())

    agrees()


def test_sums_beyond_64_bits_are_whole(always: World, runner: asyncio.Runner) -> None:
    """Of 1,100 days with 2^53-1 units each: more than 9.9 * 10^18, exactly, and the audit goes through."""

    async def scenario() -> None:
        await always.subscribed_user("ada", "free")
        await always.subscribed_user("bob", "free")
        always.clock.now = LAST - ONE_DAY
        days = [NOON - number * ONE_DAY for number in range(1100)]
        await always.usage.record_many([a_usage(UNITS_MAX, timestamp=day) for day in days])
        await always.usage.record_many([a_usage(UNITS_MAX, timestamp=day, user_id="bob") for day in days[1:]])
        lines = await entries_of(always.store, "ada")
        hours, days_, _, top = await told_by_the_store(always.store, "ada", "message")
        assert (hours, days_, top) == (
            *told_by_the_lines(lines, "ada")[:2],
            [TopUser("ada", 1100 * UNITS_MAX, 1100, 0)],
        )
        [row] = await always.store.insights.usage_by_step(TEST, ALWAYS, ["message"], ["free"], limit=9)
        assert (row.units, row.entries) == (2199 * UNITS_MAX, 2199)
        assert (await always.store.audits.audit()).is_clean

    runner.run(scenario())


def test_an_hour_in_which_more_is_used_than_64_bits_hold_is_no_drift(
    always: World, runner: asyncio.Runner, place: Place
) -> None:
    """Its total stays at the bound, after units were given back too; how often is still held against the lines."""

    async def scenario() -> None:
        users = [f"u{number}" for number in range(1100)]
        for user_id in users:
            await always.subscribed_user(user_id, "free")
        always.clock.now = NOON
        for delta in (UNITS_MAX, -UNITS_MAX, UNITS_MAX):
            given = [Usage(environment=TEST, user_id=user_id, feature_id="message", delta=delta) for user_id in users]
            answers = await always.usage.record_many(given)
            assert Counter(isinstance(each, Receipt) and each.entry.change for each in answers) == {delta: 1100}
            assert (await always.store.audits.audit()).is_clean
        await place.tamper("update usage_hours set entries = entries + 1")
        drifts = (await always.store.audits.audit()).tally_drifts
        assert [(drift.counted[1] > drift.in_ledger[1], drift.in_ledger[0]) for drift in drifts] == [
            (True, 1100 * UNITS_MAX)
        ]

    runner.run(scenario())


@pytest.mark.parametrize("change", [1, -1, 2**32, -(2**32), 2**40 - 1])
def test_an_audit_sees_the_least_difference(always: World, runner: asyncio.Runner, place: Place, change: int) -> None:
    """In either half of a number, of a counter, a day and an hour."""

    async def scenario() -> None:
        await always.subscribed_user("ada", "free")
        always.clock.now = NOON
        batch = Batch([a_usage(2**41)], clock=always.clock, next_id=always.ids)
        await always.store.ledger.append(batch)
        for table, column in (("counters", "used"), ("usage_days", "units"), ("usage_hours", "units")):
            await place.tamper(f"update {table} set {column} = {column} + {change}")
        audit = await always.store.audits.audit()
        assert [(drift.counted, drift.in_ledger) for drift in audit.drifts] == [(2**41 + change, 2**41)]
        assert [(drift.counted[0], drift.in_ledger[0]) for drift in audit.tally_drifts] == [(2**41 + change, 2**41)] * 2

    runner.run(scenario())
