"""Check, record and show, through the engine on a real store."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from kana.engine.usage.usage import PeriodUsage, Shown
from kana.errors import FeatureNotFound, InvalidValue, UserNotFound
from kana.model.entitlement import Consumption, Decision, Outcome
from kana.model.environment import Environment
from kana.model.period import Period
from kana.model.text import UNITS_MAX
from kana.model.usage import Action, Receipt
from tests.support.world import (
    DAY,
    LIVE,
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


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    await world.furnish(
        a_package("basic", allows(10, DAY), holds("chat")),
        a_package("pro", allows(100, DAY)),
        a_package("extra", allows(20, DAY), is_addon=True),
        features=(a_feature(), a_feature("chat", binary=True), a_feature("photo")),
    )
    await world.subscribed_user("ada")
    await world.accounts.create_user(TEST, id="bob")


def days(number: int, used: int, limit: int = 10) -> PeriodUsage:
    """What is used on a day after noon."""
    period = Period(NOON + number * ONE_DAY, NOON + (number + 1) * ONE_DAY)
    return PeriodUsage(period, Consumption(used, limit, overage_enabled=False))


async def test_a_check_promises_nothing_and_changes_nothing(world: World) -> None:
    """Yes or no with a reason and what is used; asking again gives the same."""
    await world.usage.record(a_usage(8))
    for delta, access in ((2, True), (3, False), (2, True)):
        decision = await world.usage.check(TEST, "ada", "message", delta=delta)
        assert (decision.access, decision.consumption) == (access, Consumption(8, 10, overage_enabled=False))
    assert (await world.store.audits.audit()).entries == 1
    nobody = await world.usage.check(TEST, "bob", "message")
    assert (nobody.access, nobody.consumption) == (False, None)
    assert nobody.reason == "The user has no active subscription to a package with this feature."
    assert world.meter.decisions[1:] == [
        ("check", "ALLOWED"),
        ("check", "LIMIT_EXCEEDED"),
        ("check", "ALLOWED"),
        ("check", "NO_SUBSCRIPTION"),
    ]


@pytest.mark.parametrize("feature_id", ["message", "chat"])
async def test_at_the_bound_of_totals_a_check_says_what_a_record_does(world: World, feature_id: str) -> None:
    """One unit below the bound is a yes, past it a no with the record's outcome and words, switches included."""
    await world.furnish(a_package("endless", allows(None), holds("chat")))
    await world.subscribed_user("eve", "endless")
    await world.usage.record(a_usage(UNITS_MAX - 1, user_id="eve", feature_id=feature_id))
    assert (await world.usage.check(TEST, "eve", feature_id)).access
    await world.usage.record(a_usage(user_id="eve", feature_id=feature_id))
    check = await world.usage.check(TEST, "eve", feature_id)
    entry = (await world.usage.record(a_usage(user_id="eve", feature_id=feature_id))).entry
    assert (check.outcome, check.reason) == (Outcome.TOTAL_TOO_LARGE, entry.reason)
    assert (check.outcome, check.consumption) == (entry.outcome, entry.consumption)
    assert world.meter.decisions[-2:] == [("check", "TOTAL_TOO_LARGE"), ("record", "TOTAL_TOO_LARGE")]


async def test_many_are_checked_at_one_moment(world: World) -> None:
    """A row for each user, a decision for each feature, in the order asked for."""
    rows = await world.usage.check_many(TEST, ["bob", "ada", "ada"], ["chat", "message", "photo"])
    assert [[decision.access for decision in row] for row in rows] == [
        [False, False, False],
        [True, True, False],
        [True, True, False],
    ]
    assert await world.usage.check_many(TEST, [], ["chat"]) == []
    assert await world.usage.check_many(TEST, ["ada"], []) == [[]]


@pytest.mark.parametrize("delta", [0, -1, UNITS_MAX + 1])
async def test_a_check_asks_for_at_least_one(world: World, delta: int) -> None:
    """Other amounts are an error that names the range."""
    with pytest.raises(InvalidValue, match=rf"^delta must be 1 to {UNITS_MAX} in a check, got {delta}$"):
        await world.usage.check(TEST, "ada", "message", delta=delta)


async def test_unknown_ids_are_errors_and_never_a_no(world: World) -> None:
    """The user's before the feature's where both are unknown; also where nobody is asked about."""
    with pytest.raises(UserNotFound, match=r"^User not found: 'eve'$"):
        await world.usage.check(TEST, "eve", "none")
    with pytest.raises(FeatureNotFound, match=r"^Feature not found: 'none'$"):
        await world.usage.check(TEST, "ada", "none")
    with pytest.raises(FeatureNotFound):
        await world.usage.check_many(TEST, [], ["none"])
    with pytest.raises(UserNotFound):
        await world.usage.check_many(TEST, ["ada", "eve"], ["message"])
    with pytest.raises(UserNotFound):
        await world.usage.show(TEST, "eve", "message")
    with pytest.raises(FeatureNotFound):
        await world.usage.show(TEST, "ada", "none")


async def test_many_are_recorded_each_for_itself(world: World) -> None:
    """Answers in order, errors among them."""
    answers = await world.usage.record_many([a_usage(3), a_usage(user_id="eve"), a_usage(4)])
    receipts = [answer.entry.consumption for answer in answers if isinstance(answer, Receipt)]
    assert [consumption and consumption.used for consumption in receipts] == [3, 7]
    assert isinstance(answers[1], UserNotFound)


async def test_racing_callers_never_pass_the_limit_together(world: World) -> None:
    """Thirty-two who check first and then record, for three units: three get one."""
    await world.usage.record(a_usage(7))

    async def consume() -> bool:
        assert (await world.usage.check(TEST, "ada", "message")).access
        return (await world.usage.record(a_usage())).entry.recorded

    assert Counter(await asyncio.gather(*(consume() for _ in range(32)))) == {True: 3, False: 29}


async def test_usage_is_shown_day_by_day(world: World) -> None:
    """The current period, and the finished ones with the newest first, unused ones as zero."""
    await world.usage.record(a_usage(3))
    world.clock.advance(days=2, hours=1)
    await world.usage.record(a_usage(5))
    await world.usage.record(a_usage(-1, timestamp=NOON))
    assert await world.usage.show(TEST, "ada", "message") == Shown(days(2, 5), [days(1, 0), days(0, 2)])
    assert await world.usage.show(TEST, "ada", "message", past=1) == Shown(days(2, 5), [days(1, 0)])
    assert await world.usage.show(TEST, "ada", "message", past=0) == Shown(days(2, 5), [])
    world.clock.advance(days=40)
    shown = await world.usage.show(TEST, "ada", "message")
    assert shown == Shown(days(42, 0), [days(number, 0) for number in range(41, 17, -1)])
    assert [(each.period_start, each.period_end) for each in shown.past[:1]] == [
        (NOON + timedelta(days=41), NOON + timedelta(days=42))
    ]
    assert len((await world.usage.show(TEST, "ada", "message", past=1000)).past) == 42


@pytest.mark.parametrize("past", [-1, 1001])
async def test_past_periods_are_0_to_1000(world: World, past: int) -> None:
    """Anything else names the range."""
    with pytest.raises(InvalidValue, match=rf"^past must be 0 to 1000, got {past}$"):
        await world.usage.show(TEST, "ada", "message", past=past)


async def test_a_switch_and_a_stranger_have_nothing_to_show(world: World) -> None:
    """No current period for a BINARY feature, without a subscription, or where no package holds the feature."""
    await world.usage.record(a_usage(feature_id="chat"))
    for user_id, feature_id in (("ada", "chat"), ("bob", "message"), ("ada", "photo")):
        assert await world.usage.show(TEST, user_id, feature_id) == Shown(None, [])


async def test_what_was_used_under_an_earlier_subscription_stays_to_be_seen(world: World) -> None:
    """The period that a change cut short ends there; unused periods of what has ended are left out."""
    await world.usage.record(a_usage(3))
    world.clock.advance(days=2, hours=6)
    await world.usage.record(a_usage(4))
    change = world.clock.now
    await world.accounts.change_subscription(TEST, "ada", "pro")
    await world.usage.record(a_usage(50))
    current = PeriodUsage(Period(change, change + ONE_DAY), Consumption(50, 100, overage_enabled=False))
    cut = PeriodUsage(Period(NOON + 2 * ONE_DAY, change), Consumption(4, 10, overage_enabled=False))
    assert await world.usage.show(TEST, "ada", "message") == Shown(current, [cut, days(0, 3)])
    world.clock.advance(hours=24)
    shown = await world.usage.show(TEST, "ada", "message")
    assert shown.past == [current, cut, days(0, 3)]


async def test_a_subscription_that_ended_at_a_boundary_has_no_cut_period(world: World) -> None:
    """Its last period is whole, and after its end there is no current one."""
    await world.usage.record(a_usage(3))
    [held] = await world.accounts.subscriptions(TEST)
    await world.accounts.cancel_subscription(TEST, held.subscription.id, at_period_end=True)
    world.clock.advance(days=3)
    assert await world.usage.show(TEST, "ada", "message") == Shown(None, [days(0, 3)])


async def test_of_two_subscriptions_the_better_one_shows_the_current_period(world: World) -> None:
    """The add-on answers while it stands; what was used under the base before shows once its period is over."""
    await world.usage.record(a_usage(3))
    await world.accounts.subscribe(TEST, "ada", ["extra"])
    await world.usage.record(a_usage(15))
    assert await world.usage.show(TEST, "ada", "message") == Shown(days(0, 15, 20), [])
    world.clock.advance(days=1)
    assert await world.usage.show(TEST, "ada", "message") == Shown(days(1, 0, 20), [days(0, 3), days(0, 15, 20)])


async def test_a_clock_that_goes_back_opens_no_period(world: World) -> None:
    """Before its start a subscription counts in its first period; nothing is finished twice."""
    await world.usage.record(a_usage(4))
    world.clock.advance(days=-1, hours=-1)
    receipt = await world.usage.record(a_usage(1, action=Action.ADD))
    assert receipt.entry.consumption == Consumption(5, 10, overage_enabled=False)
    assert await world.usage.show(TEST, "ada", "message") == Shown(days(0, 5), [])
    world.clock.now = NOON + timedelta(hours=23)
    assert not (await world.usage.record(a_usage(6))).entry.recorded
    assert (await world.store.audits.audit()).drifts == ()


async def test_checks_that_arrive_together_share_one_reading(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is answered for its own user, feature and amount, and whoever asks for what is not there alone is told."""
    snapshot, asked = world.store.ledger.snapshot, []

    async def counted(environment: Environment, user_ids: list[str], *rest: object, **more: object) -> object:
        asked.append((environment, user_ids))
        return await snapshot(environment, user_ids, *rest, **more)  # type: ignore[arg-type]

    await world.usage.record(a_usage(8))
    monkeypatch.setattr(world.store.ledger, "snapshot", counted)
    answers = await asyncio.gather(
        world.usage.check(TEST, "ada", "message"),
        world.usage.check(TEST, "ada", "message", delta=3),
        world.usage.check(TEST, "nobody", "message"),
        world.usage.check(TEST, "ada", "nothing"),
        world.usage.check(LIVE, "ada", "message"),
        return_exceptions=True,
    )
    assert sorted(asked) == [(LIVE, ["ada"]), (TEST, ["ada", "nobody"])]
    allowed, refused, *wrong = answers
    assert isinstance(allowed, Decision)
    assert isinstance(refused, Decision)
    assert (allowed.access, refused.access) == (True, False)
    assert [type(each) for each in wrong] == [UserNotFound, FeatureNotFound, UserNotFound]


async def test_a_store_that_reads_twice_is_answered_from_the_last_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a snapshot had to be taken again, nothing of the first one is left in the answer."""
    snapshot = world.store.ledger.snapshot

    async def twice(*asked: object, **how: object) -> object:
        await snapshot(*asked, **how)  # type: ignore[arg-type]
        await world.usage.record(a_usage(2))
        return await snapshot(*asked, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store.ledger, "snapshot", twice)
    assert await world.usage.show(TEST, "ada", "message") == Shown(days(0, 2), [])
    assert (await world.usage.check(TEST, "ada", "message")).consumption == Consumption(4, 10, overage_enabled=False)


@pytest.mark.parametrize("user_id", [None, "ada"])
async def test_an_entry_is_undone_with_or_without_its_user(world: World, user_id: str | None) -> None:
    """Its user is looked for where they are not named."""
    entry = (await world.usage.record(a_usage(4))).entry
    undone = (await world.usage.reverse(TEST, entry.id, reason="wrong", by=TESTER, user_id=user_id)).entry
    assert (undone.reverses, undone.change) == (entry.id, -4)
