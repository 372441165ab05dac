"""A job that moves many users is carried out whatever fails or ends in between, and a preview changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from kana.engine.users import bulk_changes as module
from kana.engine.users.bulk_changes import LEFT_BEHIND, PAGE, UNEXPECTED, BulkChangeEngine, parse_change_id
from kana.errors import BulkChangeNotFound, IdempotencyKeyReused, InvalidValue, PackageNotFound, Unavailable
from kana.model.bulk_change import BulkChange, BulkOutcome, BulkState, Move, moved
from kana.model.bulk_preview import PreviewTotals, Prospect
from kana.model.terms import ChangeUsage
from tests.support.world import LIVE, TEST, TESTER, World, a_package, a_usage, allows

COUNT = 2 * PAGE + 1
TO_PRO = Move(package_id="pro", from_package_id="basic")


class Failing:
    """A store whose calls fail when told so: an error for each of the first calls of a name, None for none."""

    def __init__(self, world: World, **errors: Sequence[Exception | None]) -> None:
        self._store = world.store.bulk_changes
        self._errors = {name: list(each) for name, each in errors.items()}

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        async def failing(*arguments: Any, **named: Any) -> Any:
            errors = self._errors.get(name)
            if errors and (error := errors.pop(0)) is not None:
                raise error
            return await call(*arguments, **named)

        return failing


@pytest.fixture
async def shop(world: World) -> World:
    """Users who have basic, in the order of their ids, of whom the first has used what the others have not."""
    await world.furnish(a_package("basic", allows(9)), a_package("pro", allows(3)), a_package("other", allows(1)))
    for number in range(COUNT):
        await world.subscribed_user(name(number))
    await world.usage.record(a_usage(5, user_id=name(0)))
    return world


def name(number: int) -> str:
    """The id of a user."""
    return f"u{number:04}"


def engine_over(world: World, **errors: Sequence[Exception | None]) -> BulkChangeEngine:
    """Another process on the same database, which fails when told so."""
    store = world.store
    return BulkChangeEngine(
        Failing(world, **errors), store.users, store.catalogs, store.ledger, clock=world.clock, ids=world.ids
    )


async def start(engine: BulkChangeEngine, move: Move = TO_PRO, **more: Any) -> BulkChange:
    """Begin a job."""
    return await engine.start(TEST, move, by=TESTER, **more)


async def counts(world: World, change: BulkChange) -> tuple[BulkState, list[int], list[int]]:
    """How far a job is: its state, and how many wait, are changed, refused and skipped, there and back."""
    engine = world.engine.bulk_changes
    change = await engine.change(TEST, change.id)
    progress = await engine.progress(change)
    return change.state, list(progress.there.values()), list(progress.back.values())


async def held(world: World, package_id: str) -> int:
    """How many users have a package."""
    return (await world.catalog.count_subscribers(TEST)).get(package_id, 0)


async def until_done(world: World) -> None:
    """Wait for those who work in the background."""
    async with asyncio.timeout(60):
        while await world.store.bulk_changes.open_changes():  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.001)


async def test_a_preview_tells_page_by_page_and_changes_nothing(shop: World) -> None:
    """By a package, a search or a list, whose order stays; an id that is no user's is told too."""
    engine = shop.engine.bulk_changes
    move = Move(package_id="pro", from_package_id="basic", usage=ChangeUsage.CARRY)
    page = await engine.preview(TEST, move, first=2)
    assert [(each.user_id, each.prospect) for each in page] == [
        (name(0), Prospect.WOULD_CHANGE),
        (name(1), Prospect.WOULD_CHANGE),
    ]
    assert [(each.used, each.limit) for each in page[0].over] == [(5, 3)]
    assert [each.user_id for each in await engine.preview(TEST, move, first=1, after=name(1))] == [name(2)]
    assert [each.user_id for each in await engine.preview(TEST, move, first=1, after="nobody")] == [name(0)]
    found = await engine.preview(TEST, Move(package_id="pro", search="u000"))
    assert [each.user_id for each in found] == [name(number) for number in range(10)]
    listed = Move(package_id="pro", user_ids=(name(2), "eve", name(2), name(1)))
    assert [each.prospect for each in await engine.preview(TEST, listed, first=2)] == [
        Prospect.WOULD_CHANGE,
        Prospect.WOULD_BE_REFUSED,
    ]
    assert [each.user_id for each in await engine.preview(TEST, listed, first=2, after="eve")] == [name(1)]
    assert [each.user_id for each in await engine.preview(TEST, listed, first=1, after="none")] == [name(2)]
    with pytest.raises(InvalidValue, match="first must be 1 to 100, got 101"):
        await engine.preview(TEST, move, first=101)
    assert (await held(shop, "pro"), await engine.latest(TEST)) == (0, [])


async def test_totals_look_at_all_unless_there_are_very_many(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then at the first only, which they say."""
    engine = shop.engine.bulk_changes
    move = Move(package_id="pro", from_package_id="basic", usage=ChangeUsage.CARRY)
    assert await engine.totals(TEST, move) == PreviewTotals(users=COUNT, changed=COUNT, over=1)
    monkeypatch.setattr(module, "PREVIEW_MAX", 10)
    assert await engine.totals(TEST, move) == PreviewTotals(users=COUNT, changed=COUNT, over=1)
    monkeypatch.setattr(module, "COUNTED_MAX", 20)
    assert await engine.totals(TEST, move) == PreviewTotals(users=20, changed=20, over=1, is_whole=False)


async def test_what_is_possible_for_nobody_is_no_job(shop: World) -> None:
    """It is refused by each call; nothing is begun."""
    engine = shop.engine.bulk_changes
    for move in (Move(package_id="none", search="a"), Move(package_id="pro", from_package_id="none")):
        for call in (engine.preview, engine.totals):
            with pytest.raises(PackageNotFound):
                await call(TEST, move)
        with pytest.raises(PackageNotFound):
            await start(engine, move)
    with pytest.raises(InvalidValue, match="idempotencyKey"):
        await start(engine, key="two words")
    assert await engine.latest(TEST) == []


async def test_all_users_of_a_package_are_moved(shop: World) -> None:
    """Each has a result, in the order of the list; who was there keeps what they used; others go untouched."""
    await shop.accounts.subscribe(TEST, (await shop.accounts.create_user(TEST, id="zoe")).id, ["other"])
    engine = shop.engine.bulk_changes
    change = await start(engine)
    assert change.state is BulkState.LISTING
    await engine.take_up()
    assert await counts(shop, change) == (BulkState.DONE, [0, COUNT, 0, 0], [0, 0, 0, 0])
    assert (await held(shop, "basic"), await held(shop, "pro"), await held(shop, "other")) == (0, COUNT, 1)
    results = await engine.results(change, first=3, after=1)
    assert [(each.number, each.user_id, each.outcome) for each in results] == [
        (number, name(number - 1), BulkOutcome.CHANGED) for number in (2, 3, 4)
    ]
    assert await engine.results(change, outcome=BulkOutcome.REFUSED) == []
    assert [each.id for each in await engine.latest(TEST)] == [change.id]
    assert await engine.latest(LIVE) == []
    with pytest.raises(BulkChangeNotFound):
        await engine.change(LIVE, change.id)


async def test_a_key_begins_one_job(shop: World) -> None:
    """Again it returns the first, done or not; with other content it is refused."""
    engine = shop.engine.bulk_changes
    first = await start(engine, key="k")
    assert (await start(engine, key="k")).id == first.id
    await engine.take_up()
    again = await start(engine, key="k")
    assert (again.id, again.state) == (first.id, BulkState.DONE)
    with pytest.raises(IdempotencyKeyReused, match="packageId"):
        await start(engine, Move(package_id="other", from_package_id="basic"), key="k")
    assert len(await engine.latest(TEST)) == 1


async def test_a_rule_that_fails_harms_one_user(
    shop: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is their outcome; the log says why, and the neighbours are moved."""
    real = moved

    def failing(move: Move, account: Any, *rest: Any, **more: Any) -> Any:
        if account.user.id == name(1):
            raise RuntimeError("broken")
        return real(move, account, *rest, **more)

    monkeypatch.setattr(module, "moved", failing)
    change = await start(shop.engine.bulk_changes)
    await shop.engine.bulk_changes.take_up()
    assert await counts(shop, change) == (BulkState.DONE, [0, COUNT - 1, 1, 0], [0, 0, 0, 0])
    [result] = await shop.engine.bulk_changes.results(change, outcome=BulkOutcome.REFUSED)
    assert (result.user_id, result.reason) == (name(1), UNEXPECTED)
    assert "broken" in caplog.text


async def test_the_way_back(shop: World) -> None:
    """All who were moved have what they had; who was changed since then is left alone, and told."""
    engine = shop.engine.bulk_changes
    change = await start(engine)
    await engine.take_up()
    shop.clock.advance(hours=1)
    await shop.accounts.change_subscription(TEST, name(0), "other")
    assert (await engine.take_back(TEST, change.id, by=TESTER)).state is BulkState.TAKING_BACK
    await engine.take_up()
    assert await counts(shop, change) == (BulkState.TAKEN_BACK, [0, COUNT, 0, 0], [0, COUNT - 1, 0, 1])
    assert (await held(shop, "basic"), await held(shop, "pro"), await held(shop, "other")) == (COUNT - 1, 0, 1)
    assert (await engine.take_back(TEST, change.id, by=TESTER)).state is BulkState.TAKEN_BACK
    with pytest.raises(BulkChangeNotFound):
        await engine.take_back(LIVE, change.id, by=TESTER)


async def test_a_job_that_goes_wrong_is_stopped(shop: World) -> None:
    """Taken back in the middle, who was moved goes back, and who was not will not be."""
    broken = engine_over(shop, move_page=[None, Unavailable("away")])
    change = await start(broken)
    with pytest.raises(Unavailable):
        await broken.take_up()
    assert await counts(shop, change) == (BulkState.RUNNING, [COUNT - PAGE, PAGE, 0, 0], [0, 0, 0, 0])
    await broken.take_back(TEST, change.id, by=TESTER)
    await broken.take_up()
    assert await counts(shop, change) == (BulkState.TAKEN_BACK, [0, PAGE, 0, COUNT - PAGE], [0, PAGE, 0, 0])
    assert await held(shop, "pro") == 0


async def test_what_was_begun_goes_on_after_a_crash(shop: World) -> None:
    """At the first look of whoever starts next; later looks leave a moving one alone until it stands still."""
    change = await start(engine_over(shop))
    await engine_over(shop).take_up()
    assert (await counts(shop, change))[0] is BulkState.DONE

    change = await start(engine_over(shop), Move(package_id="other", from_package_id="pro"))
    other = engine_over(shop)
    other._is_first_look = False
    await other.take_up()
    assert (await counts(shop, change))[0] is BulkState.LISTING
    shop.clock.advance(seconds=LEFT_BEHIND.total_seconds())
    await other.take_up()
    assert await counts(shop, change) == (BulkState.DONE, [0, COUNT, 0, 0], [0, 0, 0, 0])


async def test_a_list_that_was_interrupted_is_finished(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is on it twice, and nobody is left out."""
    monkeypatch.setattr(module, "LISTED", 10)
    broken = engine_over(shop, list_page=[None, None, Unavailable("away")])
    change = await start(broken)
    with pytest.raises(Unavailable):
        await broken.take_up()
    assert (await counts(shop, change))[:2] == (BulkState.LISTING, [20, 0, 0, 0])
    await broken.take_up()
    assert await counts(shop, change) == (BulkState.DONE, [0, COUNT, 0, 0], [0, 0, 0, 0])
    results = await shop.engine.bulk_changes.results(change, first=COUNT + 1)
    assert [each.user_id for each in results] == [name(number) for number in range(COUNT)]


async def test_a_job_that_is_taken_back_is_not_listed_any_more(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever still lists its users sees it and stops."""
    monkeypatch.setattr(module, "LISTED", 10)
    engine = engine_over(shop)
    change = await start(engine)
    await engine.take_back(TEST, change.id, by=TESTER)
    await engine._list(change)
    await engine.take_up()
    assert await counts(shop, change) == (BulkState.TAKEN_BACK, [0, 0, 0, 0], [0, 0, 0, 0])


async def test_a_server_that_stops_goes_on_when_it_starts_again(shop: World) -> None:
    """It ends between two pages; what is left is done by the next one, and a job begins at once."""
    engine = engine_over(shop)
    change = await start(engine)
    engine._rounds.is_ending = True
    await engine.take_up()
    assert (await counts(shop, change))[0] is BulkState.LISTING
    await engine._list(change)
    assert (await counts(shop, change))[1] == [0, 0, 0, 0]
    async with engine.running():
        await until_done(shop)
    after = engine_over(shop)
    async with after.running():
        second = await start(after, Move(package_id="other", from_package_id="pro"))
        await until_done(shop)
    assert (await counts(shop, change))[1:] == ([0, COUNT, 0, 0], [0, 0, 0, 0])
    assert (await counts(shop, second))[1:] == ([0, COUNT, 0, 0], [0, 0, 0, 0])


async def test_looks_go_on_after_one_that_failed(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it failed with."""
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    engine = engine_over(shop, open_changes=[Unavailable("away"), RuntimeError("broken")])
    change = await start(engine)
    async with engine.running():
        await until_done(shop)
    assert (await counts(shop, change))[0] is BulkState.DONE


def test_ids_of_jobs_are_digits() -> None:
    """Anything else is the id of none."""
    assert parse_change_id("12") == 12
    with pytest.raises(BulkChangeNotFound, match="'x'"):
        parse_change_id("x")
