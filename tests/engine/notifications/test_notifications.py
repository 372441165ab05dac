"""Notifications of random decisions, compared with a plain model that looks at what is used after each of them."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime

import pytest

from kana.errors import InvalidValue
from kana.model.environment import Environment
from tests.support.world import DAY, LIVE, NOON, TEST, TESTER, World, a_package, a_usage, adds, allows

LIMIT, MORE = 20, 10


class Plain:
    """What one user has used of one limit, and what was said of it in this period."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self.said: set[str] = set()

    def next_period(self) -> None:
        """Begin again."""
        self.used = 0
        self.said = set()

    def add(self, delta: int) -> set[str]:
        """Use or give back units; return what is said that was not said in this period."""
        before, found = self.used, set[str]()
        if self.used + delta > self.limit:
            found.add("refused")
        elif self.used + delta >= 0:
            self.used += delta
            found = {f"{p}" for p in (80, 100) if before * 100 < p * self.limit <= self.used * 100}
        new = found - self.said
        self.said |= found
        return new


@pytest.mark.parametrize("seed", range(25))
async def test_random_decisions(world: World, seed: int) -> None:
    """Ten thousand decisions in all, of users with one limit or the sum of two, some in the period before."""
    chance = random.Random(seed)
    await world.furnish(a_package("basic", allows(LIMIT, DAY)), a_package("more", adds(MORE, DAY), is_addon=True))
    await world.subscribed_user("ada")
    await world.subscribed_user("bob", "basic", "more")
    plain = {"ada": Plain(LIMIT), "bob": Plain(LIMIT + MORE)}
    after = (await world.engine.notifications.notifications(TEST))[-1].id
    for _ in range(400):
        if chance.random() < 0.02:
            world.clock.advance(days=1)
            for each in plain.values():
                each.next_period()
        user = chance.choice(("ada", "bob"))
        delta = chance.choice((-9, -3, -1, 1, 1, 2, 3, 5, 8))
        await world.usage.record(a_usage(delta, user_id=user))
        found = await world.engine.notifications.notifications(TEST, after=str(after))
        assert {str(each.about.get("percent", "refused")) for each in found} == plain[user].add(delta)
        assert {each.user_id for each in found} <= {user}
        after = found[-1].id if found else after


async def test_only_the_own_environment_is_read(world: World) -> None:
    """The ids of each grow by one from 1."""
    for environment in (TEST, LIVE):
        assert await world.engine.notifications.last(environment) == 0
        await world.accounts.create_user(environment, id="ada")
        assert await world.engine.notifications.last(environment) == 1
        [found] = await world.engine.notifications.notifications(environment)
        assert found.id == 1


@pytest.mark.parametrize("after", ["", "x", "-1", str(2**63), "1 "])
async def test_what_cannot_be_an_id_is_an_error(world: World, after: str) -> None:
    """It is named."""
    with pytest.raises(InvalidValue, match="after must be the id of a notification"):
        await world.engine.notifications.notifications(TEST, after=after)


async def test_it_is_looked_for_in_the_background(world: World) -> None:
    """From the start on, page by page, until the process ends."""
    await world.furnish(a_package("basic", allows(LIMIT, DAY)))
    await world.subscribed_user("ada")
    [held] = await world.accounts.subscriptions(TEST, user_id="ada")
    await world.engine.notifications.look()
    await world.accounts.cancel_subscription(TEST, held.subscription.id, at_period_end=True, by=TESTER)
    world.clock.advance(days=1)
    async with world.engine.notifications.running(), asyncio.timeout(10):
        while (found := await world.engine.notifications.notifications(TEST))[-1].type != "subscription.ended":  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0)
    assert found[-1].occurred_at > NOON


async def test_it_stops_between_two_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends does not wait for all that is due."""
    asked = []

    async def never_all(environment: Environment, *, now: datetime) -> bool:
        asked.append((environment, now))
        world.engine.notifications._rounds.is_ending = len(asked) == 3
        return False

    monkeypatch.setattr(world.store.notifications, "find_due", never_all)
    await world.engine.notifications.look()
    assert len(asked) == 3
