"""A user's ledger is searched by feature, time and outcome, page by page, on every store."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

import kana.store.entries
from kana.errors import EntryNotFound, InvalidValue, UserNotFound
from kana.model.entitlement import Outcome
from kana.model.ledger import LedgerPage, LedgerSearch
from kana.model.usage import Entry
from tests.support.world import LIVE, NOON, ONE_DAY, TEST, World, a_feature, a_package, a_usage, allows, holds

HOUR = timedelta(hours=1)
REFUSED = (Outcome.LIMIT_EXCEEDED,)


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada and bob may use ten messages a month and chat; live has another ada."""
    for environment in (TEST, LIVE):
        await world.furnish(
            a_package("basic", allows(10), holds("chat")),
            features=(a_feature(), a_feature("chat", binary=True)),
            environment=environment,
        )
    for user_id in ("ada", "bob"):
        await world.subscribed_user(user_id)
    await world.accounts.create_user(LIVE, id="ada")


async def record(world: World, delta: int = 1, **changes: Any) -> Entry:
    """Record usage a second later than the last one."""
    world.clock.advance(seconds=1)
    return (await world.usage.record(a_usage(delta, **changes))).entry


async def found(world: World, **wanted: Any) -> LedgerPage:
    """What a search of ada's ledger finds."""
    return await world.store.ledger.search(LedgerSearch(**{"environment": TEST, "user_id": "ada", **wanted}))


def ids(entries: Iterable[Entry]) -> list[int]:
    return [entry.id for entry in entries]


async def test_pages_follow_each_other_newest_first(world: World) -> None:
    """A page at a time, one user's alone, to the end: the page that is full says where to go on, the last one not."""
    entries = [await record(world, metadata=number) for number in range(5)]
    await record(world, user_id="bob")
    first = await found(world, limit=2)
    assert first == LedgerPage(entries[4:2:-1], entries[3].id)
    second = await found(world, limit=2, after=first.next)
    assert second == LedgerPage(entries[2:0:-1], entries[1].id)
    assert await found(world, limit=2, after=second.next) == LedgerPage(entries[:1], None)
    assert await found(world, limit=5) == LedgerPage(entries[::-1], None)
    assert await found(world, after=entries[0].id) == LedgerPage([], None)


async def test_feature_and_outcome_narrow_it(world: World) -> None:
    """Each by itself and both together; with no outcome nothing is wanted."""
    used, chat, refused = await record(world, 9), await record(world, feature_id="chat"), await record(world, 9)
    below = await record(world, -99, feature_id="chat")
    assert ids((await found(world, feature_id="message")).entries) == [refused.id, used.id]
    assert ids((await found(world, outcomes=(Outcome.RECORDED,))).entries) == [chat.id, used.id]
    assert ids((await found(world, outcomes=(*REFUSED, Outcome.BELOW_ZERO))).entries) == [below.id, refused.id]
    assert ids((await found(world, outcomes=REFUSED, feature_id="message")).entries) == [refused.id]
    assert (await found(world, outcomes=REFUSED, feature_id="chat")).entries == []
    assert (await found(world, outcomes=())).entries == []


async def test_time_is_when_it_happened(world: World) -> None:
    """From includes its moment and to does not; what was sent late or early counts by its timestamp."""
    world.clock.now = NOON + ONE_DAY
    early = await record(world, timestamp=world.clock.now + timedelta(minutes=5))
    plain = await record(world)
    world.clock.now = NOON + 3 * ONE_DAY
    late = await record(world, timestamp=NOON + HOUR)
    now = await record(world)
    for start, end, expected in (
        (None, None, [now, late, plain, early]),
        (NOON, NOON + ONE_DAY, [late]),
        (NOON + HOUR, None, [now, late, plain, early]),
        (NOON + HOUR + timedelta(milliseconds=1), None, [now, plain, early]),
        (None, NOON + HOUR, []),
        (plain.occurred_at, early.occurred_at, [plain]),
        (early.occurred_at, NOON + 2 * ONE_DAY, [early]),
        (now.occurred_at, None, [now]),
        (now.occurred_at + timedelta(days=365 * 100), None, []),
    ):
        assert ids((await found(world, start=start, end=end)).entries) == ids(expected), (start, end)


async def test_a_page_looks_at_so_many_and_says_where_it_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that do not match count too: pages may be short or empty, and together they have all that match."""
    monkeypatch.setattr(kana.store.entries, "LOOKED_AT_MAX", 3)
    entries = [await record(world, feature_id="chat" if number in (0, 6) else "message") for number in range(8)]
    pages: list[LedgerPage] = []
    after = None
    while not pages or after:
        page = await found(world, feature_id="chat", after=after)
        pages.append(page)
        after = page.next
    assert pages == [
        LedgerPage([entries[6]], entries[5].id),
        LedgerPage([], entries[2].id),
        LedgerPage([entries[0]], None),
    ]
    assert await found(world, limit=3) == LedgerPage(entries[:4:-1], entries[5].id)
    assert await found(world, feature_id="chat", after=entries[3].id) == LedgerPage([entries[0]], None)


async def test_who_is_searched_and_where_it_goes_on_must_be_there(world: World) -> None:
    """No such user, or not here; and only an entry of the user's own is a place to go on after."""
    mine, theirs = await record(world), await record(world, user_id="bob")
    with pytest.raises(UserNotFound, match="User not found: 'nobody'"):
        await found(world, user_id="nobody")
    for after in (theirs.id, mine.id + 1, 0):
        with pytest.raises(
            InvalidValue, match=f"^after must be the id of an entry of the user, got {after}$"
        ) as caught:
            await found(world, after=after)
        assert caught.value.field == "after"
    with pytest.raises(InvalidValue, match="after must be"):
        await found(world, environment=LIVE, after=mine.id)


async def test_one_entry_is_read_by_its_id(world: World) -> None:
    """As it was answered; another user's, and the same id in another environment, are not there."""
    mine, theirs = await record(world, key="k", metadata={"a": [1]}), await record(world, user_id="bob")
    ledger = world.store.ledger
    assert await ledger.entry(TEST, "ada", mine.id) == mine
    for environment, user_id, entry_id in ((TEST, "ada", theirs.id), (LIVE, "ada", mine.id), (TEST, "bob", mine.id)):
        with pytest.raises(EntryNotFound, match=f"^Entry not found: '{entry_id}'$"):
            await ledger.entry(environment, user_id, entry_id)
    with pytest.raises(UserNotFound):
        await ledger.entry(LIVE, "bob", theirs.id)
