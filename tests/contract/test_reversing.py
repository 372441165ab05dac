"""Reversing single entries, on every store."""

from __future__ import annotations

import asyncio

import pytest

from kana.errors import EntryNotFound
from kana.model.entitlement import Outcome
from kana.model.grant import Posting
from kana.model.usage import Entry
from tests.support.ledger import entries_of
from tests.support.world import LIVE, TEST, TESTER, World, a_package, a_usage, allows


async def furnished(world: World) -> None:
    await world.furnish(a_package("basic", allows(10)))
    await world.subscribed_user("ada")
    await world.accounts.create_user(TEST, id="bob")
    await world.engine.giving.create_top_up(TEST, "ada", "message", 5, reason="sold", by=TESTER)


async def record(world: World, delta: int) -> Entry:
    return (await world.usage.record(a_usage(delta))).entry


async def used(world: World) -> int | None:
    decision = await world.usage.check(TEST, "ada", "message")
    return None if decision.consumption is None else decision.consumption.used


async def test_an_entry_of_several_postings_is_undone_where_it_was_posted(world: World) -> None:
    """In a period that is over too; the ledger keeps both, and every total is right."""
    await furnished(world)
    entry = await record(world, 12)
    world.clock.advance(days=40)
    await record(world, 1)
    receipt = await world.usage.reverse(TEST, entry.id, reason="wrong order", by=TESTER)
    assert receipt.entry.postings == tuple(Posting(counter, -change) for counter, change in entry.postings)
    assert (receipt.entry.reverses, receipt.duplicate) == (entry.id, False)
    shown = await world.usage.show(TEST, "ada", "message")
    assert [each.consumption.used for each in shown.past] == [0]
    assert await used(world) == 1
    lines = await entries_of(world.store, "ada")
    assert [each.reverses for each in lines] == [entry.id, None, None]
    assert (await world.store.audits.audit()).is_clean
    [totals] = await world.engine.insights.top_users(
        TEST, "message", start=entry.occurred_at, end=world.clock(), first=5
    )
    assert totals.units == 1


async def test_of_many_who_reverse_one_does(world: World) -> None:
    """All get the same answer."""
    await furnished(world)
    entry = await record(world, 4)
    receipts = await asyncio.gather(
        *(world.usage.reverse(TEST, entry.id, reason=f"r{number}", by=TESTER, user_id="ada") for number in range(20))
    )
    assert len({receipt.entry.id for receipt in receipts}) == 1
    assert sum(not receipt.duplicate for receipt in receipts) == 1
    assert await used(world) == 0


async def test_what_was_given_back_is_not_undone_twice(world: World) -> None:
    """It is refused, and may be tried again once the units are used again."""
    await furnished(world)
    entry = await record(world, 4)
    await record(world, -3)
    refused = (await world.usage.reverse(TEST, entry.id, reason="r", by=TESTER)).entry
    assert (refused.outcome, refused.change) == (Outcome.BELOW_ZERO, 0)
    await record(world, 3)
    assert (await world.usage.reverse(TEST, entry.id, reason="r", by=TESTER)).entry.recorded
    assert (await world.store.audits.audit()).is_clean


@pytest.mark.parametrize("user_id", [None, "ada", "bob"])
async def test_entries_of_others_are_not_found(world: World, user_id: str | None) -> None:
    """Nor are those of another environment, or of another user than the one who is named."""
    await furnished(world)
    entry = await record(world, 4)
    environment, number = (TEST, entry.id) if user_id == "bob" else (TEST, entry.id + 1)
    with pytest.raises(EntryNotFound, match=f"^Entry not found: '{number}'$"):
        await world.usage.reverse(environment, number, reason="r", by=TESTER, user_id=user_id)
    with pytest.raises(EntryNotFound):
        await world.usage.reverse(LIVE, entry.id, reason="r", by=TESTER)
    assert await used(world) == 4
