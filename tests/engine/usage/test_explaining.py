"""The verb explain: what it reads, what it refuses, and that it changes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from kana.errors import FeatureNotFound, InvalidValue, UserNotFound
from kana.model.entitlement import Outcome
from kana.model.explanation import Explanation
from kana.model.text import UNITS_MAX
from tests.support.ledger import entries_of
from tests.support.world import DAY, MILLISECOND, NOON, ONE_DAY, TEST, World, a_package, a_usage, allows


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    await world.furnish(a_package("basic", allows(10, DAY)), a_package("pro", allows(100, DAY)))
    await world.subscribed_user("ada")


async def explain(world: World, **changes: Any) -> Explanation:
    asked: dict[str, Any] = {"user_id": "ada", "feature_id": "message", **changes}
    return await world.engine.explaining.explain(TEST, asked.pop("user_id"), asked.pop("feature_id"), **asked)


async def test_it_explains_now_and_records_nothing(world: World) -> None:
    """One unit unless more are asked about; what was used counts, and what is asked does not."""
    await world.usage.record(a_usage(10))
    for _ in range(2):
        found = await explain(world)
        assert found.decision.outcome is Outcome.LIMIT_EXCEEDED
        assert [(each.grant.used, each.grant.left) for each in found.grants] == [(10, 0)]
        assert found.fits_at == NOON + ONE_DAY
        assert [each.package.id for each in found.unlocks] == ["pro"]
    assert (await explain(world, delta=-10)).decision.access
    assert (await explain(world, delta=-11)).decision.outcome is Outcome.BELOW_ZERO
    assert len(await entries_of(world.store, "ada")) == 1


async def test_it_explains_a_moment_of_the_past(world: World) -> None:
    """By the subscription that the user had then, and with the usage of the period then."""
    await world.usage.record(a_usage(10))
    world.clock.advance(days=1, hours=1)
    await world.accounts.change_subscription(TEST, "ada", "pro")
    world.clock.advance(days=1)
    now, then = await explain(world), await explain(world, at=NOON + timedelta(hours=1))
    assert [each.grant.package_id for each in now.grants] == ["pro"]
    assert [each.grant.package_id for each in then.grants] == ["basic"]
    assert (then.decision.outcome, then.moment) == (Outcome.LIMIT_EXCEEDED, NOON + timedelta(hours=1))
    assert (then.fits_at, then.unlocks) == (None, [])


async def test_packages_are_as_they_were_then(world: World) -> None:
    """By the log of changes: before and after each change, and of one that was made later nothing."""
    limits = (20, 5, 100)
    for limit in limits:
        world.clock.advance(hours=1)
        await world.furnish(a_package("basic", allows(limit, DAY)))
    await world.furnish(a_package("later", allows(1000, DAY), is_addon=True))
    world.clock.advance(hours=1)
    for hours, limit in enumerate((10, *limits)):
        for after, expected in ((timedelta(0), limit), (timedelta(hours=1) - MILLISECOND, limit)):
            found = await explain(world, at=NOON + timedelta(hours=hours) + after)
            assert found.decision.consumption is not None
            assert (found.decision.consumption.budget, [each.grant.amount for each in found.grants]) == (
                expected, [expected],
            )  # fmt: skip
    refused = await explain(world, delta=6, at=NOON + timedelta(hours=2))
    assert (refused.decision.outcome, (await explain(world, delta=6)).decision.access) == (Outcome.LIMIT_EXCEEDED, True)


@pytest.mark.parametrize(
    ("asked", "expected", "message"),
    [
        ({"user_id": "bob"}, UserNotFound, "User not found: 'bob'"),
        ({"feature_id": "x"}, FeatureNotFound, "Feature not found: 'x'"),
        ({"delta": 0}, InvalidValue, "delta must not be 0 with ADD: there is nothing to record"),
        (
            {"delta": UNITS_MAX + 1},
            InvalidValue,
            f"delta must be at most {UNITS_MAX} either way, got {UNITS_MAX + 1}",
        ),
        (
            {"at": NOON + timedelta(minutes=6)},
            InvalidValue,
            "at must be at most 5 minutes ahead of 2026-03-10T12:00:00+00:00, got 2026-03-10T12:06:00+00:00",
        ),
        (
            {"at": NOON - ONE_DAY},
            InvalidValue,
            "at must not be before 2026-03-10T12:00:00+00:00, since when the user has been subscribed,"
            " got 2026-03-09T12:00:00+00:00",
        ),
    ],
)
async def test_what_a_record_refuses_it_refuses(
    world: World, asked: dict[str, Any], expected: type[Exception], message: str
) -> None:
    """With the name of its own field."""
    with pytest.raises(expected) as caught:
        await explain(world, **asked)
    assert str(caught.value) == message


@pytest.mark.parametrize("at", [None, NOON + timedelta(minutes=5)])
async def test_somebody_without_any_subscription_is_told_so(world: World, at: datetime | None) -> None:
    """It is no error."""
    await world.accounts.create_user(TEST, id="bob")
    found = await explain(world, user_id="bob", at=at)
    assert (found.decision.outcome, found.grants) == (Outcome.NO_SUBSCRIPTION, [])
