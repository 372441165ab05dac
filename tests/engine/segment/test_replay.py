"""Rules that come later, events that wait, and what a crash left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from kana.engine.segment import replay as module
from kana.engine.segment.replay import Replayer
from kana.errors import Unavailable
from kana.model.segment import EventStatus, MessageType, SegmentEvent
from tests.engine.segment.test_mapping import create
from tests.engine.segment.test_segment import a_message, identify, outcomes, track, used
from tests.support.world import LIVE, TEST, TESTER, World, a_package, allows


@pytest.fixture
async def shop(world: World) -> World:
    """Ada may send what she likes."""
    await world.furnish(a_package("basic", allows(None)))
    await world.subscribed_user("ada")
    return world


def unmapped(number: int) -> Any:
    return a_message(number, MessageType.TRACK, "ada", properties={"type": "addon"})


async def statuses(world: World) -> dict[str, str]:
    return {key: status for key, (status, _) in (await outcomes(world)).items()}


async def test_a_new_rule_takes_up_what_no_rule_matched(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event once, page by page, whatever rules match it and however often it is looked at."""
    monkeypatch.setattr(module, "PAGE", 3)
    await shop.engine.segment.receive(TEST, [unmapped(number) for number in range(10)])
    await shop.engine.segment.receive(LIVE, [unmapped(number) for number in range(10)])
    await create(shop)
    await create(shop)
    await shop.engine.replayer.replay()
    await shop.engine.replayer.replay()

    assert await used(shop) == 10
    assert set((await statuses(shop)).values()) == {"RECORDED"}
    assert [rule.is_replayed for rule in await shop.engine.mapping.rules(TEST)] == [True, True]
    assert {event.status for event in await shop.engine.mapping.events(LIVE, first=99)} == {EventStatus.UNMAPPED}


async def test_a_changed_rule_is_replayed_again(shop: World) -> None:
    """What it recorded before stays; what it matches now is recorded."""
    await shop.engine.segment.receive(TEST, [unmapped(1)])
    made = await create(shop, event_name="Other")
    await shop.engine.replayer.replay()
    assert await statuses(shop) == {"m-1": "UNMAPPED"}
    await shop.engine.mapping.update_rule(TEST, made.id, {"event_name": "Sent"}, by=TESTER)
    await shop.engine.replayer.replay()
    assert await statuses(shop) == {"m-1": "RECORDED"}


async def test_what_a_crash_left_behind_is_taken_up(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once by a process that starts; later after half a minute, so that nothing in flight is done twice."""

    async def crash(_: Sequence[SegmentEvent]) -> None:
        raise SystemError

    monkeypatch.setattr(shop.engine.segment, "carry_out", crash)
    with pytest.raises(SystemError):
        await shop.engine.segment.receive(TEST, [track(1), identify(2, "bob")])
    assert set((await statuses(shop)).values()) == {"PENDING"}
    monkeypatch.undo()

    await shop.engine.replayer.replay()
    assert await statuses(shop) == {"m-1": "RECORDED", "m-2": "IDENTIFIED"}

    monkeypatch.setattr(shop.engine.segment, "carry_out", crash)
    with pytest.raises(SystemError):
        await shop.engine.segment.receive(TEST, [track(3)])
    monkeypatch.undo()
    shop.clock.advance(seconds=29)
    await shop.engine.replayer.replay()
    assert (await statuses(shop))["m-3"] == "PENDING"
    shop.clock.advance(seconds=1)
    await shop.engine.replayer.replay()
    assert (await statuses(shop))["m-3"] == "RECORDED"


async def test_what_waits_is_tried_again_every_hour(shop: World) -> None:
    """A user may be made in other ways than by an identify."""
    await shop.engine.segment.receive(TEST, [track(1, "bob")])
    await shop.engine.replayer.replay()
    await shop.accounts.create_user(TEST, id="bob")
    shop.clock.advance(minutes=59)
    await shop.engine.replayer.replay()
    assert await statuses(shop) == {"m-1": "WAITING"}
    shop.clock.advance(minutes=1)
    await shop.engine.replayer.replay()
    assert await statuses(shop) == {"m-1": "REFUSED"}


async def test_it_runs_in_the_background_and_ends_in_order(shop: World) -> None:
    """A new rule wakes it; ending waits for what it is at."""
    await shop.engine.segment.receive(TEST, [unmapped(number) for number in range(3)])
    async with shop.engine.replayer.running():
        await create(shop)
        async with asyncio.timeout(10):
            while not all(rule.is_replayed for rule in await shop.engine.mapping.rules(TEST)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert await used(shop) == 3


async def test_it_ends_between_two_pages(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is for the next start: the rule is not marked, and no event is lost."""
    monkeypatch.setattr(module, "PAGE", 1)
    await shop.engine.segment.receive(TEST, [unmapped(number) for number in range(3)])
    await create(shop)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def carry_out(events: Sequence[SegmentEvent]) -> None:
        reached.set()
        await go_on.wait()
        await shop.engine.segment.carry_out(events)

    async with Replayer(shop.store.segment, carry_out, clock=shop.clock).running():
        await reached.wait()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    assert await used(shop) == 1
    await shop.engine.replayer.replay()
    assert await used(shop) == 3


@pytest.mark.parametrize("error", [Unavailable("the database is away"), RuntimeError("a defect")])
async def test_it_goes_on_after_an_error(
    shop: World, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The store may be away for a while: it is said in the log, and the next look finds it again."""
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    await shop.engine.segment.receive(TEST, [unmapped(1)])
    await create(shop)
    failed = asyncio.Event()

    async def carry_out(events: Sequence[SegmentEvent]) -> None:
        if not failed.is_set():
            failed.set()
            raise error
        await shop.engine.segment.carry_out(events)

    with caplog.at_level(logging.WARNING):
        shop.clock.advance(seconds=31)
        async with Replayer(shop.store.segment, carry_out, clock=shop.clock).running():
            async with asyncio.timeout(10):
                while await used(shop) == 0:
                    shop.clock.advance(seconds=31)
                    await asyncio.sleep(0.01)
    assert caplog.records[0].message.startswith("processing open events failed and is tried again")
