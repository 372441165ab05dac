"""Jobs that move many users: each user once, whoever works on it and whenever it ends, on each kind of database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kana.engine.ports.store import Store
from kana.engine.users.bulk_changes import PAGE
from kana.errors import BulkChangeNotFound
from kana.model.bulk_change import GONE, NOT_FOUND, BulkChange, BulkOutcome, BulkState, Move
from kana.model.deletion import FORGOTTEN
from kana.model.environment import Actor
from kana.model.terms import ChangeTime, ChangeUsage
from tests.support.stores import Place
from tests.support.traces import places_of
from tests.support.world import LIVE, TEST, TESTER, World, a_package, a_usage, allows

PERSON = Actor(kind="person", name="colleague@example.com")
COUNT = PAGE + 5
TO_PRO = Move(package_id="pro", from_package_id="basic")


async def furnish(world: World, *ids: str) -> None:
    """Put three packages and users of the first into a world."""
    addon = a_package("extra", is_addon=True, base_package_ids=("basic",))
    await world.furnish(a_package("basic", allows(9)), a_package("pro", allows(3)), addon)
    for user_id in ids or [f"u{number:03}" for number in range(COUNT)]:
        await world.subscribed_user(user_id)


async def done(world: World, move: Move = TO_PRO, **more: Any) -> BulkChange:
    """Carry out a job."""
    change = await world.engine.bulk_changes.start(TEST, move, **{"by": PERSON, **more})
    await world.engine.bulk_changes.take_up()
    return await world.engine.bulk_changes.change(TEST, change.id)


async def outcomes(world: World, change: BulkChange) -> list[tuple[str, BulkOutcome, str | None]]:
    """What became of each user."""
    return [(each.user_id, each.outcome, each.reason) for each in await world.engine.bulk_changes.results(change)]


async def test_each_user_has_a_result_and_their_lines_in_the_log(world: World) -> None:
    """One who is refused and ids that are nobody's harm no neighbour; who began the job signs what it changed."""
    await furnish(world, "ada", "bob", "eve")
    await world.accounts.subscribe(TEST, "bob", ["extra"])
    world.clock.advance(hours=1)
    listed = ("eve", "nobody", "bob", "ada", "nobody", "eve", "nothing")
    change = await done(world, Move(package_id="pro", user_ids=listed))
    refusal = "Add-on 'extra' of user 'bob' does not go with 'pro'; cancel it first"
    assert (change.state, change.by) == (BulkState.DONE, PERSON)
    assert await outcomes(world, change) == [
        ("eve", BulkOutcome.CHANGED, None),
        ("nobody", BulkOutcome.REFUSED, NOT_FOUND),
        ("bob", BulkOutcome.REFUSED, refusal),
        ("ada", BulkOutcome.CHANGED, None),
        ("nothing", BulkOutcome.REFUSED, NOT_FOUND),
    ]
    refused = await world.engine.bulk_changes.results(change, outcome=BulkOutcome.REFUSED, first=1, after=2)
    assert [each.user_id for each in refused] == ["bob"]
    lines = [line for line in await world.engine.insights.log(TEST) if line.actor == PERSON]
    assert sorted((line.subject_id, line.action) for line in lines) == [
        (user_id, action) for user_id in ("ada", "eve") for action in ("created", "updated")
    ]


async def test_two_runners_at_once_move_each_user_once(world: World, place: Place) -> None:
    """Whichever of them a page is moved by: everybody is changed, none is met a second time."""
    await furnish(world)
    others = [await place.open() for _ in range(2)]
    worlds = [world, *(World(each, clock=world.clock) for each in others)]
    change = await world.engine.bulk_changes.start(TEST, TO_PRO, by=TESTER)
    await asyncio.gather(*(each.engine.bulk_changes.take_up() for each in worlds))
    assert {each.outcome for each in await world.engine.bulk_changes.results(change)} == {BulkOutcome.CHANGED}
    assert len(await world.accounts.subscriptions(TEST)) == 2 * COUNT
    for other in others:
        await other.close()


async def test_a_restart_goes_on_where_it_was(world: World, place: Place, store: Store) -> None:
    """A new process finds the job with its list and its results, and does the rest."""
    await furnish(world)
    engine = world.engine.bulk_changes
    change = await engine.start(TEST, TO_PRO, by=PERSON)
    await engine._list(change)
    assert await store.bulk_changes.move_page(change.id, engine._move, limit=PAGE, clock=world.clock) == PAGE
    await world.subscribed_user("late")
    other = await place.open()
    again = World(other, clock=world.clock)
    assert [each.state for each in await other.bulk_changes.open_changes()] == [BulkState.RUNNING]
    await again.engine.bulk_changes.take_up()
    assert {each[1] for each in await outcomes(again, change)} == {BulkOutcome.CHANGED}
    assert await world.catalog.count_subscribers(TEST) == {"pro": COUNT, "basic": 1}
    assert await store.bulk_changes.move_page(change.id, engine._move, limit=PAGE, clock=world.clock) == 0
    await store.bulk_changes.end_list(change.id, clock=world.clock)
    assert (await engine.change(TEST, change.id)).state is BulkState.DONE
    await other.close()


async def test_a_key_that_is_sent_twice_at_once_begins_one_job(world: World, place: Place) -> None:
    """In two processes, with a list or without."""
    await furnish(world)
    other = await place.open()
    engines = [world.engine.bulk_changes, World(other, clock=world.clock).engine.bulk_changes]
    for key, move in (("a", TO_PRO), ("b", Move(package_id="pro", user_ids=("u001", "u002")))):
        begun = await asyncio.gather(*(each.start(TEST, move, by=TESTER, key=key) for each in engines * 3))
        assert len({each.id for each in begun}) == 1
    assert len(await world.engine.bulk_changes.latest(TEST)) == 2
    await other.close()


@pytest.mark.parametrize("when", ChangeTime)
async def test_the_way_back_leads_to_what_was(world: World, when: ChangeTime) -> None:
    """Whether the change has come or is scheduled; what was used counts on, and who takes it back signs it."""
    await furnish(world)
    await world.usage.record(a_usage(2, user_id="u000"))
    change = await done(world, Move(package_id="pro", from_package_id="basic", when=when, usage=ChangeUsage.CARRY))
    world.clock.advance(hours=1)
    [*_, (_, made)] = await world.accounts.subscriptions(TEST, user_id="u001")
    await world.accounts.cancel_subscription(TEST, made.id)
    engine = world.engine.bulk_changes
    await engine.take_back(TEST, change.id, by=TESTER)
    await engine.take_up()
    change = await engine.change(TEST, change.id)
    assert (change.state, change.taken_back_by) == (BulkState.TAKEN_BACK, TESTER)
    progress = await engine.progress(change)
    assert list(progress.back.values()) == [0, COUNT - 1, 0, 1]
    [skipped] = [each for each in await engine.results(change) if each.back is BulkOutcome.SKIPPED]
    assert (skipped.user_id, skipped.back_reason) == (
        "u001", "The subscription that the user was moved to has ended since."
    )  # fmt: skip
    consumption = (await world.usage.check(TEST, "u000", "message")).consumption
    assert consumption is not None
    assert (consumption.used, consumption.budget) == (2, 9)
    assert any(line.actor == TESTER and line.subject_id == "u000" for line in await world.engine.insights.log(TEST))


async def test_whoever_they_are_when_it_is_their_turn(world: World) -> None:
    """A renamed user is moved under the new id; one who was deleted or merged since the start is skipped."""
    await furnish(world, "ada", "bob", "eve", "joe")
    engine = world.engine.bulk_changes
    change = await engine.start(TEST, TO_PRO, by=TESTER)
    await engine._list(change)
    await world.accounts.update_user(TEST, "ada", {"id": "ada-2"})
    await world.accounts.create_user(TEST, id="ada")
    await world.engine.deletions.delete(TEST, "bob", by=TESTER, wait_s=None)
    await world.engine.merges.merge(TEST, "eve", "joe", by=TESTER)
    await engine.take_up()
    first, second, *rest = await outcomes(world, change)
    assert first == ("ada-2", BulkOutcome.CHANGED, None)
    assert (second[0][:13], *second[1:]) == ("deleted-user:", BulkOutcome.SKIPPED, GONE)
    assert rest == [("eve", BulkOutcome.SKIPPED, GONE), ("joe", BulkOutcome.CHANGED, None)]


async def test_a_deleted_user_leaves_no_trace_in_jobs(world: World, place: Place) -> None:
    """Neither where they were found, nor where their id was nobody's, nor where they were looked for."""
    await furnish(world, "lovelace-1", "bob")
    await world.accounts.subscribe(TEST, "lovelace-1", ["extra"])
    ids = ("lovelace-2", "lovelace-1", "bob")
    first = await done(world, Move(package_id="pro", user_ids=ids))
    await done(world, Move(package_id="pro", search="lovelace"))
    await world.accounts.update_user(TEST, "lovelace-1", {"id": "lovelace-2"})
    assert await places_of(place, ["lovelace"]) != []
    surrogate = (await world.engine.deletions.delete(TEST, "lovelace-2", by=TESTER, wait_s=None)).id
    assert await places_of(place, ["lovelace"]) == []
    assert await outcomes(world, first) == [
        (surrogate, BulkOutcome.REFUSED, NOT_FOUND),
        (surrogate, BulkOutcome.REFUSED, FORGOTTEN),
        ("bob", BulkOutcome.CHANGED, None),
    ]


async def test_what_jobs_did_with_a_user_is_exported(world: World) -> None:
    """With the outcome and its reason, there and back."""
    await furnish(world, "ada")
    change = await done(world)
    await world.engine.bulk_changes.take_back(TEST, change.id, by=TESTER)
    await world.engine.bulk_changes.take_up()
    page = await world.engine.exports.page(TEST, "ada")
    [record] = [each for each in page.records if each["kind"] == "subscriptionChange"]
    assert record == {
        "kind": "subscriptionChange",
        "changesId": str(change.id),
        "outcome": "CHANGED",
        "reason": None,
        "backOutcome": "CHANGED",
        "backReason": None,
    }


async def test_jobs_of_another_environment_are_not_found(world: World) -> None:
    """Neither read nor taken back."""
    await furnish(world, "ada")
    change = await done(world)
    for call in (
        world.store.bulk_changes.bulk_change(LIVE, change.id),
        world.store.bulk_changes.take_back(LIVE, change.id, by=TESTER, clock=world.clock),
    ):
        with pytest.raises(BulkChangeNotFound, match=str(change.id)):
            await call
