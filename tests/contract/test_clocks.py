"""Machines whose clocks differ, and one whose clock is set back: no account's time runs backwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from kana.app import system_clock
from kana.engine.ports.users import Subscribed
from kana.engine.usage.usage import Shown
from kana.errors import KanaError, SubscriptionRefused
from kana.model.account import Account
from kana.model.given import OverrideTerms
from kana.model.segment import Message, MessageType
from tests.support.stores import Place
from tests.support.world import DAY, NOON, ONE_DAY, TEST, TESTER, SetClock, World, a_package, a_usage, allows

SECOND = timedelta(seconds=1)
SKEWS = [timedelta(), 2 * SECOND, -3 * SECOND]
"""How far the clocks of three machines are from the right time."""

MakeWorld = Callable[[timedelta], World]


class Skewed(SetClock):
    """The machine's own clock, so far off."""

    def __init__(self, skew: timedelta) -> None:
        self.skew = skew

    def __call__(self) -> datetime:
        return system_clock() + self.skew


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Three base packages, of which one resets every day."""
    await world.furnish(
        a_package("basic", allows(None, DAY)), a_package("pro", allows(None)), a_package("max", allows(None))
    )


@pytest.fixture
async def machines(world: World, place: Place) -> AsyncIterator[list[World]]:
    """Three engines on one database, each with connections and a clock of its own."""
    async with AsyncExitStack() as stack:
        found = []
        for skew in SKEWS:
            store = await place.open()
            stack.push_async_callback(store.close)
            found.append(World(store, clock=Skewed(skew)))
        yield found


async def held(world: World, user_id: str = "ada") -> list[Subscribed]:
    return await world.accounts.subscriptions(TEST, user_id=user_id)


def run_backwards(subscriptions: list[Subscribed]) -> int:
    """How many of somebody's base packages end before they start, or have not ended when the next one starts."""
    never = datetime.max.replace(tzinfo=UTC)
    times = sorted((each.subscription.start, each.subscription.ends_at or never) for each in subscriptions)
    starts, ends = [start for start, _ in times], [end for _, end in times]
    return sum(end < start for start, end in zip(starts, ends, strict=True)) + sum(
        start < end for end, start in zip(ends, starts[1:], strict=False)
    )


async def test_a_clock_that_steps_back_ends_nothing_before_it_began(world: World) -> None:
    """Subscribing, changing, cancelling and subscribing again happen no earlier than what was done before."""
    await world.subscribed_user("ada", "basic")
    world.clock.advance(hours=-1)
    changed = await world.accounts.change_subscription(TEST, "ada", "pro")
    assert (changed.subscription.start, run_backwards(await held(world))) == (NOON, 0)
    world.clock.now = NOON + ONE_DAY
    cancelled = await world.accounts.cancel_subscription(TEST, changed.subscription.id)
    assert cancelled.subscription.ends_at == NOON + ONE_DAY
    world.clock.advance(hours=-1)
    [again] = await world.accounts.subscribe(TEST, "ada", ["basic"])
    assert again.subscription.start == NOON + ONE_DAY
    receipt = await world.usage.record(a_usage(3))
    assert receipt.entry.recorded_at == NOON + ONE_DAY
    cancelled = await world.accounts.cancel_subscription(TEST, again.subscription.id, at_period_end=True)
    assert cancelled.subscription.ends_at == NOON + 2 * ONE_DAY
    assert run_backwards(await held(world)) == 0


async def test_an_exception_that_is_set_by_a_clock_behind_stands_in_place_of_the_one_before(world: World) -> None:
    """There is one at a time, the one that was set last, whatever the clock of the machine that set it."""
    await world.subscribed_user("ada", "basic")
    world.clock.advance(hours=1)
    await _allow(world, 3)
    world.clock.advance(minutes=-10)
    await _allow(world, 50)
    world.clock.advance(minutes=20)
    [first, second] = await world.engine.giving.overrides(TEST, "ada")
    assert first.given.ends_at == second.given.start
    decision = await world.usage.check(TEST, "ada", "message")
    assert decision.consumption is not None
    assert decision.consumption.budget == 50


async def _allow(world: World, limit: int) -> None:
    await world.engine.giving.set_override(
        TEST, "ada", "message", OverrideTerms(limit=limit), reason="asked", by=TESTER
    )


async def test_what_has_ended_by_a_clock_ahead_has_ended(world: World) -> None:
    """By a clock behind, cancelling it changes nothing, and it cannot be resumed."""
    await world.subscribed_user("ada", "basic")
    [held] = await world.accounts.subscriptions(TEST)
    ending = await world.accounts.cancel_subscription(TEST, held.subscription.id, at_period_end=True)
    world.clock.now = NOON + ONE_DAY
    await world.accounts.subscribe(TEST, "ada", ["pro"])
    world.clock.advance(hours=-1)
    assert await world.accounts.cancel_subscription(TEST, held.subscription.id) == ending
    with pytest.raises(SubscriptionRefused, match="has ended; subscribe the user again"):
        await world.accounts.resume_subscription(TEST, held.subscription.id)


async def test_without_the_accounts_own_time_it_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: by the clock alone a subscription ends before it starts, and that is seen."""
    monkeypatch.setattr(Account, "time", lambda _, clock: clock)
    await world.subscribed_user("ada", "basic")
    world.clock.advance(hours=-1)
    await world.accounts.change_subscription(TEST, "ada", "pro")
    assert run_backwards(await held(world)) > 0


async def test_the_time_of_a_change_is_read_under_the_lock(world: World) -> None:
    """Not before it is waited for, and not before the account is read."""
    await world.subscribed_user("ada", "basic")
    change, seen = world.store.users.change_subscriptions, []

    async def slow(*given: object, **more: object) -> object:
        seen.append(world.clock.advance(seconds=5))
        return await change(*given, **more)  # type: ignore[arg-type]

    world.store.users.change_subscriptions = slow  # type: ignore[method-assign, assignment]
    changed = await world.accounts.change_subscription(TEST, "ada", "pro", by=TESTER)
    [line] = await world.store.insights.log(TEST, limit=1, before=None, subject_id="ada", shared=False)
    assert [changed.subscription.start, line.at] == [NOON + 5 * SECOND] * 2 == seen * 2


async def test_what_three_machines_do_at_once_never_runs_backwards(machines: list[World]) -> None:
    """Changes raced by three whose clocks are seconds apart, with usage beside: each shows all that was granted."""
    users = [f"u{number}" for number in range(6)]
    for user_id in users:
        await machines[0].subscribed_user(user_id, "basic")
    granted = dict.fromkeys(users, 0)

    async def change(world: World, user_id: str, package_id: str) -> None:
        try:
            await world.accounts.change_subscription(TEST, user_id, package_id)
        except SubscriptionRefused:  # Another has moved them there already.
            return

    async def use(world: World, user_id: str, turn: int) -> None:
        timestamp = None if turn % 2 else world.clock()
        receipt = await world.usage.record(a_usage(user_id=user_id, timestamp=timestamp))
        granted[user_id] += receipt.entry.change

    for turn in range(6):
        await asyncio.gather(
            *(change(world, user_id, package_id) for user_id in users
              for world, package_id in zip(machines, ("basic", "pro", "max"), strict=True)),
            *(use(world, user_id, turn) for user_id in users for world in machines),
        )  # fmt: skip
    for user_id in users:
        assert run_backwards(await held(machines[0], user_id)) == 0
        shown = [await machine.usage.show(TEST, user_id, "message") for machine in machines]
        assert [_used(each) for each in shown] == [granted[user_id]] * len(machines)
    assert sum(granted.values()) == 6 * 6 * 3
    assert (await machines[0].store.audits.audit()).is_clean


def _used(shown: Shown) -> int:
    assert shown.current is not None
    return shown.current.consumption.used + sum(each.consumption.used for each in shown.past)


async def test_what_another_machine_began_is_shown(world: World) -> None:
    """A subscription that began by a clock ahead answers on one behind, with what was used of it."""
    ahead = World(world.store, clock=SetClock(NOON + 2 * SECOND))
    await world.subscribed_user("ada", "basic")
    await world.usage.record(a_usage(1))
    await ahead.accounts.change_subscription(TEST, "ada", "pro")
    await ahead.usage.record(a_usage(4))
    shown = await world.usage.show(TEST, "ada", "message")
    assert shown.current is not None
    assert (shown.current.consumption.used, _used(shown)) == (4, 5)


async def test_what_is_used_as_a_subscription_ends_is_shown(world: World) -> None:
    """In the period that its time falls into, however the clocks of those who decide differ."""
    await world.subscribed_user("ada", "basic")
    ahead = World(world.store, clock=SetClock(NOON + ONE_DAY + SECOND))
    await ahead.usage.record(a_usage(5))
    world.clock.now = NOON + ONE_DAY - SECOND
    await world.accounts.change_subscription(TEST, "ada", "pro")
    empty = await world.accounts.change_subscription(TEST, "ada", "max")
    await world.usage.record(a_usage(2))
    await world.accounts.change_subscription(TEST, "ada", "basic")
    past = (await world.usage.show(TEST, "ada", "message")).past
    assert [(each.period.start, each.period.end, each.consumption.used) for each in past] == [
        (NOON + ONE_DAY, NOON + ONE_DAY, 5),
        (empty.subscription.start, empty.subscription.start, 2),
    ]


async def test_a_track_on_our_own_time_never_fails_for_it(machines: list[World]) -> None:
    """Without a timestamp it has ours, which another machine's subscription or change may be a little ahead of."""
    subscriber, changer, receiver = machines
    await subscriber.subscribed_user("ada", "basic")
    messages = [
        Message(
            id=f"m{number}", type=MessageType.TRACK, user_id="ada", event="Sent", timestamp=None,
            properties={"featureId": "message"}, traits={}, raw="{}",
        )
        for number in range(60)
    ]  # fmt: skip

    async def change() -> None:
        for package_id in ("pro", "max", "basic", "pro"):
            await changer.accounts.change_subscription(TEST, "ada", package_id)

    await asyncio.gather(change(), *(receiver.engine.segment.receive(TEST, [message]) for message in messages))
    events = await receiver.store.segment.segment_events(TEST, status=None, limit=99, before=None)
    assert [event.status for event in events] == ["RECORDED"] * 60


async def test_cancelling_while_the_user_is_renamed_cancels(world: World, place: Place) -> None:
    """A subscription is named by its own id, so that another id of its user stands in nobody's way."""
    another = World(await place.open(), clock=world.clock)
    failed: list[KanaError] = []
    for number in range(12):
        await world.subscribed_user(f"a{number}", "basic")
        [mine] = await held(world, f"a{number}")

        async def rename(number: int = number) -> None:
            await another.accounts.update_user(TEST, f"a{number}", {"id": f"b{number}"})

        cancelling = world.accounts.cancel_subscription(TEST, mine.subscription.id)
        results = await asyncio.gather(cancelling, rename(), return_exceptions=True)
        failed += [result for result in results if isinstance(result, KanaError)]
        [after] = await held(world, f"b{number}")
        assert not after.subscription.stands(world.clock())
    await another.store.close()
    assert failed == []
