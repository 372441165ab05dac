"""All that is to know of one user, of one moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from kana.engine.ports.store import Store
from kana.engine.users.profile import ProfileEngine
from kana.errors import UserNotFound
from kana.model.entitlement import Consumption
from kana.model.period import Period
from kana.model.subscription import SubscriptionStatus
from tests.support.stores import SqlitePlace, furnish_workspace
from tests.support.world import DAY, NOON, ONE_DAY, TEST, World, a_feature, a_package, a_usage, allows, holds


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    await world.furnish(
        a_package("basic", allows(10, DAY), holds("chat")),
        a_package("pro", allows(20, DAY)),
        a_package("extra", allows(15, DAY), is_addon=True),
        features=(a_feature(), a_feature("chat", binary=True), a_feature("other")),
    )


async def test_a_profile_says_what_answers_and_how_far_it_is_used(world: World) -> None:
    """Each feature that a subscription gives, with its period, and its decision; others are absent."""
    await world.subscribed_user("ada", "basic", "extra")
    await world.usage.record(a_usage(15))
    profile = await world.engine.profiles.of(TEST, "ada")
    chat, message = profile.features
    assert (message.feature.id, message.package and message.package.id, message.period) == (
        "message",
        "extra",
        Period(NOON, NOON + ONE_DAY),
    )
    assert (message.decision.access, message.decision.consumption) == (
        False,
        Consumption(15, 15, overage_enabled=False),
    )
    assert (chat.feature.id, chat.decision.access, chat.decision.consumption) == ("chat", True, None)


async def test_subscriptions_have_their_history(world: World) -> None:
    """The newest first; ended ones too, and one that is to end stands until then."""
    await world.subscribed_user("ada", "basic")
    world.clock.advance(hours=1)
    changed = await world.accounts.change_subscription(TEST, "ada", "pro")
    await world.accounts.cancel_subscription(TEST, changed.subscription.id, at_period_end=True)

    async def seen() -> list[tuple[str, SubscriptionStatus, bool]]:
        profile = await world.engine.profiles.of(TEST, "ada")
        return [(held.package.id, held.subscription.status, held.stands) for held in profile.subscriptions]

    active, cancelled = SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELLED
    assert await seen() == [("pro", active, True), ("basic", cancelled, False)]
    world.clock.advance(days=1)
    assert await seen() == [("pro", cancelled, False), ("basic", cancelled, False)]
    assert (await world.engine.profiles.of(TEST, "ada")).features == []


async def test_who_is_not_there_is_not_found(world: World, store: Store, tmp_path: Path) -> None:
    """Nobody by that id; nor who is renamed while the page is read, as if read from two databases."""
    with pytest.raises(UserNotFound):
        await world.engine.profiles.of(TEST, "ada")
    await world.subscribed_user("ada", "basic")
    other = await SqlitePlace(tmp_path / "other.db").open()
    await furnish_workspace(other)
    with pytest.raises(UserNotFound, match=r"^User not found: 'ada'$"):
        await ProfileEngine(store.users, other.ledger, clock=world.clock).of(TEST, "ada")
    await other.close()
