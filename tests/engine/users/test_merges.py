"""What is moved when users are merged; what stores do is pinned in tests/contract."""

from __future__ import annotations

import pytest

from kana.engine.users.exports import record_of
from kana.errors import Conflict
from kana.model.entitlement import Outcome
from kana.model.given import OverrideTerms
from kana.model.line import Line
from kana.model.merge import MergedUser
from kana.model.segment import Message, MessageType
from kana.model.text import UNITS_MAX
from kana.model.usage import Action
from tests.support.ledger import entries_of
from tests.support.world import NOON, TEST, TESTER, World, a_feature, a_package, a_usage, a_user, adds, allows, holds


@pytest.fixture
async def shop(world: World) -> World:
    """Ada, who may use 10 and used 7, and Bob, who may use 100 and used 30."""
    features = [a_feature(), a_feature("image"), a_feature("support", binary=True)]
    await world.furnish(
        a_package("basic", allows(10), allows(5, feature="image"), holds("support")),
        a_package("big", allows(100), holds("support")),
        a_package("more", adds(20), is_addon=True),
        features=features,
    )
    await world.subscribed_user("ada", "basic")
    await world.subscribed_user("bob", "big")
    await world.usage.record(a_usage(7))
    await world.usage.record(a_usage(2, feature_id="image"))
    await world.usage.record(a_usage(2, feature_id="support"))
    await world.usage.record(a_usage(30, user_id="bob"))
    return world


async def moved(world: World, source: str, target: str) -> list[tuple[str, int, list[int]]]:
    """Merge; return the feature, the change and the postings of each entry that the target got."""
    await world.engine.merges.merge(TEST, source, target, by=TESTER)
    assert (await world.store.audits.audit()).is_clean
    entries = await entries_of(world.store, target)
    got = [entry for entry in entries if isinstance(entry.metadata, dict) and "mergedFrom" in entry.metadata]
    assert {entry.outcome for entry in got} <= {Outcome.RECORDED}
    return [(each.feature_id, each.change, [posting.change for posting in each.postings]) for each in got]


async def test_what_both_have_and_can_count_is_moved(shop: World) -> None:
    """Not what the target lacks, and not what is on or off."""
    assert await moved(shop, "ada", "bob") == [("message", 7, [7])]


async def test_a_key_of_the_merged_id_is_still_known(shop: World) -> None:
    """What was recorded with it counts once; a new one is known from then on."""
    first = await shop.usage.record(a_usage(1, key="k"))
    await moved(shop, "ada", "bob")
    assert (await shop.usage.record(a_usage(1, key="k"))).entry == first.entry
    for is_known in (False, True):
        assert (await shop.usage.record(a_usage(1, key="new"))).duplicate is is_known


async def test_the_limit_of_the_target_refuses_nothing(shop: World) -> None:
    """With one counter, the whole goes there."""
    assert await moved(shop, "bob", "ada") == [("message", 30, [30])]
    decision = await shop.usage.check(TEST, "bob", "message")
    assert (decision.outcome, decision.consumption and decision.consumption.used) == (Outcome.LIMIT_EXCEEDED, 37)


@pytest.mark.parametrize("used", [10, 60])
async def test_several_grants_take_it_as_any_usage(shop: World, used: int) -> None:
    """What is beyond all of them is counted by what answers."""
    await shop.accounts.subscribe(TEST, "ada", ["more"])
    await shop.usage.record(a_usage(used - 30, user_id="bob"))
    [(_, change, parts)] = await moved(shop, "bob", "ada")
    assert (change, sum(parts), len(parts)) == (used, used, 2)


async def test_all_that_is_beyond_may_go_to_one_grant(shop: World) -> None:
    """Where nothing is left of any of several."""
    await shop.accounts.subscribe(TEST, "ada", ["more"])
    await shop.usage.record(a_usage(23))
    assert await moved(shop, "bob", "ada") == [("message", 30, [30])]


async def test_what_is_denied_is_not_moved(shop: World) -> None:
    """The target may not have used it."""
    terms = OverrideTerms(denied=True)
    await shop.engine.giving.set_override(TEST, "bob", "message", terms, reason="abuse", by=TESTER)
    assert await moved(shop, "ada", "bob") == []


async def test_no_total_becomes_too_large(shop: World) -> None:
    """What would pass the largest total stays where it is."""
    await shop.furnish(a_package("endless", allows(None)))
    await shop.subscribed_user("eve", "endless")
    await shop.usage.record(a_usage(UNITS_MAX - 5, user_id="eve", action=Action.SET))
    assert await moved(shop, "ada", "eve") == [("message", 5, [5])]


async def test_what_was_not_used_is_not_moved(shop: World) -> None:
    """No entry says so."""
    await shop.usage.record(a_usage(0, action=Action.SET))
    assert await moved(shop, "ada", "bob") == []


async def test_nobody_is_merged_twice(shop: World) -> None:
    """The second time says into whom."""
    await shop.engine.merges.merge(TEST, "ada", "bob", by=TESTER)
    with pytest.raises(Conflict, match="'ada' was merged into 'bob' before"):
        await shop.engine.merges.merge(TEST, "ada", "bob", by=TESTER)


async def test_an_identify_of_a_merged_id_is_about_the_other(shop: World) -> None:
    """Who keeps their own id."""
    await shop.engine.merges.merge(TEST, "ada", "bob", by=TESTER)
    message = Message(
        id="m", type=MessageType.IDENTIFY, user_id="ada", event=None, properties={}, traits={}, timestamp=None,
        raw='{"traits":{"name":"B."}}',
    )  # fmt: skip
    await shop.engine.segment.receive(TEST, [message])
    assert [(user.id, user.name) for user in await shop.accounts.users(TEST)] == [("bob", "B.")]


def test_a_merged_user_is_told_with_the_time() -> None:
    """And otherwise as a user."""
    told = record_of(MergedUser(user=a_user("ada", name="Ada"), merged_at=NOON))
    assert (told["kind"], told["id"], told["name"], told["mergedAt"]) == (
        "mergedUser", "ada", "Ada", "2026-03-10T12:00:00.000Z"
    )  # fmt: skip


async def test_who_has_units_set_aside_is_not_merged(world: World) -> None:
    """They would be lost; after their end nothing stands in the way."""
    await world.furnish(a_package("basic", allows(10)))
    for user_id in ("from", "into"):
        await world.subscribed_user(user_id)
    merge = world.engine.merges.merge
    await world.engine.reserving.reserve(TEST, "into", [Line("message", 3)])
    held = await world.engine.reserving.reserve(TEST, "from", [Line("message", 3)])
    with pytest.raises(Conflict, match="User 'from' has open reservations; settle or release them first"):
        await merge(TEST, "from", "into", by=TESTER)
    assert held.reservation is not None
    world.clock.now = held.reservation.ends_at
    assert (await merge(TEST, "from", "into", by=TESTER)).id == "into"
