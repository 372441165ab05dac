"""Everything that is kept of one user is exported, page by page, and nothing of anybody else."""

from __future__ import annotations

from typing import Any

import pytest

from kana.engine.ports.exports import Bookmark
from kana.engine.ports.store import Store
from kana.errors import UserNotFound
from kana.model.text import NUMBER_MAX
from tests.contract.test_deletions import FIRST, ID, PERSON, delete, live
from tests.support.world import LIVE, TEST, World, a_usage

KINDS = ["user", "id", "id", "subscription", "topUp", "override", "counter", "entry", "entry", "entry",
         "segmentEvent", "segmentEvent", "segmentEvent", "segmentEvent"]  # fmt: skip
LINES = [("user", "created"), ("subscription", "created"), ("user", "updated"), ("user tokens", "revoked"),
         ("top-up", "created"), ("override", "created")]  # fmt: skip


async def exported(world: World, user_id: str = ID, *, first: int = 200) -> list[dict[str, Any]]:
    """All records, in pages that are full but the last one."""
    records: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = await world.engine.exports.page(TEST, user_id, first=first, after=after)
        records += page.records
        if page.end_cursor is None:
            return records
        assert len(page.records) == first
        after = page.end_cursor


async def test_all_that_is_kept_is_exported(world: World) -> None:
    """Who they are, their ids, what they have and used, what was sent and what was done; in the order of each."""
    await live(world)
    records = await exported(world)
    assert sorted(record["kind"] for record in records if record["kind"] != "logLine") == sorted(KINDS)
    assert [(each["subjectKind"], each["action"]) for each in records if each["kind"] == "logLine"] == LINES
    [user] = [record for record in records if record["kind"] == "user"]
    assert (user["id"], user["name"], user["email"], user["billingId"], user["metadata"]) == (
        ID, "Ada Lovelace", "ada@example.com", "cus_ada", {"is": ["countess"]}
    )  # fmt: skip
    ids = [(record["id"], record["since"], record["until"]) for record in records if record["kind"] == "id"]
    assert ids == [(FIRST, None, None), (ID, None, None)]
    entries = [record for record in records if record["kind"] == "entry"]
    assert [entry["change"] for entry in entries] == [1, 3, 0]
    assert entries[1]["metadata"] == {"of": "countess"}
    counted = sum(record["used"] for record in records if record["kind"] == "counter")
    assert counted == sum(posting["change"] for entry in entries for posting in entry["postings"]) == 4


@pytest.mark.parametrize("first", [1, 3])
async def test_pages_of_any_size_hold_the_same(world: World, first: int) -> None:
    """Each record stands in exactly one of them."""
    await live(world)
    assert await exported(world, first=first) == await exported(world)


async def test_nothing_of_anybody_else_is_in_it(world: World) -> None:
    """Not of a user who has an earlier id of theirs now, nor of the same id in the other environment."""
    await live(world)
    before = await exported(world)
    await world.accounts.create_user(TEST, id=FIRST, by=PERSON)
    await world.accounts.create_user(LIVE, id=ID, by=PERSON)
    after = await exported(world)
    assert after[1] == before[1] | {"until": "2026-03-10T12:01:00.000Z"}
    assert [*after[:1], *after[2:]] == [*before[:1], *before[2:]]
    other = await exported(world, FIRST)
    assert [record["kind"] for record in other] == ["user", "id", "logLine"]
    assert other[1]["since"] == "2026-03-10T12:01:00.000Z"


async def test_an_export_never_goes_on_with_somebody_else(world: World) -> None:
    """If the user is deleted between two pages, and the id is another's, the next page is an error."""
    await live(world)
    page = await world.engine.exports.page(TEST, ID, first=3)
    await delete(world)
    for _ in range(2):
        with pytest.raises(UserNotFound):
            await world.engine.exports.page(TEST, ID, first=3, after=page.end_cursor)
        await world.accounts.create_user(TEST, id=ID) if _ == 0 else None
    with pytest.raises(UserNotFound):
        await world.engine.exports.page(TEST, "nobody")


@pytest.mark.parametrize("stage", range(10))
@pytest.mark.parametrize("after", [(), (-1,), (NUMBER_MAX, "x"), ("x",), ("x", 1, 2, 3), (1, "a", "b", -NUMBER_MAX)])
async def test_a_bookmark_that_was_made_up_leads_to_nothing_else(
    store: Store, world: World, stage: int, after: tuple[int | str, ...]
) -> None:
    """It reads somewhere in what is kept of the user, or nothing, and is never an error of the database."""
    user = await world.accounts.create_user(TEST, id="ada")
    await world.accounts.create_user(TEST, id="bob")
    await world.furnish()
    await world.usage.record(a_usage(user_id="bob"))
    kept, bookmark = await store.exports.export_page(TEST, "ada", Bookmark(user.key, stage, after), limit=5)
    assert len(kept) <= 2
    assert bookmark is None or bookmark.user_key == user.key
