"""Searching a user's ledger: bounds, names that must exist, and ids as callers write them."""

from __future__ import annotations

from typing import Any

import pytest

from kana.errors import EntryNotFound, FeatureNotFound, InvalidValue, KanaError, UserNotFound
from kana.model.entitlement import Outcome
from tests.support.world import NOON, ONE_DAY, TEST, World, a_package, a_usage, allows


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada may use ten messages a month, and has used twelve one by one."""
    await world.furnish(a_package("basic", allows(10)))
    await world.subscribed_user("ada")
    for _ in range(12):
        world.clock.advance(seconds=1)
        await world.usage.record(a_usage())


async def test_entries_are_paged_with_refusals(world: World) -> None:
    """The newest first, and on from after an entry."""
    ledger = world.engine.ledger
    first = await ledger.search(TEST, "ada", first=5)
    assert [entry.recorded for entry in first.entries] == [False, False, True, True, True]
    rest = await ledger.search(TEST, "ada", after=str(first.next), feature_id="message", start=NOON, end=NOON + ONE_DAY)
    assert [entry.consumption.used for entry in rest.entries if entry.consumption] == [7, 6, 5, 4, 3, 2, 1]
    refused = await ledger.search(TEST, "ada", outcomes=[Outcome.LIMIT_EXCEEDED])
    assert refused.entries == first.entries[:2]


async def test_one_entry_is_found_by_its_published_id(world: World) -> None:
    """What is no number is no entry's id."""
    ledger = world.engine.ledger
    newest = (await ledger.search(TEST, "ada", first=1)).entries[0]
    assert await ledger.entry(TEST, "ada", str(newest.id)) == newest
    for entry_id in ("x", "", "-1", "9" * 30):
        with pytest.raises(EntryNotFound, match=f"^Entry not found: '{entry_id}'$"):
            await ledger.entry(TEST, "ada", entry_id)
    assert list(await ledger.decision(newest)) == [newest]


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ({"user_id": "nobody"}, UserNotFound, "User not found: 'nobody'"),
        ({"feature_id": "none"}, FeatureNotFound, "Feature not found: 'none'"),
        ({"first": 0}, InvalidValue, "first must be 1 to 1000, got 0"),
        ({"first": 1001}, InvalidValue, "first must be 1 to 1000, got 1001"),
        ({"start": NOON, "end": NOON}, InvalidValue, "to must be after from"),
        ({"after": "x"}, InvalidValue, "after must be the id of an entry of the user, got 'x'"),
        ({"after": "5"}, InvalidValue, "after must be the id of an entry of the user, got 5"),
    ],
)
async def test_what_cannot_be_searched_says_why(
    world: World, given: dict[str, Any], kind: type[KanaError], says: str
) -> None:
    """The field, its value and what is allowed."""
    with pytest.raises(kind, match=f"^{says}"):
        await world.engine.ledger.search(TEST, **{"user_id": "ada", **given})
