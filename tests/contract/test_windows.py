"""Starts, anchors and trials, and counters that go on from one subscription to the next, on every store."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from kana.errors import InvalidValue, SubscriptionNotFound, SubscriptionRefused
from kana.model.entitlement import Outcome
from kana.model.insights import Step, UsageRow
from kana.model.period import Calendar, ResetPeriod
from kana.model.subscription import SubscriptionStatus
from kana.model.terms import AnchorKind, ChangeTime, ChangeUsage, Terms
from kana.model.usage import Action
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
    adds,
    allows,
)

LATER = NOON + 10 * ONE_DAY
S = SubscriptionStatus


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Two base packages with messages by the month and calls by the day, and an add-on with more messages."""
    await world.furnish(
        a_package("basic", allows(10), allows(3, DAY, feature="call")),
        a_package("pro", allows(100), allows(30, DAY, feature="call")),
        a_package("extra", adds(5), is_addon=True),
        features=(a_feature(), a_feature("call")),
    )
    await world.accounts.create_user(TEST, id="ada")


async def used(world: World, feature: str = "message") -> tuple[int, int | None] | None:
    """What ada has used of how many now; None if she may use none."""
    consumption = (await world.usage.check(TEST, "ada", feature)).consumption
    return None if consumption is None else (consumption.used, consumption.budget)


async def status(world: World) -> list[SubscriptionStatus]:
    return [each.subscription.status for each in await world.accounts.subscriptions(TEST, user_id="ada")]


@pytest.mark.parametrize(
    "terms",
    [
        Terms(),
        Terms(starts_at=LATER, anchor=NOON - MILLISECOND),
        Terms(starts_at=NOON - ONE_DAY, anchor=Calendar("Europe/Berlin")),
        Terms(trial_ends_at=LATER),
        Terms(trial_ends_at=LATER, ends_with_trial=True),
    ],
)
async def test_terms_are_kept(world: World, terms: Terms) -> None:
    """What was agreed on is read as it was written, alone and in lists."""
    [subscribed] = await world.accounts.subscribe(TEST, "ada", ["basic"], terms=terms)
    assert await world.accounts.subscription(TEST, subscribed.subscription.id) == subscribed
    assert await world.accounts.subscriptions(TEST) == [subscribed]
    held = subscribed.subscription
    assert (held.start, held.anchor, held.trial_ends_at) == (terms.starts_at or NOON, terms.anchor, terms.trial_ends_at)


async def test_a_calendar_follows_the_zone_of_its_user_or_their_environment(world: World) -> None:
    """As they are when it is subscribed to: later changes move no period. A zone that is named comes first."""
    midnight = datetime(2026, 3, 10, 15, tzinfo=UTC)  # In Tokyo.
    change, daily = world.access.change_settings, Terms(anchor=AnchorKind.CALENDAR)
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=daily)
    await change(TEST, time_zone="Asia/Tokyo", by=TESTER)
    for user_id, zone in (("bob", None), ("eve", "Europe/Berlin")):
        await world.accounts.create_user(TEST, id=user_id, time_zone=zone)
        await world.accounts.subscribe(TEST, user_id, ["basic"], terms=daily)
    await world.accounts.create_user(TEST, id="joe", time_zone="Europe/Berlin")
    await world.accounts.subscribe(TEST, "joe", ["basic"], terms=Terms(anchor=Calendar("Asia/Kolkata")))
    await world.accounts.update_user(TEST, "eve", {"time_zone": "Asia/Tokyo"})
    await change(TEST, time_zone="America/New_York", by=TESTER)
    held = await world.accounts.subscriptions(TEST)
    zones = {each.user_id: each.subscription.time_zone for each in held}
    assert zones == {"ada": "UTC", "bob": "Asia/Tokyo", "eve": "Europe/Berlin", "joe": "Asia/Kolkata"}
    await world.usage.record(a_usage(user_id="bob", feature_id="call"))
    for moment, count in ((midnight - MILLISECOND, 1), (midnight, 0)):
        world.clock.now = moment
        consumption = (await world.usage.check(TEST, "bob", "call")).consumption
        assert consumption is not None
        assert consumption.used == count


async def test_nothing_may_be_used_before_a_start_that_was_given(world: World) -> None:
    """Not by a check, a record or a late record; from the start on all of them say yes."""
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=Terms(starts_at=LATER))
    assert await status(world) == [S.SCHEDULED]
    for ahead in (LATER - NOON, timedelta(minutes=3)):
        world.clock.now = LATER - ahead
        assert await used(world) is None
        assert (await world.usage.record(a_usage())).entry.outcome is Outcome.NO_SUBSCRIPTION
        late = await world.usage.record(a_usage(timestamp=world.clock.now))
        assert late.entry.outcome is Outcome.NO_SUBSCRIPTION
    ahead_of_us = await world.usage.record(a_usage(timestamp=LATER))
    assert (ahead_of_us.entry.outcome, ahead_of_us.entry.recorded_at) == (Outcome.RECORDED, LATER)
    world.clock.now = LATER
    assert await status(world) == [S.ACTIVE]
    assert (await world.usage.record(a_usage())).entry.recorded
    before = await world.usage.record(a_usage(timestamp=LATER - MILLISECOND))
    assert before.entry.outcome is Outcome.NO_SUBSCRIPTION
    assert await used(world) == (2, 10)
    assert (await world.store.audits.audit()).is_clean


async def test_a_late_usage_before_all_subscriptions_is_an_error(world: World) -> None:
    """As ever; only a start that is still to come says nothing about it."""
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=Terms(starts_at=LATER))
    long_ago = a_usage(timestamp=NOON - ONE_DAY)
    assert (await world.usage.record(long_ago)).entry.outcome is Outcome.NO_SUBSCRIPTION
    world.clock.now = LATER
    with pytest.raises(InvalidValue, match="timestamp must not be before"):
        await world.usage.record(long_ago)


async def test_a_start_in_the_past_takes_late_usage(world: World) -> None:
    """Usage that was too early for any subscription has its place now."""
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=Terms(starts_at=NOON - 40 * ONE_DAY))
    assert (await world.usage.record(a_usage(timestamp=NOON - 39 * ONE_DAY))).entry.recorded
    shown = await world.usage.show(TEST, "ada", "message")
    assert [each.consumption.used for each in shown.past] == [1]


async def test_a_scheduled_start_does_not_hold_the_clock_ahead(world: World) -> None:
    """What is changed afterwards is changed at the time of the clock."""
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=Terms(trial_ends_at=LATER, ends_with_trial=True))
    await world.accounts.subscribe(TEST, "ada", ["pro"], terms=Terms(starts_at=LATER))
    world.clock.advance(hours=1)
    [extra] = await world.accounts.subscribe(TEST, "ada", ["extra"])
    assert (extra.subscription.start, extra.subscription.ends_at) == (NOON + timedelta(hours=1), None)


async def test_trials_end_when_looked_at(world: World) -> None:
    """TRIALING until the moment, then ACTIVE, with the same counter."""
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=Terms(trial_ends_at=LATER))
    await world.usage.record(a_usage(4))
    assert (await status(world), await used(world)) == ([S.TRIALING], (4, 10))
    world.clock.now = LATER
    assert (await status(world), await used(world)) == ([S.ACTIVE], (4, 10))


async def test_of_many_who_try_at_once_one_gets_the_trial(world: World) -> None:
    """The trial of a package is there once, whoever asks at the same time; no trial is given where none is wanted."""
    trial = a_package("trial", allows(10, MONTH), is_addon=True, trial_days=14)
    await world.furnish(a_package("basic", allows(10, MONTH)), trial)
    await world.accounts.subscribe(TEST, "ada", ["basic"])

    async def subscribe(terms: Terms) -> None:
        with suppress(SubscriptionRefused):
            await world.accounts.subscribe(TEST, "ada", ["trial"], terms=terms)

    async def trials() -> list[datetime | None]:
        held = await world.accounts.subscriptions(TEST, user_id="ada")
        return [each.subscription.trial_ends_at for each in held if each.subscription.package_id == "trial"]

    await subscribe(Terms(without_trial=True))
    for _ in range(2):
        world.clock.advance(hours=1)
        for each in await world.accounts.subscriptions(TEST, user_id="ada"):
            if each.subscription.package_id == "trial":
                await world.accounts.cancel_subscription(TEST, each.subscription.id)
        await asyncio.gather(*(subscribe(Terms()) for _ in range(5)))
    assert await trials() == [None, NOON + timedelta(hours=1, days=14), None]
    assert await status(world) == [S.ACTIVE, S.CANCELLED, S.CANCELLED, S.ACTIVE]


async def test_a_trial_that_ends_all(world: World) -> None:
    """CANCELLED from the moment on, and nothing may be used."""
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=Terms(trial_ends_at=LATER, ends_with_trial=True))
    world.clock.now = LATER - MILLISECOND
    assert (await status(world), await used(world)) == ([S.TRIALING], (0, 10))
    world.clock.now = LATER
    assert (await status(world), await used(world)) == ([S.CANCELLED], None)


@pytest.mark.parametrize(
    ("anchor", "reset", "begins"),
    [
        (Calendar("Europe/Berlin"), MONTH, datetime(2026, 3, 31, 22, tzinfo=UTC)),
        (Calendar("America/Los_Angeles"), ResetPeriod.WEEK, datetime(2026, 3, 16, 7, tzinfo=UTC)),
        (Calendar("Asia/Kathmandu"), DAY, datetime(2026, 3, 10, 18, 15, tzinfo=UTC)),
        (datetime(2020, 1, 31, 8, tzinfo=UTC), MONTH, datetime(2026, 3, 31, 8, tzinfo=UTC)),
    ],
)
async def test_usage_resets_where_the_anchor_says(
    world: World, anchor: Calendar | datetime, reset: ResetPeriod, begins: datetime
) -> None:
    """To the millisecond; and all that asks for current periods by a statement agrees."""
    await world.furnish(a_package("basic", allows(10, reset)))
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=Terms(anchor=anchor))
    world.clock.now = begins - MILLISECOND
    await world.usage.record(a_usage(9))

    async def over() -> int:
        now = world.clock()
        return await world.store.catalogs.count_over(TEST, "basic", "message", limit=8, reset=reset, now=now)

    near = world.engine.insights.near_limit
    assert (await used(world), await over(), len(await near(TEST))) == ((9, 10), 1, 1)
    world.clock.now = begins
    assert (await used(world), await over(), await near(TEST)) == ((0, 10), 0, [])
    await world.usage.record(a_usage(8))
    assert (await over(), [each.used for each in await near(TEST)]) == (0, [8])
    past = (await world.usage.show(TEST, "ada", "message")).past
    assert (past[0].period_end, past[0].consumption.used) == (begins, 9)
    assert (await world.store.audits.audit()).is_clean


async def test_a_day_may_last_longer_than_a_day(world: World) -> None:
    """In the 25th hour of a day who is near a limit is still found."""
    world.clock.now = datetime(2026, 10, 24, 22, tzinfo=UTC)  # Midnight in Berlin.
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=Terms(anchor=Calendar("Europe/Berlin")))
    await world.usage.record(a_usage(3, feature_id="call"))
    world.clock.advance(hours=24, minutes=59)
    assert [each.used for each in await world.engine.insights.near_limit(TEST)] == [3]
    world.clock.advance(minutes=1)
    assert await world.engine.insights.near_limit(TEST) == []


async def carried_over(world: World) -> None:
    """Ada uses of basic, and then of pro, which goes on with basic's counters."""
    await world.accounts.subscribe(TEST, "ada", ["basic"])
    await world.usage.record(a_usage(4))
    world.clock.advance(days=5)

    await world.accounts.change_subscription(TEST, "ada", "pro", usage=ChangeUsage.CARRY)


@pytest.mark.parametrize("adding", [False, True])
async def test_counters_go_on(world: World, adding: bool) -> None:
    """What was used before counts, late usage too; each line and each total has the package it was taken from."""
    await carried_over(world)
    if adding:
        await world.accounts.subscribe(TEST, "ada", ["extra"])
    limit = 105 if adding else 100
    assert await used(world) == (4, limit)
    new = await world.usage.record(a_usage(70))
    late = await world.usage.record(a_usage(3, timestamp=NOON + ONE_DAY))
    refused = await world.usage.record(a_usage(99))
    assert await used(world) == (77, limit)
    assert (refused.entry.recorded, (await world.usage.record(a_usage(77, action=Action.SET))).entry.change) == (
        False,
        0,
    )
    old, pro, *_ = [each.subscription.id for each in await world.accounts.subscriptions(TEST)]
    counters = [each.entry.counter and each.entry.counter.source_id for each in (late, new)]
    assert counters == [old, pro if not adding else counters[1]]
    posted = {posting.counter.source_id: posting.change for posting in new.entry.postings}
    assert sum(posted.values()) == 70
    assert await world.store.ledger.entry(TEST, "ada", new.entry.id) == new.entry
    assert [each.counter.source_id for each in late.entry.postings] == [old]
    for step in (Step.DAY, Step.HOUR):
        rows: list[UsageRow] = await world.engine.insights.usage(
            TEST, start=NOON - ONE_DAY, end=LATER, step=step, user_id="ada"
        )
        units = {each: sum(row.units for row in rows if row.package_id == each) for each in ("basic", "pro", "extra")}
        assert units["basic"] == 7
        assert units["pro"] + units["extra"] == 70
    assert (await world.store.audits.audit()).is_clean


async def test_periods_that_go_on_are_shown_once(world: World) -> None:
    """The period of the change is the new package's, whole; the ones before are the old one's."""
    world.clock.now = NOON - 30 * ONE_DAY
    await carried_over(world)
    await world.usage.record(a_usage(5))
    await world.usage.record(a_usage(2, feature_id="call"))
    shown = await world.usage.show(TEST, "ada", "message")
    assert shown.current is not None
    assert (shown.current.consumption.used, shown.past) == (9, [])
    world.clock.now = NOON + 30 * ONE_DAY
    shown = await world.usage.show(TEST, "ada", "message")
    assert [(each.consumption.used, each.consumption.budget) for each in shown.past] == [(0, 100), (9, 100)]
    starts = [each.period_start for each in (await world.usage.show(TEST, "ada", "call", past=1000)).past]
    assert len(starts) == len(set(starts))


async def test_statements_know_the_counters_that_go_on(world: World) -> None:
    """Who is near a limit, or over a new one, is found with all that was used."""
    await carried_over(world)
    await world.usage.record(a_usage(80))
    assert [(each.used, each.package_id) for each in await world.engine.insights.near_limit(TEST)] == [(84, "pro")]
    over = world.store.catalogs.count_over
    assert await over(TEST, "pro", "message", limit=83, reset=MONTH, now=world.clock()) == 1


async def test_the_log_says_what_was_agreed_on(world: World) -> None:
    """Anchor and trial, where there are any."""
    terms = Terms(trial_ends_at=LATER, anchor=Calendar("UTC"))
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=terms, by=TESTER)
    await world.accounts.subscribe(TEST, "ada", ["extra"], by=TESTER)
    extra, basic = (each.after for each in (await world.engine.insights.log(TEST, subject_id="ada"))[:2])
    assert isinstance(basic, dict)
    assert isinstance(extra, dict)
    assert {name: basic[name] for name in ("trial_ends_at", "anchor")} == {
        "trial_ends_at": str(LATER), "anchor": "the calendar in UTC",
    }  # fmt: skip
    assert list(extra) == ["package_id", "status", "start", "ends_at"]


async def test_a_change_at_the_periods_end_needs_no_job(world: World) -> None:
    """Until then the old package answers, from then on the new one; the day goes on, the month is a new one."""
    await world.accounts.subscribe(TEST, "ada", ["basic"], terms=Terms(anchor=NOON - timedelta(hours=1)))
    end = datetime(2026, 4, 10, 11, tzinfo=UTC)
    change = world.accounts.change_subscription
    new = await change(TEST, "ada", "pro", when=ChangeTime.PERIOD_END, usage=ChangeUsage.CARRY)
    assert (new.subscription.status, new.subscription.start) == (S.SCHEDULED, end)
    world.clock.now = end - MILLISECOND
    await world.usage.record(a_usage(9))
    assert (await status(world), await used(world)) == ([S.ACTIVE, S.SCHEDULED], (9, 10))
    world.clock.now = end
    assert (await status(world), await used(world)) == ([S.CANCELLED, S.ACTIVE], (0, 100))
    late = await world.usage.record(a_usage(1, timestamp=end - MILLISECOND))
    assert (late.entry.recorded, await used(world)) == (True, (0, 100))
    past = (await world.usage.show(TEST, "ada", "message")).past
    assert [(each.consumption.used, each.consumption.budget) for each in past] == [(10, 10)]
    assert (await world.store.audits.audit()).is_clean


async def test_a_week_that_goes_on_over_a_change(world: World) -> None:
    """What a week has used before the month's end counts in the new package, without anything that is posted then."""
    weekly = allows(7, ResetPeriod.WEEK, feature="call")
    await world.furnish(a_package("basic", allows(10), weekly), a_package("pro", allows(100), weekly))
    await world.accounts.subscribe(TEST, "ada", ["basic"])
    change = world.accounts.change_subscription
    new = await change(TEST, "ada", "pro", when=ChangeTime.PERIOD_END, usage=ChangeUsage.CARRY)
    world.clock.now = new.subscription.start - MILLISECOND
    await world.usage.record(a_usage(5, feature_id="call"))
    world.clock.now = new.subscription.start
    assert await used(world, "call") == (5, 7)
    assert not (await world.usage.record(a_usage(3, feature_id="call"))).entry.recorded


@pytest.mark.parametrize("ends", ["cancelled", "changed"])
async def test_an_end_is_taken_back(world: World, ends: str) -> None:
    """Resuming leaves one subscription that goes on as before, and may be repeated."""
    [held] = await world.accounts.subscribe(TEST, "ada", ["basic"])
    number = held.subscription.id
    await world.usage.record(a_usage(4))
    if ends == "cancelled":
        await world.accounts.cancel_subscription(TEST, number, at_period_end=True)
    else:
        await world.accounts.change_subscription(TEST, "ada", "pro", when=ChangeTime.PERIOD_END)
    for _ in range(2):
        assert await world.accounts.resume_subscription(TEST, number) == held
    world.clock.advance(days=40)
    assert (await status(world))[0] is S.ACTIVE
    assert await used(world) == (0, 10)
    await world.accounts.cancel_subscription(TEST, number)
    with pytest.raises(SubscriptionRefused, match="has ended; subscribe the user again"):
        await world.accounts.resume_subscription(TEST, number)
    with pytest.raises(SubscriptionNotFound):
        await world.accounts.resume_subscription(TEST, 1)


async def test_an_addons_own_end_is_kept_while_its_base_package_ends_sooner(world: World) -> None:
    """Once that goes on, the add-on ends with its trial, as was agreed on."""
    [held] = await world.accounts.subscribe(TEST, "ada", ["basic"])
    trial = Terms(trial_ends_at=NOON + 40 * ONE_DAY, ends_with_trial=True)
    await world.accounts.subscribe(TEST, "ada", ["extra"], terms=trial)
    ending = await world.accounts.cancel_subscription(TEST, held.subscription.id, at_period_end=True)

    async def end() -> datetime | None:
        return (await world.accounts.subscriptions(TEST))[1].subscription.ends_at

    assert await end() == ending.subscription.ends_at
    await world.accounts.resume_subscription(TEST, held.subscription.id)
    assert await end() == NOON + 40 * ONE_DAY


@pytest.mark.parametrize("delta", [5, 99])
async def test_a_user_is_merged_into_counters_that_go_on(world: World, delta: int) -> None:
    """What is moved there is posted where it counts, also beyond the limit, and is told of the package of now."""
    await carried_over(world)
    await world.accounts.create_user(TEST, id="bob")
    await world.accounts.subscribe(TEST, "bob", ["pro"])
    await world.usage.record(a_usage(delta, user_id="bob"))
    await world.engine.merges.merge(TEST, "bob", "ada", by=TESTER)
    assert await used(world) == (4 + delta, 100)
    assert (await world.store.audits.audit()).is_clean
