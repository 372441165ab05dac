"""Explain reads on every store what a record reads, and so says what the record then does."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from kana.errors import InvalidValue, KanaError
from kana.model.entitlement import Outcome
from kana.model.given import OverrideTerms
from kana.model.package import Package
from kana.model.usage import Usage
from tests.support.world import (
    DAY,
    MONTH,
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

PACKAGES: tuple[Package, ...] = (
    a_package("free", allows(10, DAY)),
    a_package("rolling", rolls_over(10, DAY, most=15, periods=2, grace_percent=10)),
    a_package("pro", allows(40, MONTH, overage=True)),
    a_package("extra", adds(15, MONTH), is_addon=True),
    a_package("high", allows(20, DAY), is_addon=True),
)


class History:
    """What happens to one user, by chance."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random, self.user_id = world, Random(seed), f"user-{seed}"

    async def change(self) -> None:
        """Do something that changes what the user may use; what the rules refuse is left."""
        accounts, giving, choice = self.world.accounts, self.world.engine.giving, self.random.choice
        now, package_id = self.world.clock(), choice(PACKAGES).id
        match self.random.randrange(6):
            case 0 | 1:
                self.world.clock.advance(hours=choice((1, 7, 24, 24 * 15)))
            case 2:
                await accounts.subscribe(TEST, self.user_id, [package_id])
            case 3:
                await accounts.change_subscription(TEST, self.user_id, package_id)
            case 4:
                start = now + timedelta(hours=choice((0, 5)))
                await giving.create_top_up(
                    TEST, self.user_id, "message", choice((2, 9)), reason="sold", by=TESTER, starts_at=start,
                    expires_at=choice((None, start + timedelta(hours=30))),
                )  # fmt: skip
            case _:
                terms = OverrideTerms(
                    limit=choice((0, 30)), denied=choice((True, False)), ends_at=now + timedelta(hours=choice((2, 40)))
                )
                await giving.set_override(TEST, self.user_id, "message", terms, reason="asked", by=TESTER)

    def usage(self) -> Usage:
        """A usage of now or of the past."""
        late = self.world.clock() - timedelta(hours=self.random.randint(0, 60))
        timestamp = self.random.choice((None, None, None, late))
        delta = self.random.choice((-3, 1, 5, 12, 30))
        return a_usage(delta, user_id=self.user_id, timestamp=timestamp)


@pytest.mark.parametrize("seed", range(6))
async def test_it_says_what_a_record_then_does(world: World, seed: int) -> None:
    """The same outcome, or the same error; and each package that is named unlocks it."""
    await world.furnish(*PACKAGES)
    history = History(world, seed)
    await world.accounts.create_user(TEST, id=history.user_id)
    outcomes = set()
    for _ in range(60):
        try:
            await history.change()
        except KanaError:
            continue
        usage = history.usage()
        told: object
        try:
            told = (
                await world.engine.explaining.explain(
                    TEST, usage.user_id, usage.feature_id, delta=usage.delta, at=usage.timestamp
                )
            ).decision.outcome
        except KanaError as error:
            told = type(error)
        [answer] = await world.usage.record_many([usage])
        assert told == (type(answer) if isinstance(answer, KanaError) else answer.entry.outcome)
        outcomes.add(told)
    assert {Outcome.RECORDED, Outcome.LIMIT_EXCEEDED} <= outcomes


async def test_it_explains_the_past_by_the_packages_of_that_time(world: World) -> None:
    """Also by those that a large change wrote in many transactions; at any time that there is, nothing breaks."""
    many = [a_feature(f"feature-{number}") for number in range(60)]
    held = [allows(7, DAY, feature=each.id) for each in many]
    await world.furnish(a_package("basic", allows(10, DAY), *held), features=[a_feature(), *many])
    await world.subscribed_user("ada")
    start = world.clock.now
    for limit in (3, 30):
        world.clock.advance(hours=1)
        packages = [a_package(f"package-{number}", *held) for number in range(60)]
        await world.furnish(a_package("basic", allows(limit, DAY), *held), *packages)
    for hours, limit in enumerate((10, 3, 30)):
        at = start + timedelta(hours=hours)
        found = await world.engine.explaining.explain(TEST, "ada", "message", at=at)
        assert [each.grant.amount for each in found.grants] == [limit]
    for at in (start.replace(year=1), start.replace(year=9999)):
        with pytest.raises(InvalidValue, match="at must"):
            await world.engine.explaining.explain(TEST, "ada", "message", at=at)
