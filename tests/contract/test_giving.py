"""Top-ups, overrides and what is carried over, on every store."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from kana.engine.ports.store import Store
from kana.model.entitlement import Consumption, Outcome
from kana.model.given import OverrideTerms
from kana.model.grant import Source
from tests.support.world import DAY, NOON, ONE_DAY, TEST, TESTER, World, a_package, a_usage, allows, rolls_over


async def furnished(world: World, *, package: str = "basic") -> None:
    await world.furnish(
        a_package("basic", allows(10)), a_package("rolling", rolls_over(10, DAY, most=6, periods=1, grace_percent=10))
    )
    await world.subscribed_user("ada", package)


async def top_up(world: World, amount: int, *, days: int | None = None, key: str | None = None) -> int:
    expires = None if days is None else world.clock() + timedelta(days=days)
    gift = await world.engine.giving.create_top_up(
        TEST, "ada", "message", amount, reason="sold", by=TESTER, expires_at=expires, key=key
    )
    return gift.given.id


async def record(world: World, delta: int, **changes: object) -> tuple[Outcome, Consumption | None, list[int]]:
    entry = (await world.usage.record(a_usage(delta, **changes))).entry
    return entry.outcome, entry.consumption, [posting.change for posting in entry.postings]


async def test_units_are_taken_from_several_grants_and_given_back(world: World) -> None:
    """In burn order, and back the other way round; every counter is the sum of its postings."""
    await furnished(world)
    await top_up(world, 5, days=3)
    await top_up(world, 20)
    told = Consumption(18, 35, overage_enabled=False)
    assert await record(world, 18) == (Outcome.RECORDED, told, [5, 10, 3])
    assert (await record(world, -4))[2] == [-1, -3]
    assert (await record(world, 22))[0] is Outcome.LIMIT_EXCEEDED
    assert (await record(world, 21))[2] == [1, 20]
    assert [each.used for each in await world.engine.giving.top_ups(TEST, "ada")] == [5, 20]
    audit = await world.store.audits.audit()
    assert (audit.is_clean, audit.entries) == (True, 4)


async def test_late_usage_is_taken_from_what_held_then(world: World) -> None:
    """From a top-up that has ended since, and not from one that had not begun."""
    await furnished(world)
    await top_up(world, 5, days=1)
    world.clock.advance(days=2)
    await top_up(world, 20)
    assert (await record(world, 15, timestamp=NOON + timedelta(hours=1)))[2] == [5, 10]
    assert (await record(world, 1, timestamp=NOON + timedelta(hours=1)))[0] is Outcome.LIMIT_EXCEEDED
    assert (await record(world, 20))[2] == [20]


async def test_an_override_and_its_end_are_read_everywhere(world: World) -> None:
    """By records, checks, many checks and what is shown."""
    await furnished(world)
    await record(world, 8)
    terms = OverrideTerms(limit=20)
    gift = await world.engine.giving.set_override(TEST, "ada", "message", terms, reason="asked", by=TESTER)
    told = Consumption(8, 20, overage_enabled=False)
    [[decision]] = await world.usage.check_many(TEST, ["ada"], ["message"])
    shown = await world.usage.show(TEST, "ada", "message")
    assert (decision.consumption, shown.current and shown.current.consumption) == (told, told)
    [state] = (await world.engine.profiles.of(TEST, "ada")).features
    assert [grant.source for grant in state.grants] == [Source.OVERRIDE]
    await world.engine.giving.end_override(TEST, gift.given.id, by=TESTER)
    assert (await record(world, 3))[0] is Outcome.LIMIT_EXCEEDED


async def test_what_a_period_left_is_used_in_the_next(world: World) -> None:
    """First, and only so much; a grace lets the limit be passed after everything else."""
    await furnished(world, package="rolling")
    await record(world, 7)
    world.clock.advance(days=1)
    assert await record(world, 5) == (Outcome.RECORDED, Consumption(5, 13, overage_enabled=False), [3, 2])
    assert (await record(world, 10))[0] is Outcome.LIMIT_EXCEEDED
    assert (await record(world, 9))[2] == [9]
    world.clock.advance(days=1)
    assert (await record(world, 1))[1] == Consumption(1, 10, overage_enabled=False)
    assert (await world.store.audits.audit()).is_clean


async def test_changes_are_told_in_the_log(world: World) -> None:
    """Who gave what, why, and who ended it; another key's retry tells nothing."""
    await furnished(world)
    number = await top_up(world, 5, key="k")
    assert await top_up(world, 5, key="k") == number
    terms = OverrideTerms(denied=True, ends_at=NOON + ONE_DAY)
    await world.engine.giving.set_override(TEST, "ada", "message", terms, reason="asked", by=TESTER)
    await world.engine.giving.end_top_up(TEST, number, by=TESTER)
    lines = await world.store.insights.log(TEST, limit=9, before=None, subject_id="ada", shared=False)
    assert [(line.action, line.subject_kind) for line in lines][:3] == [
        ("updated", "top-up"),
        ("created", "override"),
        ("created", "top-up"),
    ]
    assert isinstance(lines[1].after, dict)
    assert (lines[1].after["denied"], lines[1].after["reason"]) == (True, "asked")


async def test_what_was_given_stays_when_a_user_is_renamed(world: World) -> None:
    """It is found under the new id only."""
    await furnished(world)
    await top_up(world, 5)
    await world.accounts.update_user(TEST, "ada", {"id": "bob"})
    await world.accounts.create_user(TEST, id="ada")
    decision = await world.usage.check(TEST, "bob", "message")
    assert decision.consumption == Consumption(0, 15, overage_enabled=False)
    assert not (await world.usage.check(TEST, "ada", "message")).access


async def test_many_at_once_take_exactly_what_there_is(world: World, store: Store) -> None:
    """128 callers over three grants: as many units as they have together, and not one more."""
    await furnished(world)
    await top_up(world, 20, days=5)
    await top_up(world, 30)
    entries = await asyncio.gather(*(world.usage.record(a_usage(1)) for _ in range(128)))
    assert sum(each.entry.recorded for each in entries) == 60
    assert (await store.audits.audit()).is_clean


async def test_a_key_at_once_gives_once(world: World) -> None:
    """Twenty who give with one key give one top-up."""
    await furnished(world)
    assert len(set(await asyncio.gather(*(top_up(world, 5, key="k") for _ in range(20))))) == 1
    assert len(await world.engine.giving.top_ups(TEST, "ada")) == 1
