"""What a user holds: packages, and what each feature in them lets them do now."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from kana.errors import FeatureNotFound, InvalidValue, Unavailable, UserNotFound
from kana.model.entitlement import ALLOWED_BINARY, ALLOWED_CONSUMABLE, Consumption, Outcome
from kana.model.user import User
from tests.support.world import LIVE, TEST, World, a_feature, a_package, a_usage, allows, holds


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    await world.furnish(
        a_package("basic", replace(allows(10), name="Messages"), holds("chat")),
        a_package("extra", allows(20), is_addon=True),
        a_package("plain", is_addon=True),
        features=(a_feature(name="Message"), a_feature("chat", binary=True)),
    )


async def test_each_package_shows_what_holds_in_whichever(world: World) -> None:
    """Packages by the age of their subscription, features in their order; the answering one decides for all."""
    await world.subscribed_user("ada", "basic", "extra", "plain")
    await world.usage.record(a_usage(15))
    basic, extra, plain = await world.engine.holdings.of(TEST, "ada")
    assert [holding.package.id for holding in (basic, extra, plain)] == ["basic", "extra", "plain"]
    assert [feature.name for holding in (basic, extra, plain) for feature in holding.features] == [
        "Messages",
        "chat",
        "Message",
    ]
    decision = basic.features[0].decision
    assert (decision.access, decision.reason) == (True, ALLOWED_CONSUMABLE)
    assert decision.consumption == Consumption(15, 20, overage_enabled=False)
    assert extra.features[0].decision == decision
    assert (basic.features[1].decision.reason, basic.features[1].decision.consumption) == (ALLOWED_BINARY, None)
    assert basic.features[0].held.allowance.limit == 10


async def test_what_gives_no_access_is_not_held(world: World) -> None:
    """A cancelled package is gone at once, and what it allowed with it."""
    await world.subscribed_user("ada", "basic", "extra")
    [_, extra] = await world.accounts.subscriptions(TEST, user_id="ada")
    await world.accounts.cancel_subscription(TEST, extra.subscription.id)
    [basic] = await world.engine.holdings.of(TEST, "ada")
    assert basic.features[0].decision.consumption == Consumption(0, 10, overage_enabled=False)


async def test_who_is_not_there_holds_nothing(world: World) -> None:
    """Nor does one without a subscription, nor anybody in the other environment."""
    await world.accounts.create_user(TEST, id="bob")
    await world.subscribed_user("ada")
    for environment, user_id in ((TEST, "bob"), (TEST, "eve"), (LIVE, "ada")):
        assert await world.engine.holdings.of(environment, user_id) == []


async def test_a_user_is_found_whatever_their_id_is_now(world: World) -> None:
    """By bucket and key, which never change; None where there is none."""
    user = await world.accounts.create_user(TEST, id="ada")
    renamed = await world.accounts.update_user(TEST, "ada", {"id": "bob"})
    assert await world.engine.holdings.user(TEST, user.bucket, user.key) == renamed
    assert await world.engine.holdings.user(LIVE, user.bucket, user.key) is None


@pytest.mark.parametrize("times", [1, 4])
async def test_a_user_who_is_renamed_meanwhile_sees_what_is_theirs(world: World, times: int) -> None:
    """Whoever has their old id by now, theirs is what they held before."""
    ada = await world.subscribed_user("ada 0", "basic", "extra")
    expected = [holding.package.id for holding in await world.engine.holdings.of(TEST, "ada 0")]
    numbers = iter(range(times))
    user_by_key = world.store.users.user_by_key

    async def rename() -> None:
        for number in islice(numbers, 1):
            await world.accounts.update_user(TEST, f"ada {number}", {"id": f"ada {number + 1}"})
            await world.subscribed_user(f"ada {number}", "basic")

    async def find_and_rename(*asked: object) -> User | None:
        found = await user_by_key(*asked)  # type: ignore[arg-type]
        await rename()
        return found

    world.store.users.user_by_key = find_and_rename  # type: ignore[method-assign, assignment]
    await rename()
    held = await world.engine.holdings.of(TEST, "ada 0", owner=ada)
    assert [holding.package.id for holding in held] == expected == ["basic", "extra"]


async def test_nobody_runs_after_a_user_for_ever(world: World) -> None:
    """Who is never found under the id they had is told to ask again; who is gone holds nothing."""
    ada = await world.subscribed_user("ada")

    async def elsewhere(*_: object) -> User | None:
        return replace(ada, id="nobody")

    world.store.users.user_by_key = elsewhere  # type: ignore[method-assign, assignment]
    with pytest.raises(Unavailable, match="ask again"):
        await world.engine.holdings.of(TEST, "nobody", owner=ada)

    async def nowhere(*_: object) -> User | None:
        return None

    world.store.users.user_by_key = nowhere  # type: ignore[method-assign, assignment]
    assert await world.engine.holdings.of(TEST, "nobody", owner=ada) == []


async def test_all_that_a_user_may_do_is_every_feature_that_anything_gives_them(world: World) -> None:
    """In the order of the catalogue, with the end of the period where it is counted, given features included."""
    await world.subscribed_user("ada", "basic")
    await world.usage.record(a_usage(10))
    chat, message = await world.engine.holdings.entitlements(TEST, "ada")
    assert (message.feature.id, message.decision.outcome) == ("message", Outcome.LIMIT_EXCEEDED)
    assert message.decision.consumption == Consumption(10, 10, overage_enabled=False)
    assert message.resets_at is not None
    assert message.resets_at > world.clock()
    assert (chat.feature.id, chat.decision.access, chat.resets_at) == ("chat", True, None)


async def test_one_feature_and_an_amount(world: World) -> None:
    """Decided for that many units; an unknown feature and no amount are errors."""
    await world.subscribed_user("ada", "basic")
    await world.usage.record(a_usage(4))
    for delta, outcome in ((6, Outcome.RECORDED), (7, Outcome.LIMIT_EXCEEDED)):
        [found] = await world.engine.holdings.entitlements(TEST, "ada", feature_id="message", delta=delta)
        assert found.decision.outcome is outcome
    with pytest.raises(FeatureNotFound):
        await world.engine.holdings.entitlements(TEST, "ada", feature_id="nothing")
    with pytest.raises(InvalidValue, match="delta must be 1 to"):
        await world.engine.holdings.entitlements(TEST, "ada", delta=0)


async def test_nobody_may_do_nothing_and_one_without_a_package_may_do_nothing(world: World) -> None:
    """A user without a subscription has an empty list; an id that is nobody's is an error."""
    await world.accounts.create_user(TEST, id="bob")
    assert await world.engine.holdings.entitlements(TEST, "bob") == []
    with pytest.raises(UserNotFound, match="User not found: 'eve'"):
        await world.engine.holdings.entitlements(TEST, "eve")


async def test_an_owner_who_was_renamed_has_what_is_theirs(world: World) -> None:
    """Whoever has their old id by now is not shown to them."""
    ada = await world.subscribed_user("ada", "basic")
    await world.accounts.update_user(TEST, "ada", {"id": "bob"})
    await world.accounts.create_user(TEST, id="ada 2")
    found = await world.engine.holdings.entitlements(TEST, "ada 2", owner=ada)
    assert [each.feature.id for each in found] == ["chat", "message"]
