"""Who is near a limit: what the insight lists is what each user's own answer says, on every store."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from random import Random

import pytest

from kana.errors import KanaError
from kana.model.given import OverrideTerms
from kana.model.insights import near
from kana.model.period import ResetPeriod
from kana.model.terms import ChangeUsage
from tests.support.world import (
    DAY,
    IS_DEEP,
    MONTH,
    NOON,
    ONE_DAY,
    TEST,
    TESTER,
    World,
    a_feature,
    a_package,
    a_usage,
    adds,
    allows,
    rolls_over,
)

HOUR = timedelta(hours=1)
USERS = tuple(f"user-{number}" for number in range(3))
PACKAGES = (
    a_package("monthly", allows(20), allows(4, DAY, feature="seat")),
    a_package("daily", allows(10, DAY)),
    a_package("rolling", rolls_over(10, DAY, most=8, periods=2, grace_percent=20), allows(6, None, feature="seat")),
    a_package("lasting", rolls_over(10, DAY, most=8, periods=1)),
    a_package("yearly", allows(30, ResetPeriod.YEAR, overage=True), allows(None, feature="seat")),
    a_package("more", adds(10, DAY), is_addon=True),
    a_package("nothing", allows(0), is_addon=True),
)


async def give(world: World, amount: int, user_id: str = "ada", **window: object) -> None:
    """Give units of "message"."""
    await world.engine.giving.create_top_up(TEST, user_id, "message", amount, reason="sold", by=TESTER, **window)  # type: ignore[arg-type]


async def override(world: World, user_id: str = "ada", **terms: object) -> None:
    """Set something else of "message"."""
    given = OverrideTerms(**terms)  # type: ignore[arg-type]
    await world.engine.giving.set_override(TEST, user_id, "message", given, reason="asked", by=TESTER)


async def near_of(world: World) -> list[tuple[str, str | None, int, int]]:
    """Who is near, with the package that answers and how much of what is used."""
    return [
        (each.user_id, each.package_id, each.used, each.limit) for each in await world.engine.insights.near_limit(TEST)
    ]


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    await world.furnish(*PACKAGES, features=(a_feature(), a_feature("seat")))


async def test_a_user_with_nothing_but_top_ups(world: World) -> None:
    """From 80 % of all that holds now; what is not yet or no longer given is no part of it."""
    await world.accounts.create_user(TEST, id="ada")
    await give(world, 10)
    await world.usage.record(a_usage(7))
    assert await near_of(world) == []
    await world.usage.record(a_usage(1))
    assert await near_of(world) == [("ada", None, 8, 10)]
    await give(world, 5, starts_at=NOON + HOUR, expires_at=NOON + 2 * HOUR)
    assert await near_of(world) == [("ada", None, 8, 10)]
    world.clock.now += HOUR
    assert await near_of(world) == []
    world.clock.now += HOUR
    assert await near_of(world) == [("ada", None, 8, 10)]


async def test_a_top_up_and_a_package_are_near_together(world: World) -> None:
    """Though nothing is used of one of them: what is used of the other is more than its limit was lowered to."""
    await world.subscribed_user("ada", "monthly")
    await give(world, 10, expires_at=NOON + ONE_DAY)
    await world.usage.record(a_usage(10))
    assert await near_of(world) == []
    await world.usage.record(a_usage(14))
    assert await near_of(world) == [("ada", "monthly", 24, 30)]


async def test_an_override_is_the_limit(world: World) -> None:
    """In the totals of the package that it stands in place of, or its own where there is none."""
    await world.subscribed_user("ada", "monthly")
    await world.accounts.create_user(TEST, id="bob")
    await world.usage.record(a_usage(4))
    assert await near_of(world) == []
    await override(world, limit=5)
    await override(world, "bob", limit=10, reset_period=DAY, keeps_reset_period=False)
    await world.usage.record(a_usage(9, user_id="bob"))
    assert await near_of(world) == [("bob", None, 9, 10), ("ada", "monthly", 4, 5)]
    world.clock.now += ONE_DAY
    assert await near_of(world) == [("ada", "monthly", 4, 5)]
    await override(world, denied=True)
    assert await near_of(world) == [("ada", "monthly", 4, 0)]


async def test_what_is_carried_over_is_near_with_its_package(world: World) -> None:
    """Seven of ten are not near, nor are they with all of five that were carried over; eight are."""
    await world.subscribed_user("ada", "lasting")
    await world.usage.record(a_usage(5))
    world.clock.now += ONE_DAY
    await world.usage.record(a_usage(11))
    assert await near_of(world) == []
    await world.usage.record(a_usage(1))
    assert await near_of(world) == [("ada", "lasting", 12, 15)]


async def test_what_was_brought_is_near_until_its_period_is_over(world: World) -> None:
    """Eight of a month are eight of the day of the change, and none of the next."""
    await world.subscribed_user("ada", "monthly")
    await world.usage.record(a_usage(6))
    world.clock.advance(days=1, hours=6)
    await world.usage.record(a_usage(2))
    assert await near_of(world) == []
    await world.accounts.change_subscription(TEST, "ada", "daily", usage=ChangeUsage.CARRY)
    assert await near_of(world) == [("ada", "daily", 8, 10)]
    world.clock.now = NOON + 2 * ONE_DAY
    assert await near_of(world) == []


async def test_a_limit_of_nothing_does_not_hide_others(world: World) -> None:
    """Whoever used much of what was then lowered to nothing comes first, however few are asked for."""
    for user_id in ("ada", "bob"):
        await world.subscribed_user(user_id, "monthly")
        await world.usage.record(a_usage(18, user_id=user_id))
    await give(world, 3, "bob")
    await world.furnish(a_package("monthly", allows(0)))
    assert await near_of(world) == [("bob", "monthly", 18, 3), ("ada", "monthly", 18, 0)]
    [first] = await world.engine.insights.near_limit(TEST, first=1)
    assert first.user_id == "bob"


class History:
    """What happens to several users, by chance."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, Random(seed)

    async def step(self) -> None:
        """Do something for one of them; what the rules refuse is left."""
        user_id, choice = self.random.choice(USERS), self.random.choice
        accounts, now, package_id = self.world.accounts, self.world.clock.now, choice(PACKAGES).id
        match self.random.randrange(14):
            case 0:
                self.world.clock.advance(hours=choice((1, 1, 1, 1, 7, 7, 24, 24 * 20)))
            case 1:
                await accounts.subscribe(TEST, user_id, [package_id])
            case 2:
                usage = choice((ChangeUsage.CARRY, ChangeUsage.CARRY, ChangeUsage.RESET))
                await accounts.change_subscription(TEST, user_id, package_id, usage=usage)
            case 3:
                start = now + choice((0, 0, 3)) * HOUR
                ends = choice((None, start + 30 * HOUR))
                await give(self.world, choice((2, 9)), user_id, starts_at=start, expires_at=ends)
            case 4:
                reset = choice((None, DAY, MONTH))
                terms = {"reset_period": reset, "keeps_reset_period": False, "ends_at": now + choice((5, 50)) * HOUR}
                denied = choice((True, False, False))
                await override(
                    self.world, user_id, denied=denied, limit=None if denied else choice((0, 6, 12, 30)), **terms
                )
            case _:
                late = now - self.random.randrange(40) * HOUR
                usage_of = a_usage(
                    choice((-4, 1, 2, 3, 5, 8, 12)), user_id=user_id, feature_id=choice(("message", "message", "seat")),
                    timestamp=choice((None, None, late)),
                )  # fmt: skip
                await self.world.usage.record(usage_of)

    async def expected(self) -> set[tuple[str, str, int, int]]:
        """Who is near by what each user is told of each feature: how much of what budget is used."""
        found = set()
        for user_id in USERS:
            for feature_id in ("message", "seat"):
                current = (await self.world.usage.show(TEST, user_id, feature_id)).current
                if current is None or current.consumption.budget is None:
                    continue
                used, limit = current.consumption.used, current.consumption.budget
                if used >= near(limit):
                    found.add((user_id, feature_id, used, limit))
        return found


@pytest.mark.parametrize("seed", range(40 if IS_DEEP else 5))
async def test_it_agrees_with_what_each_user_is_told(world: World, seed: int) -> None:
    """Of random accounts: nobody is missing, nobody is listed who is not near, and the numbers are theirs."""
    history, seen = History(world, seed), 0
    for user_id in USERS:
        await world.accounts.create_user(TEST, id=user_id)
    for step in range(200):
        with suppress(KanaError):
            await history.step()
        if step % 3:
            continue
        outlooks = await world.engine.insights.near_limit(TEST)
        found = [(each.user_id, each.feature_id, each.used, each.limit) for each in outlooks]
        assert (set(found), len(found)) == (await history.expected(), len(set(found)))
        assert [each.share for each in outlooks] == sorted((each.share for each in outlooks), reverse=True)
        for first in (1, 3):
            assert await world.engine.insights.near_limit(TEST, first=first) == outlooks[:first]
        seen += len(found)
    assert seen > 5
