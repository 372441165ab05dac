"""On which features a credit was spent: what the insight says is what the entries add up to, on every store."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from kana.errors import FeatureNotFound, InvalidValue, KanaError
from kana.model.allowance import Allowance, Cost
from kana.model.consuming import Consume
from kana.model.insights import CreditRow, Step
from kana.model.line import Line
from kana.model.package import PackageFeature
from kana.model.usage import Action
from tests.support.ledger import entries_of
from tests.support.world import LIVE, NOON, ONE_DAY, TEST, TESTER, World, a_feature, a_package, a_usage, allows

HOUR = timedelta(hours=1)
YEAR: dict[str, Any] = {"start": NOON - 200 * ONE_DAY, "end": NOON + 200 * ONE_DAY}


def costing(feature_id: str, units: int) -> PackageFeature:
    """A feature each unit of which costs so many credits."""
    return PackageFeature(feature_id=feature_id, allowance=Allowance(cost=Cost(feature_id="credit", units=units)))


def spent(at: datetime, feature_id: str | None, units: int, entries: int, refusals: int = 0) -> CreditRow:
    return CreditRow(at=at, feature_id=feature_id, units=units, entries=entries, refusals=refusals)


@pytest.fixture(autouse=True)
async def _subscribed(world: World) -> None:
    """Ada and bob have a hundred credits, for images at 5, videos at 40 and whatever else."""
    features = [a_feature(name) for name in ("credit", "image", "video")]
    package = a_package("basic", allows(100, feature="credit"), costing("image", 5), costing("video", 40))
    await world.furnish(package, features=features)
    for user_id in ("ada", "bob"):
        await world.subscribed_user(user_id)


async def consume(world: World, *lines: Line, ttl: timedelta | None = None, user_id: str = "ada") -> Any:
    request = Consume(environment=TEST, user_id=user_id, lines=lines, key=None, ttl=ttl)
    return await world.engine.reserving.consume(request)


async def test_by_feature_and_step(world: World) -> None:
    """Of all users: what images and videos cost, what was refused, and what was used of the credit by itself."""
    await world.usage.record(a_usage(2, feature_id="image"))
    await world.usage.record(a_usage(1, feature_id="image", user_id="bob"))
    await consume(world, Line("video", 1), Line("image", 1))
    await world.usage.record(a_usage(2, feature_id="video"))
    await world.usage.record(a_usage(3, feature_id="credit"))
    world.clock.now += 13 * HOUR
    await world.usage.record(a_usage(1, feature_id="image", timestamp=NOON + HOUR))
    await world.usage.record(a_usage(4, feature_id="image"))

    credit, midnight = world.engine.insights.credit, NOON.replace(hour=0)
    assert await credit(TEST, "credit", step=Step.DAY, **YEAR) == [
        spent(midnight, None, 3, 1),
        spent(midnight, "image", 25, 4),
        spent(midnight, "video", 40, 1, 1),
        spent(midnight + ONE_DAY, "image", 20, 1),
    ]
    assert await credit(TEST, "credit", start=NOON + HOUR, end=NOON + 2 * HOUR, step=Step.HOUR) == [
        spent(NOON + HOUR, "image", 5, 1)
    ]
    assert await credit(TEST, "credit", step=Step.MONTH, **YEAR) == [
        spent(midnight.replace(day=1), None, 3, 1),
        spent(midnight.replace(day=1), "image", 45, 5),
        spent(midnight.replace(day=1), "video", 40, 1, 1),
    ]
    assert await credit(TEST, "image", start=NOON, end=NOON + HOUR, step=Step.DAY) == [spent(midnight, None, 5, 4)]
    await world.furnish(features=[a_feature("credit")], environment=LIVE)
    assert await credit(LIVE, "credit", step=Step.DAY, **YEAR) == []


async def test_what_is_set_aside_is_spent_when_it_is_settled(world: World) -> None:
    """And what is undone is no longer spent on the feature, rather than given back by itself."""
    credit = world.engine.insights.credit
    held = (await consume(world, Line("image", 4), ttl=HOUR)).reservation
    assert await credit(TEST, "credit", step=Step.DAY, **YEAR) == []
    await world.engine.reserving.settle(TEST, held.id, [Line("image", 3)], is_final=True)
    midnight = NOON.replace(hour=0)
    assert await credit(TEST, "credit", step=Step.DAY, **YEAR) == [spent(midnight, "image", 15, 1)]
    await world.usage.record(a_usage(1, feature_id="image"))
    cost = next(
        each for each in await entries_of(world.store, "ada") if each.feature_id == "credit" and each.change == 5
    )
    undone = await world.usage.reverse(TEST, cost.id, reason="wrong", by=TESTER)
    again = await world.usage.reverse(TEST, cost.id, reason="wrong", by=TESTER)
    assert (undone.entry.recorded, again.duplicate, again.entry) == (True, True, undone.entry)
    assert await credit(TEST, "credit", step=Step.DAY, **YEAR) == [spent(midnight, "image", 15, 3)]
    of_ada = await world.engine.insights.usage(TEST, step=Step.HOUR, user_id="ada", feature_ids=["credit"], **YEAR)
    assert [(each.units, each.entries) for each in of_ada] == [(15, 3)]
    assert (await world.store.audits.audit()).is_clean


async def test_bounds(world: World) -> None:
    """An unknown credit, and more rows than are allowed, are errors."""
    await world.usage.record(a_usage(2, feature_id="image"))
    await world.usage.record(a_usage(2, feature_id="credit"))
    with pytest.raises(FeatureNotFound):
        await world.engine.insights.credit(TEST, "nothing", step=Step.DAY, **YEAR)
    with pytest.raises(InvalidValue, match="more than 1 rows"):
        await world.engine.insights.credit(TEST, "credit", step=Step.DAY, rows_max=1, **YEAR)


async def a_step(world: World, random: Random, held: list[int]) -> None:
    """Do something by chance."""
    choice, reserving = random.choice, world.engine.reserving
    world.clock.now += choice((0, 0, 1, 7)) * HOUR
    user_id, feature_id = choice(("ada", "bob")), choice(("image", "image", "video", "credit"))
    match random.randrange(7):
        case 0:
            answer = await consume(world, Line(feature_id, 1), ttl=choice((1, 40)) * HOUR, user_id=user_id)
            held += [answer.reservation.id] if answer.reservation else []
        case 1:
            await reserving.settle(TEST, choice(held), [Line("image", 1)], is_final=choice((True, False)))
        case 2:
            await reserving.release(TEST, choice(held))
        case 3:
            entry = choice(await entries_of(world.store, user_id))
            await world.usage.reverse(TEST, entry.id, reason="wrong", by=TESTER)
        case 4:
            await world.usage.record(a_usage(choice((0, 9)), user_id=user_id, feature_id="credit", action=Action.SET))
        case _:
            timestamp = choice((None, max(NOON, world.clock.now - choice((1, 30)) * HOUR)))
            delta = choice((-1, 1, 1, 2))
            await world.usage.record(a_usage(delta, user_id=user_id, feature_id=feature_id, timestamp=timestamp))


async def plainly(world: World, step: Step) -> list[CreditRow]:
    """What was spent, added up entry by entry."""
    sums: dict[tuple[datetime, str], Counter[str]] = {}
    for entry in [each for user_id in ("ada", "bob") for each in await entries_of(world.store, user_id)]:
        sets_aside = entry.recorded and entry.line is not None and not entry.line.uses
        if entry.feature_id == "credit" and not sets_aside:
            of = (entry.line and entry.line.cost_of) or ""
            row = sums.setdefault((step.floor(entry.occurred_at), of), Counter())
            row.update(units=entry.change, entries=entry.recorded, refusals=not entry.recorded)
    return [
        spent(at, of or None, row["units"], row["entries"], row["refusals"]) for (at, of), row in sorted(sums.items())
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_it_equals_a_plain_sum_of_the_entries(world: World, seed: int) -> None:
    """Whatever is recorded, given back, set, set aside, settled, released and undone, late or now."""
    random, held = Random(seed), list[int]()
    for _ in range(60):
        with suppress(KanaError, IndexError):
            await a_step(world, random, held)
    for step in Step:
        found = await world.engine.insights.credit(TEST, "credit", step=step, **YEAR)
        assert found == await plainly(world, step)
        assert {each.feature_id for each in found} == {None, "image", "video"}
    assert (await world.store.audits.audit()).is_clean
