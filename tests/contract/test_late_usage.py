"""Usage that says when it happened is placed by that: the subscription that held then, and its period then."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from kana.errors import InvalidValue
from kana.model.entitlement import Outcome
from kana.model.insights import Step, Steps
from kana.model.period import to_milliseconds
from kana.model.segment import Message, MessageType
from kana.model.subscription import SubscriptionStatus
from kana.model.usage import Receipt
from tests.support.stores import Place
from tests.support.world import (
    DAY,
    MILLISECOND,
    NOON,
    ONE_DAY,
    TEST,
    TESTER,
    World,
    a_feature,
    a_package,
    a_usage,
    allows,
    holds,
)

SECOND = timedelta(seconds=1)
UPGRADE, ADDED, CANCELLED = NOON + 10 * ONE_DAY, NOON + 20 * ONE_DAY, NOON + 30 * ONE_DAY
"""When ada moves from basic to pro, adds extra, and cancels all of it."""


@pytest.fixture(autouse=True)
async def _history(world: World) -> None:
    """Ada has had basic, pro and extra, and has nothing any more."""
    await world.furnish(
        a_package("basic", allows(10)),
        a_package("pro", allows(100)),
        a_package("extra", allows(500, DAY), holds("chat"), is_addon=True),
        features=[a_feature(), a_feature("chat", binary=True)],
    )
    await world.subscribed_user("ada", "basic")
    world.clock.now = UPGRADE
    await world.accounts.change_subscription(TEST, "ada", "pro")
    world.clock.now = ADDED
    await world.accounts.subscribe(TEST, "ada", ["extra"])
    world.clock.now = CANCELLED
    for held in await world.accounts.subscriptions(TEST, user_id="ada"):
        await world.accounts.cancel_subscription(TEST, held.subscription.id)
    world.clock.now = CANCELLED + ONE_DAY


async def record(world: World, moment: datetime, delta: int = 1, **changes: object) -> Receipt:
    return await world.usage.record(a_usage(delta, timestamp=moment, **changes))


async def budget(world: World, moment: datetime, delta: int = 1, **changes: object) -> int | None:
    """What it was recorded under: the limit of what answered."""
    entry = (await record(world, moment, delta, **changes)).entry
    assert entry.outcome is Outcome.RECORDED, entry
    return None if entry.consumption is None else entry.consumption.budget


async def test_what_held_then_answers(world: World) -> None:
    """Before an upgrade, an add-on and a cancellation, to the millisecond; in a gap after all, nothing does."""
    expected = {
        NOON: 10,
        UPGRADE - MILLISECOND: 10,
        UPGRADE: 100,
        ADDED - MILLISECOND: 100,
        ADDED: 500,
        CANCELLED - MILLISECOND: 500,
    }
    assert {moment: await budget(world, moment) for moment in expected} == expected
    for moment in (CANCELLED, CANCELLED + ONE_DAY):
        assert (await record(world, moment)).entry.outcome is Outcome.NO_SUBSCRIPTION
    assert (await world.usage.record(a_usage())).entry.outcome is Outcome.NO_SUBSCRIPTION
    chat = await record(world, ADDED, feature_id="chat")
    assert chat.entry.outcome is Outcome.RECORDED
    assert (await record(world, ADDED - ONE_DAY, feature_id="chat")).entry.outcome is Outcome.NO_SUBSCRIPTION
    assert (await world.store.audits.audit()).is_clean


async def test_whoever_cut_the_time_or_has_a_slow_clock_counts(world: World) -> None:
    """Whole seconds right after subscribing, for the first time and again; five minutes at most."""
    for number, package_ids in enumerate((["basic"], ["extra"]), 1):
        world.clock.now += ONE_DAY + timedelta(milliseconds=840)
        begun = world.clock.now
        if number == 1:
            await world.accounts.create_user(TEST, id="bob")
        await world.accounts.subscribe(TEST, "bob", package_ids)
        feature_id = "message" if number == 1 else "chat"
        for moment in (begun.replace(microsecond=0), begun - 2 * SECOND, begun - timedelta(minutes=5)):
            receipt = await record(world, moment, user_id="bob", feature_id=feature_id)
            assert receipt.entry.outcome is Outcome.RECORDED
            assert receipt.entry.counter is not None
            assert receipt.entry.counter.period_start == begun
            assert receipt.entry.occurred_at == moment
    too_early = begun - timedelta(minutes=5) - MILLISECOND
    assert (await record(world, too_early, user_id="bob", feature_id="chat")).entry.outcome is Outcome.NO_SUBSCRIPTION
    assert (await world.store.audits.audit()).is_clean


async def test_before_anything_was_subscribed_to_it_is_refused(world: World) -> None:
    """With since when the user has been subscribed, though that subscription is long over; nothing is counted."""
    with pytest.raises(InvalidValue, match=r"^timestamp must not be before 2026-03-10T12:00:00\+00:00, since when"):
        await record(world, NOON - timedelta(minutes=5) - MILLISECOND)
    assert (await world.store.audits.audit()).entries == 0
    assert await budget(world, NOON - timedelta(minutes=5)) == 10


async def test_what_is_given_back_goes_to_the_period_that_held_then(world: World) -> None:
    """A refund of usage from before an upgrade finds what was used then, and no more than that."""
    assert await budget(world, NOON + ONE_DAY, 7) == 10
    assert await budget(world, NOON + 2 * ONE_DAY, -5) == 10
    refused = await record(world, NOON + 2 * ONE_DAY, -3)
    assert (refused.entry.outcome, refused.entry.reason) == (
        Outcome.BELOW_ZERO,
        "Only 2 used in this period: 3 cannot be given back.",
    )
    assert (await record(world, UPGRADE, -1)).entry.outcome is Outcome.BELOW_ZERO


async def test_limits_of_then_hold(world: World) -> None:
    """What no longer fits into the old subscription's period is refused, though another had room."""
    assert await budget(world, NOON + ONE_DAY, 10) == 10
    assert (await record(world, NOON + 2 * ONE_DAY)).entry.outcome is Outcome.LIMIT_EXCEEDED
    assert await budget(world, UPGRADE, 100) == 100


async def test_what_never_gave_access_never_answers(world: World, place: Place) -> None:
    """Of other statuses it is not known how long they stood, so that they answer for no time."""
    await world.subscribed_user("eve", "basic")
    begun = world.clock.now
    world.clock.advance(days=3)
    outcomes = {}
    for status in SubscriptionStatus:
        await place.tamper(f"update subscriptions set status = '{status}' where started_at = {to_milliseconds(begun)}")
        outcomes[status] = (await record(world, begun + ONE_DAY, user_id="eve")).entry.recorded
    assert {status for status, recorded in outcomes.items() if recorded} == {"ACTIVE", "TRIALING"}


async def test_all_that_shows_usage_shows_it(world: World) -> None:
    """showUsage, insights by day and by hour, and the ledger: of the package that held then, whole."""
    await record(world, NOON + ONE_DAY, 4)
    await record(world, UPGRADE + ONE_DAY, 40)
    await record(world, ADDED + ONE_DAY, 400)
    shown = await world.usage.show(TEST, "ada", "message")
    assert shown.current is None
    assert [(each.period.start, each.period.end, each.consumption.used) for each in shown.past] == [
        (ADDED + ONE_DAY, ADDED + 2 * ONE_DAY, 400),
        (UPGRADE, CANCELLED, 40),
        (NOON, UPGRADE, 4),
    ]
    packages = ["basic", "pro", "extra"]
    for step in (Step.DAY, Step.HOUR):
        steps = Steps.over(NOON, CANCELLED + ONE_DAY, step)
        rows = await world.store.insights.usage_of(TEST, "ada", steps, ["message"], packages)
        assert sorted((row.at.date(), row.package_id, row.units) for row in rows) == [
            ((NOON + ONE_DAY).date(), "basic", 4),
            ((UPGRADE + ONE_DAY).date(), "pro", 40),
            ((ADDED + ONE_DAY).date(), "extra", 400),
        ]
    totals = await world.store.insights.usage_by_step(TEST, steps, ["message"], [None, *packages], limit=99)
    assert sorted((row.package_id or "", row.units) for row in totals) == [("basic", 4), ("extra", 400), ("pro", 40)]
    profile = await world.engine.profiles.of(TEST, "ada")
    assert ([held.stands for held in profile.subscriptions], profile.features) == ([False] * 3, [])
    assert (await world.store.audits.audit()).is_clean


async def test_a_batch_places_each_by_its_own_time(world: World) -> None:
    """Beside one another: late ones by what held then, one without a time by now, and a check is about now."""
    await world.accounts.subscribe(TEST, "ada", ["pro"])
    answers = await world.usage.record_many([a_usage(3, timestamp=NOON), a_usage(2), a_usage(1, timestamp=UPGRADE)])
    found = [answer.entry.consumption for answer in answers if isinstance(answer, Receipt)]
    assert [(each.used, each.budget) for each in found if each] == [(3, 10), (2, 100), (1, 100)]
    decision = await world.usage.check(TEST, "ada", "message")
    assert decision.consumption is not None
    assert (decision.consumption.used, decision.consumption.budget) == (2, 100)


async def test_segments_events_are_placed_by_their_own_time(world: World) -> None:
    """When they come late, and when a rule takes them up after the plan has changed."""
    messages = [
        Message(
            id=f"m{number}", type=MessageType.TRACK, user_id="ada", event="Sent", properties=properties, traits={},
            timestamp=NOON + ONE_DAY, raw="{}",
        )
        for number, properties in enumerate(({"featureId": "message"}, {}))
    ]  # fmt: skip
    await world.engine.segment.receive(TEST, messages)
    await world.engine.mapping.create_rule(
        TEST, name="sent", event_name="Sent", conditions=(), feature_id="message", by=TESTER
    )
    await world.engine.replayer.replay()
    events = await world.store.segment.segment_events(TEST, status=None, limit=9, before=None)
    assert [event.status for event in events] == ["RECORDED", "RECORDED"]
    [period] = (await world.usage.show(TEST, "ada", "message")).past
    assert (period.period.start, period.consumption.used) == (NOON, 2)
