"""Two users become one: old ids lead to the other, usage moves once, and no sum changes, on each kind of database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from kana.engine.ports.store import Store
from kana.engine.ports.users import Gift
from kana.errors import Conflict, IdempotencyKeyReused, UserNotFound
from kana.model.consuming import Consume
from kana.model.entitlement import Outcome
from kana.model.given import OverrideTerms, TopUp
from kana.model.insights import Step
from kana.model.line import Line
from kana.model.segment import MessageType
from kana.model.user import User
from tests.contract.test_deletions import PERSON, a_message
from tests.contract.test_exports import exported
from tests.contract.test_user_imports import a_row, keep, merge
from tests.support.ledger import entries_of
from tests.support.stores import Place
from tests.support.traces import places_of
from tests.support.world import (
    LIVE,
    MONTH,
    NOON,
    TEST,
    TESTER,
    World,
    a_feature,
    a_package,
    a_usage,
    adds,
    allows,
    holds,
)

FEATURES = [a_feature(), a_feature("image"), a_feature("support", binary=True)]


async def furnish(world: World) -> None:
    """Bob on a plan of 100 messages, Ada on one of 10 messages and images; both used some."""
    await world.furnish(
        a_package("basic", allows(10), allows(5, feature="image"), holds("support")),
        a_package("big", allows(100), holds("support")),
        a_package("more", adds(20, MONTH), is_addon=True),
        features=FEATURES,
    )
    await world.subscribed_user("ada", "basic")
    await world.subscribed_user("bob", "big")
    await world.usage.record(a_usage(7, user_id="ada", key="k"))
    await world.usage.record(a_usage(2, user_id="ada", feature_id="image"))
    await world.usage.record(a_usage(30, user_id="bob"))


async def merged(world: World, source: str = "ada", target: str = "bob") -> User:
    """Merge one user into another."""
    return await world.engine.merges.merge(TEST, source, target, by=PERSON)


async def give(world: World) -> Gift[TopUp]:
    """Give Ada three messages more, with a key."""
    return await world.engine.giving.create_top_up(TEST, "ada", "message", 3, reason="sold", by=TESTER, key="order")


async def used(world: World, user_id: str = "bob", feature_id: str = "message") -> int:
    """How much of a feature a user has used in the current period."""
    decision = await world.usage.check(TEST, user_id, feature_id)
    assert decision.consumption is not None
    return decision.consumption.used


async def units(world: World) -> int:
    """The units of all usage of the day."""
    range_: dict[str, Any] = {"start": NOON.replace(hour=0), "end": NOON.replace(hour=23), "step": Step.DAY}
    return sum(row.units for row in await world.engine.insights.usage(TEST, **range_))


async def test_usage_of_shared_features_moves_once(world: World, store: Store) -> None:
    """What was used in the current period counts for the other; the sum over all users stays, and all agrees."""
    await furnish(world)
    before = await units(world)
    target = await merged(world)
    assert (target.id, await used(world)) == ("bob", 37)
    assert await units(world) == before == 39
    assert (await store.audits.audit()).is_clean
    [moved, *_] = await entries_of(store, "bob")
    assert (moved.delta, moved.outcome, moved.metadata) == (7, Outcome.RECORDED, {"mergedFrom": "ada"})
    assert await world.catalog.count_subscribers(TEST) == {"big": 1}


async def test_the_old_id_leads_to_the_other(world: World, store: Store) -> None:
    """For usage, checks, subscriptions and tokens; the user themselves is in no list, and the id is taken."""
    await furnish(world)
    old = await store.users.user(TEST, "ada")
    target = await merged(world)
    assert await store.users.user(TEST, "ada") == target
    await world.usage.record(a_usage(3, user_id="ada"))
    assert await used(world) == await used(world, "ada") == 40
    assert [user.id for user in await world.accounts.users(TEST)] == ["bob"]
    assert await store.users.user_by_key(TEST, old.bucket, old.key) is None
    with pytest.raises(Conflict, match="already exists"):
        await world.accounts.create_user(TEST, id="ada")
    renamed = await world.accounts.update_user(TEST, "ada", {"id": "eve"})
    assert (renamed.id, renamed.key) == ("eve", target.key)
    assert await used(world, "ada") == await used(world, "eve") == 40
    assert [line.action for line in await world.engine.insights.log(TEST, subject_id="bob")] == ["merged"]


async def test_what_is_moved_may_pass_the_limit(world: World, store: Store) -> None:
    """Merging gives nothing away: what both used together counts, and the next usage is refused."""
    await furnish(world)
    await merged(world, "bob", "ada")
    decision = await world.usage.check(TEST, "bob", "message")
    assert (decision.outcome, decision.consumption and decision.consumption.used) == (Outcome.LIMIT_EXCEEDED, 37)
    assert (await store.audits.audit()).is_clean


async def test_usage_is_moved_into_the_grants_that_are_used_up_first(world: World, store: Store) -> None:
    """As any usage would be, and what is beyond all of them goes to the one that answers."""
    await furnish(world)
    await world.accounts.subscribe(TEST, "ada", ["more"])
    await world.engine.giving.create_top_up(TEST, "ada", "message", 5, reason="sold", by=TESTER)
    await merged(world, "bob", "ada")
    assert await used(world, "ada") == 37
    decision = await world.usage.check(TEST, "ada", "message", delta=1)
    assert decision.outcome is Outcome.LIMIT_EXCEEDED
    assert (await store.audits.audit()).is_clean


@pytest.mark.parametrize("denied", [False, True])
async def test_features_that_the_other_may_not_use_move_nothing(world: World, store: Store, *, denied: bool) -> None:
    """They have none of it, or it is denied to them; the entries stay with what they counted."""
    await furnish(world)
    if denied:
        terms = OverrideTerms(denied=True)
        await world.engine.giving.set_override(TEST, "bob", "message", terms, reason="abuse", by=TESTER)
    await merged(world)
    entries = await entries_of(store, "bob")
    assert [entry.feature_id for entry in entries] == (["message"] if denied else ["message", "message"])
    assert (await store.audits.audit()).is_clean


async def test_merging_again_leads_to_the_last(world: World, store: Store) -> None:
    """All ids lead to the one who is left; an id that was merged is no user to merge."""
    await furnish(world)
    await world.subscribed_user("eve", "big")
    await merged(world)
    with pytest.raises(Conflict, match="'ada' was merged into 'bob' before; merge that user instead"):
        await merged(world, "ada", "eve")
    with pytest.raises(Conflict, match="'bob' cannot be merged into the same user"):
        await merged(world, "bob", "ada")
    await merged(world, "bob", "eve")
    for user_id in ("ada", "bob", "eve"):
        assert (await store.users.user(TEST, user_id)).id == "eve"
        assert await used(world, user_id) == 37
    assert (await store.audits.audit()).is_clean
    with pytest.raises(Conflict, match="'eve' cannot be merged into the same user"):
        await merged(world, "eve", "eve")


async def test_a_key_from_before_counts_once(world: World, store: Store) -> None:
    """Usage, a decision, a settlement and a top-up get their first answers again, by the id that they were made with.

    To the other id the same key is new, as it always was.
    """
    await furnish(world)
    lines, reserving = [Line("message", 1), Line("image", 1)], world.engine.reserving
    used_both = Consume(environment=TEST, user_id="ada", lines=lines, key="both")
    both = await reserving.consume(used_both)
    aside = Consume(environment=TEST, user_id="ada", lines=lines, key="aside", ttl=timedelta(minutes=5))
    held = await reserving.consume(aside)
    assert held.reservation is not None
    settled = (await reserving.settle(TEST, held.reservation.id, lines[:1], key="settled")).answer
    given = await give(world)
    [*_, first] = [each for each in await entries_of(store, "ada") if each.delta == 7]
    await merged(world)
    count, total = (await store.audits.audit()).entries, await used(world)

    again = await world.usage.record(a_usage(7, user_id="ada", key="k"))
    assert (again.entry, again.duplicate) == (first, True)
    with pytest.raises(IdempotencyKeyReused, match="delta differ"):
        await world.usage.record(a_usage(8, user_id="ada", key="k"))
    for request, answer in ((used_both, both), (aside, held)):
        repeated = await reserving.consume(request)
        assert (repeated.duplicate, repeated.lines, repeated.decision_id) == (True, answer.lines, answer.decision_id)
    repeated = (await reserving.settle(TEST, held.reservation.id, lines[:1], key="settled")).answer
    assert (repeated.duplicate, repeated.decision_id) == (True, settled.decision_id)
    given_again = await give(world)
    assert (given_again.duplicate, given_again.given.id) == (True, given.given.id)
    assert ((await store.audits.audit()).entries, await used(world)) == (count, total)

    new = await world.usage.record(a_usage(7, user_id="bob", key="k"))
    assert (new.duplicate, await used(world)) == (False, total + 7)
    later = await world.usage.record(a_usage(1, user_id="ada", key="later"))
    assert (await world.usage.record(a_usage(1, user_id="ada", key="later"))).entry == later.entry
    assert (await world.usage.record(a_usage(1, user_id="bob", key="later"))).entry == later.entry
    assert (await store.audits.audit()).is_clean


async def test_a_key_from_before_several_merges_counts_once(world: World, store: Store) -> None:
    """Each id knows the keys of all to whom it led, and of no others."""
    await furnish(world)
    await world.subscribed_user("eve", "big")
    await world.subscribed_user("dan", "big")
    await world.usage.record(a_usage(1, user_id="dan", key="dan's"))
    await merged(world)
    await world.usage.record(a_usage(2, user_id="ada", key="between"))
    await merged(world, "bob", "eve")
    await merged(world, "dan", "eve")
    await world.usage.record(a_usage(3, user_id="ada", key="after"))
    for user_id, delta, key, expected in (
        ("ada", 7, "k", True), ("bob", 7, "k", False), ("ada", 2, "between", True), ("bob", 2, "between", True),
        ("ada", 3, "after", True), ("eve", 3, "after", True), ("dan", 1, "dan's", True), ("ada", 1, "dan's", False),
    ):  # fmt: skip
        receipt = await world.usage.record(a_usage(delta, user_id=user_id, key=key))
        assert receipt.duplicate is expected, (user_id, key)
    assert (await store.audits.audit()).is_clean


async def test_who_is_nobody_is_not_merged(world: World) -> None:
    """Whichever of the two it is, in this environment; nothing changes."""
    await furnish(world)
    await world.accounts.create_user(LIVE, id="eve")
    for source, target in (("nobody", "bob"), ("ada", "nobody"), ("ada", "eve")):
        with pytest.raises(UserNotFound):
            await merged(world, source, target)
    assert await used(world, "ada") == 7


async def test_segment_and_imports_follow_the_id(world: World, store: Store) -> None:
    """What is sent or imported under an id that was merged is about the other, who keeps their own id."""
    await furnish(world)
    await world.engine.segment.receive(TEST, [a_message(1, user_id="ada", properties={"featureId": "message"})])
    await merged(world)
    track = a_message(2, user_id="ada", properties={"featureId": "message"})
    identify = a_message(3, MessageType.IDENTIFY, user_id="ada", traits={"name": "B."})
    await world.engine.segment.receive(TEST, [track, identify])
    assert await used(world) == 39
    assert [(user.id, user.name) for user in await world.accounts.users(TEST)] == [("bob", "B.")]
    assert set(await store.users.users_by_id(TEST, ["ada", "bob", "eve"])) == {"ada", "bob"}
    await keep(store, 5, [a_row(2, "ada", name="C.")])
    await store.imports.decide_import(5, now=NOON)
    assert await store.imports.merge_page(5, merge, now=NOON) == 1
    assert [(user.id, user.name) for user in await world.accounts.users(TEST)] == [("bob", "C.")]


async def test_an_export_of_either_id_covers_both(world: World) -> None:
    """Who they were, what they used, what was sent and done under each id."""
    await furnish(world)
    await world.accounts.update_user(TEST, "ada", {"name": "Ada"}, by=PERSON)
    await world.engine.segment.receive(TEST, [a_message(1, MessageType.PAGE, user_id="ada")])
    await merged(world)
    records = await exported(world, "bob")
    assert await exported(world, "ada", first=2) == records
    kinds = [record["kind"] for record in records]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "user": 1, "mergedUser": 1, "id": 2, "subscription": 2, "counter": 3, "entry": 5, "segmentEvent": 1,
        "logLine": 2,
    }  # fmt: skip
    [was] = [record for record in records if record["kind"] == "mergedUser"]
    assert (was["id"], was["name"]) == ("ada", "Ada")


async def test_deleting_leaves_no_trace_of_either(world: World, store: Store, place: Place) -> None:
    """By either id; both can be used for somebody else afterwards."""
    await furnish(world)
    await world.accounts.create_user(TEST, id="lovelace-1", email="countess@example.com", metadata={"a": "augusta"})
    await world.accounts.update_user(TEST, "lovelace-1", {"id": "lovelace-2"}, by=PERSON)
    await world.usage.record(a_usage(1, user_id="lovelace-2", metadata={"a": "augusta"}))
    await world.engine.segment.receive(TEST, [a_message(1, MessageType.PAGE, user_id="lovelace-1")])
    await merged(world, "lovelace-2", "ada")
    await merged(world)
    traces = ("lovelace", "countess", "augusta")
    assert len(await places_of(place, traces)) > 4
    assert (await world.engine.deletions.delete(TEST, "lovelace-2", by=PERSON, wait_s=None)).is_cleared
    assert await places_of(place, traces) == []
    assert await world.accounts.users(TEST) == []
    for user_id in ("ada", "bob", "lovelace-1", "lovelace-2"):
        await world.accounts.create_user(TEST, id=user_id)
    assert (await store.audits.audit()).is_clean


async def test_of_merges_across_each_other_one_wins(world: World) -> None:
    """Two at once, each into the other: no deadlock, and one is refused."""
    await furnish(world)
    both = await asyncio.gather(merged(world), merged(world, "bob", "ada"), return_exceptions=True)
    assert [type(each) for each in both if isinstance(each, Exception)] == [Conflict]
    assert len(await world.accounts.users(TEST)) == 1
    assert await used(world) == await used(world, "ada") == 37
