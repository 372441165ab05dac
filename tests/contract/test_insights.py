"""Totals of usage by day and hour: what they say is what the ledger says, on every store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from kana.errors import FeatureNotFound, InvalidValue, UserNotFound
from kana.model.entitlement import Outcome
from kana.model.insights import Adoption, Refusals, Step, TopUser, UsageRow
from kana.model.text import UNITS_MAX
from kana.model.usage import Action, Entry
from tests.support.ledger import entries_of
from tests.support.stores import Place
from tests.support.world import (
    DAY,
    LIVE,
    NOON,
    ONE_DAY,
    TEST,
    World,
    a_feature,
    a_package,
    a_usage,
    allows,
    examples,
    holds,
)

MIDNIGHT = NOON.replace(hour=0)
YEAR: dict[str, Any] = {"start": NOON - timedelta(days=200), "end": NOON + timedelta(days=200)}
TALLIES = ["usage_days", "usage_hours"]


@pytest.fixture
async def busy(world: World) -> World:
    """Ada on basic, bob on pro, and usage of three days: refused, given back and reported late."""
    features = (a_feature(), a_feature("export", binary=True), a_feature("seat"))
    basic = a_package("basic", allows(10, DAY), holds("export"))
    await world.furnish(basic, a_package("pro", allows(100), allows(None, feature="seat")), features=features)
    await world.subscribed_user("ada", "basic")
    await world.subscribed_user("bob", "pro")
    await world.accounts.create_user(TEST, id="cleo")
    record = world.usage.record
    await record(a_usage(7))
    await record(a_usage(9))
    await record(a_usage(80, user_id="bob"))
    await record(a_usage(1, feature_id="export"))
    await record(a_usage(1, user_id="cleo"))
    world.clock.advance(hours=13)
    await record(a_usage(3))
    await record(a_usage(-2))
    await record(a_usage(-1, timestamp=NOON))
    await record(a_usage(90, user_id="bob", action=Action.SET, timestamp=NOON))
    world.clock.advance(days=1)
    await record(a_usage(50, user_id="bob", feature_id="seat"))
    return world


def row(
    at: datetime, units: int, entries: int, refusals: int, *, of: str = "message", by: str | None = "basic"
) -> UsageRow:
    return UsageRow(at=at, feature_id=of, package_id=by, units=units, entries=entries, refusals=refusals)


async def test_usage_by_day(busy: World) -> None:
    """A correction counts in the day it names, a SET by its difference, a refusal with the package that refused."""
    assert await busy.engine.insights.usage(TEST, step=Step.DAY, **YEAR) == [
        row(MIDNIGHT, 1, 1, 0, of="export"),
        row(MIDNIGHT, 0, 0, 1, by=None),
        row(MIDNIGHT, 6, 2, 1),
        row(MIDNIGHT, 90, 2, 0, by="pro"),
        row(MIDNIGHT + ONE_DAY, 1, 2, 0),
        row(MIDNIGHT + 2 * ONE_DAY, 50, 1, 0, of="seat", by="pro"),
    ]


async def test_usage_by_hour_week_and_month(busy: World) -> None:
    """Steps are told whole and in UTC: weeks from Monday, months from the first."""
    usage = busy.engine.insights.usage
    only: dict[str, Any] = {"feature_ids": ["message"], "package_ids": ["basic"]}
    hours = await usage(TEST, start=NOON + timedelta(minutes=59), end=NOON + ONE_DAY, step=Step.HOUR, **only)
    weeks = await usage(TEST, step=Step.WEEK, **only, **YEAR)
    months = await usage(TEST, step=Step.MONTH, **only, **YEAR)

    assert hours == [row(NOON, 6, 2, 1), row(NOON + timedelta(hours=13), 1, 2, 0)]
    assert weeks == [row(datetime(2026, 3, 9, tzinfo=UTC), 7, 4, 1)]
    assert months == [row(datetime(2026, 3, 1, tzinfo=UTC), 7, 4, 1)]


async def test_usage_of_one_user(busy: World) -> None:
    """Of one user the same rows, from their own days or from the ledger, whatever their id is now."""
    await busy.accounts.update_user(TEST, "ada", {"id": "ada the second"})
    usage = busy.engine.insights.usage
    for step, at in ((Step.HOUR, NOON), (Step.DAY, MIDNIGHT), (Step.MONTH, MIDNIGHT.replace(day=1))):
        found = await usage(TEST, step=step, user_id="ada the second", start=at, end=NOON + timedelta(hours=1))
        assert found == [
            row(at, 1, 1, 0, of="export"),
            row(at, 7 if step is Step.MONTH else 6, 4 if step is Step.MONTH else 2, 1),
        ]
    with pytest.raises(UserNotFound):
        await usage(TEST, step=Step.DAY, user_id="ada", **YEAR)


async def test_other_environments_see_nothing(busy: World) -> None:
    """Nothing crosses from one environment to the other."""
    insights = busy.engine.insights
    assert await insights.usage(LIVE, step=Step.DAY, **YEAR) == []
    assert await insights.refusals(LIVE, **YEAR) == []
    assert await insights.near_limit(LIVE) == []
    assert await insights.log(LIVE) == []


async def test_adoption_is_of_those_who_had_it(busy: World) -> None:
    """Of the users whose package held a feature in these days, those who used it; a refusal is no use."""
    adoption = busy.engine.insights.adoption
    assert await adoption(TEST, **YEAR) == [
        Adoption("export", 1, 1),
        Adoption("message", 2, 2),
        Adoption("seat", 1, 1),
    ]
    [seat] = await adoption(TEST, start=NOON, end=NOON + ONE_DAY / 2, feature_ids=["seat"])
    assert (seat, seat.share) == (Adoption("seat", 1, 0), 0.0)
    [early] = await adoption(TEST, start=NOON - ONE_DAY, end=MIDNIGHT, feature_ids=["seat"])
    assert (early, early.share) == (Adoption("seat", 0, 0), None)


async def test_a_cancelled_subscription_counts_until_it_ended(busy: World) -> None:
    """Who held the package on one of the days is entitled, who cancelled before is not."""
    [held] = await busy.accounts.subscriptions(TEST, user_id="bob")
    await busy.accounts.cancel_subscription(TEST, held.subscription.id)
    adoption = busy.engine.insights.adoption
    [before] = await adoption(TEST, start=NOON, end=busy.clock.now, feature_ids=["seat"])
    [after] = await adoption(TEST, start=NOON + 9 * ONE_DAY, end=NOON + 10 * ONE_DAY, feature_ids=["seat"])
    assert (before.entitled, after.entitled) == (1, 0)


async def test_a_subscription_that_ended_as_it_began_is_not_counted(busy: World) -> None:
    """It gave access at no moment, so that its user never had the feature."""
    await busy.subscribed_user("cyd", "pro")
    adoption = busy.engine.insights.adoption
    assert await adoption(TEST, feature_ids=["seat"], **YEAR) == [Adoption("seat", 2, 1)]
    [held] = await busy.accounts.subscriptions(TEST, user_id="cyd")
    await busy.accounts.cancel_subscription(TEST, held.subscription.id)
    assert await adoption(TEST, feature_ids=["seat"], **YEAR) == [Adoption("seat", 1, 1)]


async def test_top_users(busy: World) -> None:
    """The most units first, refusals beside them; a range is of whole days."""
    top = busy.engine.insights.top_users
    assert await top(TEST, "message", **YEAR) == [
        TopUser("bob", 90, 2, 0),
        TopUser("ada", 7, 4, 1),
        TopUser("cleo", 0, 0, 1),
    ]
    assert await top(TEST, "message", first=1, **YEAR) == [TopUser("bob", 90, 2, 0)]
    with pytest.raises(FeatureNotFound):
        await top(TEST, "nothing", **YEAR)


async def test_refusals(busy: World) -> None:
    """Who was refused, how often and why, to the millisecond of the range."""
    refusals = busy.engine.insights.refusals
    ada = Refusals("ada", "message", Outcome.LIMIT_EXCEEDED, 1, NOON)
    cleo = Refusals("cleo", "message", Outcome.NO_SUBSCRIPTION, 1, NOON)
    assert await refusals(TEST, **YEAR) == [ada, cleo]
    assert await refusals(TEST, user_id="ada", feature_id="message", **YEAR) == [ada]
    assert await refusals(TEST, feature_id="seat", **YEAR) == []
    assert await refusals(TEST, start=NOON - ONE_DAY, end=NOON) == []
    assert await refusals(TEST, start=NOON, end=NOON + timedelta(milliseconds=1)) == [ada, cleo]


async def test_near_limit(busy: World) -> None:
    """At 80 % of a limit that holds now: not of a period that is over, nor of a package that does not answer."""
    insights = busy.engine.insights
    [bob] = await insights.near_limit(TEST)
    assert (bob.user_id, bob.feature_id, bob.package_id, bob.used, bob.limit, bob.share) == (
        "bob", "message", "pro", 90, 100, 0.9,
    )  # fmt: skip
    assert bob.resets_at == datetime(2026, 4, 10, 12, tzinfo=UTC)
    assert bob.runs_out_at == busy.clock.now + timedelta(hours=37) * 10 / 90
    await busy.usage.record(a_usage(10))
    assert [each.user_id for each in await insights.near_limit(TEST)] == ["ada", "bob"]
    assert [each.user_id for each in await insights.near_limit(TEST, first=1)] == ["ada"]
    busy.clock.advance(days=1)
    assert [each.user_id for each in await insights.near_limit(TEST)] == ["bob"]


async def test_a_higher_limit_elsewhere_is_not_near(busy: World) -> None:
    """Who may use more by another package is not near the limit of the smaller one."""
    await busy.furnish(a_package("more", allows(1000), is_addon=True))
    await busy.accounts.subscribe(TEST, "bob", ["more"])
    assert await busy.engine.insights.near_limit(TEST) == []
    [outlook] = await busy.engine.insights.outlook(TEST, "bob")
    assert (outlook.package_id, outlook.used, outlook.limit, outlook.runs_out_at) == ("more", 0, 1000, None)


async def test_the_log_is_told_newest_first(busy: World) -> None:
    """Pages follow each other without a gap; a subject's own lines alone when asked."""
    await busy.furnish(features=(a_feature("seat", name="Seats"),))
    insights = busy.engine.insights
    lines = await insights.log(TEST)
    paged = await insights.log(TEST, first=2) + await insights.log(
        TEST, after=(await insights.log(TEST, first=2))[-1].id
    )
    [changed, made] = await insights.log(TEST, subject_id="seat")

    assert [line.id for line in paged] == [line.id for line in lines]
    assert sorted((line.id for line in lines), reverse=True) == [line.id for line in lines]
    assert (changed.action, changed.subject_kind, changed.actor.name) == ("updated", "feature", "tester")
    assert (changed.before["name"], changed.after["name"], made.before) == ("seat", "Seats", None)  # type: ignore[index]


async def test_bounds(busy: World) -> None:
    """What would be too much is refused with a sentence that says how much is."""
    insights = busy.engine.insights
    with pytest.raises(InvalidValue, match="more than 5 rows"):
        await insights.usage(TEST, step=Step.DAY, rows_max=5, **YEAR)
    for first in (0, 1001):
        with pytest.raises(InvalidValue, match=f"first must be 1 to 1000, got {first}"):
            await insights.near_limit(TEST, first=first)


@pytest.mark.parametrize("table", TALLIES)
@pytest.mark.parametrize("change", ["update {} set units = units + 1", "update {} set refusals = 7", "delete from {}"])
async def test_an_audit_finds_totals_that_differ(busy: World, place: Place, table: str, change: str) -> None:
    """Every day and hour that does not equal its lines is named, with both sides."""
    assert (await busy.store.audits.audit()).is_clean
    await place.tamper(change.format(table))
    audit = await busy.store.audits.audit()
    assert (audit.drifts, audit.is_clean) == ((), False)
    assert len(audit.tally_drifts) == 6
    assert all(drift.counted != drift.in_ledger for drift in audit.tally_drifts)
    assert {drift.user is None for drift in audit.tally_drifts} == {table == "usage_hours"}


async def test_a_total_never_refuses_a_usage(busy: World, place: Place) -> None:
    """Where a sum would pass 64 bits it stays at the bound, and the usage is recorded."""
    for table in TALLIES:
        await place.tamper(f"update {table} set units = 9000000000000000000 where feature_id = 'seat'")
    receipt = await busy.usage.record(a_usage(UNITS_MAX - 50, user_id="bob", feature_id="seat"))
    [seat] = await busy.engine.insights.usage(TEST, step=Step.DAY, feature_ids=["seat"], **YEAR)
    assert (receipt.entry.recorded, seat.units, seat.entries) == (True, 9 * 10**18, 2)


MOMENTS = st.none() | st.integers(0, 40)
USAGE = st.tuples(
    st.sampled_from(["ada", "bob", "cleo"]),
    st.sampled_from(["message", "export", "seat"]),
    st.integers(-5, 12).filter(bool),
    st.sampled_from(Action),
    MOMENTS,
    st.sampled_from([0, 0, 1, 11, 30]),
)


def plainly(entries: list[Entry], packages: Mapping[int, str], step: Step) -> list[UsageRow]:
    """The totals, added up line by line."""
    sums: dict[tuple[datetime, str, str | None], Counter[str]] = {}
    for entry in entries:
        package = None if entry.counter is None else packages[entry.counter.source_id]
        tally = sums.setdefault((step.floor(entry.occurred_at), entry.feature_id, package), Counter())
        tally.update(units=entry.change, entries=entry.recorded, refusals=not entry.recorded)
    return [
        row(at, tally["units"], tally["entries"], tally["refusals"], of=feature, by=package)
        for (at, feature, package), tally in sorted(sums.items(), key=lambda item: (*item[0][:2], item[0][2] or ""))
    ]


@given(usages=st.lists(USAGE, max_size=20))
@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_totals_equal_a_plain_sum_of_the_entries(
    busy: World, usages: list[tuple[str, str, int, Action, int | None, int]]
) -> None:
    """Whatever was recorded, refused, set and given back, late or now: by every step, of all and of each."""
    for user_id, feature_id, delta, action, hours, later in usages:
        busy.clock.advance(hours=later)
        timestamp = None if hours is None else min(NOON + timedelta(hours=hours), busy.clock.now)
        await busy.usage.record(
            a_usage(abs(delta) if action is Action.SET else delta, user_id=user_id, feature_id=feature_id,
                    action=action, timestamp=timestamp)
        )  # fmt: skip
    entries = {user: await entries_of(busy.store, user) for user in ("ada", "bob", "cleo")}
    packages = {held.subscription.id: held.subscription.package_id for held in await busy.accounts.subscriptions(TEST)}
    whole: dict[str, Any] = {"start": MIDNIGHT, "end": busy.clock.now + ONE_DAY}
    for step in Step:
        found = await busy.engine.insights.usage(TEST, step=step, **whole)
        assert found == plainly([entry for each in entries.values() for entry in each], packages, step)
        for user_id, each in entries.items():
            found = await busy.engine.insights.usage(TEST, step=step, user_id=user_id, **whole)
            assert found == plainly(each, packages, step)
    assert (await busy.store.audits.audit()).is_clean
