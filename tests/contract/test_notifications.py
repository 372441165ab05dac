"""Notifications: with what they are about, once, in an order in which nobody who reads on misses any."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.line import Line
from kana.model.notification import Notification, NotificationType
from kana.model.terms import Terms
from tests.support.world import DAY, NOON, TEST, TESTER, World, a_package, a_usage, allows

LIVE = Environment.LIVE


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada may use ten messages a day."""
    await world.furnish(a_package("basic", allows(10, DAY)), a_package("pro", allows(100, DAY)))
    await world.subscribed_user("ada")


async def read(world: World, *, after: int = 0, first: int = 1000) -> Sequence[Notification]:
    """What can be read after an id."""
    return await world.engine.notifications.notifications(TEST, first=first, after=str(after))


async def types(world: World, *, after: int = 0) -> list[str]:
    """What happened after an id."""
    return [each.type.value for each in await read(world, after=after)]


async def last_id(world: World) -> int:
    """The id after which there is nothing yet."""
    return (await read(world))[-1].id


async def test_what_is_done_is_notified_with_it(world: World) -> None:
    """Packages that are published, users who are created, subscriptions that start, change and end."""
    found = await read(world)
    assert [(each.type.value, each.user_id) for each in found] == [
        ("package.published", None),
        ("package.published", None),
        ("user.created", "ada"),
        ("subscription.started", "ada"),
    ]
    assert [each.about.get("packageId") for each in found] == ["basic", "pro", None, "basic"]
    after = found[-1].id
    await world.accounts.change_subscription(TEST, "ada", "pro")
    assert sorted(await types(world, after=after)) == ["subscription.ended", "subscription.started"]
    after = await last_id(world)
    [held] = [
        each for each in await world.accounts.subscriptions(TEST, user_id="ada") if each.subscription.stands(NOON)
    ]
    await world.accounts.cancel_subscription(TEST, held.subscription.id, at_period_end=True)
    [changed] = await read(world, after=after)
    assert changed.type is NotificationType.SUBSCRIPTION_CHANGED
    assert changed.about["endsAt"] == (NOON + timedelta(days=1)).strftime("%Y-%m-%dT12:00:00.000Z")
    await world.accounts.cancel_subscription(TEST, held.subscription.id)
    await world.engine.deletions.delete(TEST, "ada", by=TESTER)
    rest = await read(world, after=changed.id)
    assert [each.type.value for each in rest] == ["subscription.ended", "user.deleted"]
    assert {each.user_id for each in await read(world)} == {None, rest[-1].user_id}, "her id is nowhere"
    assert await world.engine.notifications.notifications(LIVE) == []


async def test_a_limit_is_notified_once_a_period(world: World) -> None:
    """At 80 and at 100 percent, and the first refusal; again in the next period, and not for what is taken back."""
    after = await last_id(world)
    for delta in (7, 1, 2, -3, 3):
        await world.usage.record(a_usage(delta))
    for _ in range(2):
        await world.usage.record(a_usage(1))
    found = await read(world, after=after)
    assert [(each.type.value, each.about.get("percent")) for each in found] == [
        ("usage.threshold_reached", 80),
        ("usage.threshold_reached", 100),
        ("usage.refused", None),
    ]
    assert found[1].about | {"entryId": ""} == {
        "featureId": "message", "percent": 100, "used": 10, "budget": 10, "overageEnabled": False, "entryId": "",
    }  # fmt: skip
    world.clock.advance(days=1)
    await world.usage.record(a_usage(11))
    await world.usage.record(a_usage(10))
    assert await types(world, after=found[-1].id) == [
        "usage.refused",
        "usage.threshold_reached",
        "usage.threshold_reached",
    ]


async def test_what_is_set_aside_is_notified_when_it_is_used_or_has_ended(world: World) -> None:
    """Holding is none; settling is as usage is; an end is once, whichever way it is found first."""
    await world.engine.notifications.look()
    after = await last_id(world)
    reserve, settle = world.engine.reserving.reserve, world.engine.reserving.settle
    held = (await reserve(TEST, "ada", [Line("message", 9)])).reservation
    assert held is not None
    assert await types(world, after=after) == []
    await settle(TEST, held.id, [Line("message", 9)])
    assert await types(world, after=after) == ["usage.threshold_reached"]
    for finds in (world.engine.notifications.look, lambda: world.usage.record(a_usage(1))):
        after = await last_id(world)
        assert (await reserve(TEST, "ada", [Line("message", 1)])).reservation is not None
        world.clock.advance(hours=1)
        await finds()
        [ended] = await read(world, after=after)
        assert ended.type is NotificationType.RESERVATION_ENDED
        await world.engine.notifications.look()
        await world.usage.check(TEST, "ada", "message")
        assert await types(world, after=ended.id) == []
        world.clock.advance(days=1)


async def test_what_happens_without_a_call_is_found(world: World) -> None:
    """Starts, ends, trials and top-ups that end soon: each once, however often it is looked for."""
    await world.engine.notifications.look()
    after = await last_id(world)
    await world.accounts.create_user(TEST, id="bob")
    terms = Terms(starts_at=NOON + timedelta(days=1), trial_ends_at=NOON + timedelta(days=6), ends_with_trial=True)
    await world.accounts.subscribe(TEST, "bob", ["basic"], terms=terms)
    await world.engine.giving.create_top_up(
        TEST, "bob", "message", amount=5, expires_at=NOON + timedelta(days=4), reason="sold", by=TESTER
    )
    by_day = []
    for _ in range(7):
        for _ in range(2):
            await world.engine.notifications.look()
        by_day.append(await types(world, after=after))
        after = await last_id(world)
        world.clock.advance(days=1)
    assert by_day == [
        ["user.created", "subscription.changed"],
        ["subscription.started", "top_up.ends_soon"],
        [],
        ["trial.ends_soon"],
        [],
        [],
        ["subscription.ended"],
    ]


async def test_more_than_a_page_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left out where many things happen at the same moment, and later ones wait for their turn."""
    monkeypatch.setattr("kana.store.notifications.DUE_TOGETHER", 2)
    await world.engine.notifications.look()
    after = await last_id(world)
    for number in range(5):
        user = await world.subscribed_user(f"u{number}")
        [held] = await world.accounts.subscriptions(TEST, user_id=user.id)
        await world.accounts.cancel_subscription(TEST, held.subscription.id, at_period_end=True)
    world.clock.advance(days=40)
    await world.engine.notifications.look()
    assert (await types(world, after=after)).count("subscription.ended") == 5


async def test_a_top_up_is_notified_when_it_is_used_up(world: World) -> None:
    """And when it ends soon from the beginning."""
    after = await last_id(world)
    await world.engine.giving.create_top_up(
        TEST, "ada", "message", amount=5, expires_at=NOON + timedelta(days=2), reason="sold", by=TESTER
    )
    assert await types(world, after=after) == ["top_up.ends_soon"]
    after = await last_id(world)
    await world.usage.record(a_usage(11))
    await world.usage.record(a_usage(4))
    found = await read(world, after=after)
    assert sorted(each.type.value for each in found) == ["top_up.used_up", *["usage.threshold_reached"] * 2]


async def test_a_retry_notifies_nothing_again(world: World) -> None:
    """Nor does what a store decides again, or what is refused as a whole."""
    after = await last_id(world)
    await asyncio.gather(*(world.usage.record(a_usage(10, key="k")) for _ in range(3)))
    assert await types(world, after=after) == ["usage.threshold_reached"] * 2


async def test_they_are_read_in_pages_and_bounds_are_errors(world: World) -> None:
    """The ids grow by one; who reads on from the last one gets the rest."""
    whole = await read(world)
    found: list[Notification] = []
    while page := await read(world, after=found[-1].id if found else 0, first=1):
        found += page
    assert found == whole
    for first, after, field in ((0, 0, "first"), (1001, 0, "first"), (1, -1, "after"), (1, 2**63, "after")):
        with pytest.raises(InvalidValue) as caught:
            await read(world, first=first, after=after)
        assert caught.value.field == field
    assert await world.engine.notifications.notifications(TEST) == whole


async def test_old_ones_are_forgotten(world: World) -> None:
    """After 30 days; what is noted once stays so."""
    await world.usage.record(a_usage(8))
    before = await last_id(world)
    world.clock.advance(days=31)
    await world.engine.notifications.look()
    await world.engine.notifications.look()
    assert await read(world) == []
    await world.usage.record(a_usage(8))
    [reached] = await read(world)
    assert reached.id == before + 1


async def test_a_user_is_named_by_their_present_id(world: World) -> None:
    """Renamed, or merged into somebody else."""
    await world.accounts.update_user(TEST, "ada", {"id": "eve"})
    await world.accounts.create_user(TEST, id="bob")
    await world.engine.merges.merge(TEST, "eve", "bob", by=TESTER)
    assert {each.user_id for each in await read(world)} == {None, "bob"}


async def test_whoever_reads_on_misses_nothing(world: World) -> None:
    """While many write at the same time, and each takes a while to commit."""
    for number in range(8):
        await world.subscribed_user(f"u{number}")
    seen: list[Notification] = []
    is_over = False

    async def read_on() -> None:
        while not is_over:
            seen.extend(await read(world, after=seen[-1].id if seen else 0))
            await asyncio.sleep(0)

    async def write(number: int) -> None:
        for _ in range(6):
            await world.usage.record(a_usage(8, user_id=f"u{number}"))
            await world.usage.record(a_usage(11, user_id=f"u{number}"))
            await world.accounts.create_user(TEST, id=f"u{number}-{_}")

    reader = asyncio.create_task(read_on())
    await asyncio.gather(*map(write, range(8)))
    is_over = True
    await reader
    seen.extend(await read(world, after=seen[-1].id))
    assert seen == await read(world)
    assert [each.id for each in seen] == list(range(1, len(seen) + 1))
