"""What the engine adds to the store's answers: known ids, whole days, bounds, and who really is near a limit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest

from kana.engine.ids import first_id_at
from kana.engine.usage import insights as module
from kana.errors import FeatureNotFound, InvalidValue, PackageNotFound, UserNotFound
from kana.model.allowance import Allowance, Cost
from kana.model.insights import Step
from kana.model.package import PackageFeature
from tests.support.world import MONTH, NOON, ONE_DAY, TEST, World, a_feature, a_package, a_usage, adds, allows, holds

YEAR: dict[str, Any] = {"start": NOON - 200 * ONE_DAY, "end": NOON + 200 * ONE_DAY}


@pytest.fixture
async def busy(world: World) -> World:
    """Three users on ten messages a month, who have used 7, 8 and 9; and one on as many as they like."""
    features = (a_feature(), a_feature("chat", binary=True), a_feature("seat"))
    await world.furnish(
        a_package("basic", allows(10), holds("chat")), a_package("free", allows(None), allows(0, feature="seat")),
        features=features,
    )  # fmt: skip
    for user_id, units in (("ada", 7), ("bob", 8), ("cleo", 9)):
        await world.subscribed_user(user_id)
        await world.usage.record(a_usage(units, user_id=user_id))
    await world.subscribed_user("dan", "free")
    await world.usage.record(a_usage(900, user_id="dan"))
    return world


async def test_only_known_ids_are_asked_for(busy: World) -> None:
    """A feature, package or user that does not exist is an error, never an empty answer."""
    insights = busy.engine.insights
    with pytest.raises(FeatureNotFound):
        await insights.usage(TEST, step=Step.DAY, feature_ids=["message", "x"], **YEAR)
    with pytest.raises(PackageNotFound):
        await insights.usage(TEST, step=Step.DAY, package_ids=["x"], **YEAR)
    with pytest.raises(FeatureNotFound):
        await insights.adoption(TEST, feature_ids=["x"], **YEAR)
    with pytest.raises(FeatureNotFound):
        await insights.refusals(TEST, feature_id="x", **YEAR)
    for ask in (insights.outlook(TEST, "x"), insights.usage(TEST, step=Step.DAY, user_id="x", **YEAR)):
        with pytest.raises(UserNotFound):
            await ask


async def test_rows_are_bounded(busy: World) -> None:
    """More rows than allowed are refused, as many are not."""
    usage = busy.engine.insights.usage
    assert len(await usage(TEST, step=Step.DAY, rows_max=2, **YEAR)) == 2
    assert len(await usage(TEST, step=Step.DAY, rows_max=1, package_ids=["basic"], **YEAR)) == 1
    with pytest.raises(InvalidValue, match="more than 1 rows"):
        await usage(TEST, step=Step.DAY, rows_max=1, **YEAR)


async def test_what_a_credit_is_spent_on(busy: World) -> None:
    """By step and feature, what was used by itself too; of a known credit, and no more rows than are allowed."""
    cost = Cost(feature_id="message", units=2)
    image = PackageFeature(feature_id="image", allowance=Allowance(cost=cost))
    await busy.furnish(a_package("basic", allows(20), image), features=(a_feature(), a_feature("image")))
    assert (await busy.catalog.read(TEST)).credit_ids == {"message"}
    await busy.usage.record(a_usage(2, feature_id="image"))
    rows = await busy.engine.insights.credit(TEST, "message", step=Step.MONTH, **YEAR)
    assert [(each.feature_id, each.units, each.entries) for each in rows] == [(None, 924, 4), ("image", 4, 1)]
    with pytest.raises(FeatureNotFound):
        await busy.engine.insights.credit(TEST, "x", step=Step.DAY, **YEAR)
    with pytest.raises(InvalidValue, match="more than 1 rows"):
        await busy.engine.insights.credit(TEST, "message", step=Step.DAY, rows_max=1, **YEAR)


async def test_one_user_is_told_by_step(busy: World) -> None:
    """Of one user, days are added up to the steps asked for."""
    await busy.usage.record(a_usage(1))
    [month] = await busy.engine.insights.usage(TEST, step=Step.MONTH, user_id="ada", **YEAR)
    assert (month.units, month.entries) == (8, 2)


@pytest.mark.parametrize("moment", [timedelta(0), timedelta(hours=11, minutes=59)])
async def test_days_are_whole(busy: World, moment: timedelta) -> None:
    """A range that touches a day holds all of it; one that ends at midnight does not touch the next."""
    top = busy.engine.insights.top_users
    midnight = NOON.replace(hour=0)
    found = await top(TEST, "message", start=midnight + moment, end=midnight + moment + timedelta(milliseconds=1))
    assert [(each.user_id, each.units) for each in found] == [("dan", 900), ("cleo", 9), ("bob", 8), ("ada", 7)]
    assert await top(TEST, "message", start=midnight - ONE_DAY, end=midnight) == []


async def test_near_a_limit(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 80 % on, the largest share first, few accounts at a time; a limit of 0 is near for nobody."""
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    insights = busy.engine.insights
    assert [(each.user_id, each.share) for each in await insights.near_limit(TEST)] == [("cleo", 0.9), ("bob", 0.8)]
    assert [each.user_id for each in await insights.near_limit(TEST, first=1)] == ["cleo"]
    with pytest.raises(InvalidValue, match="first must be 1 to 1000"):
        await insights.near_limit(TEST, first=0)


async def test_a_limit_that_does_not_answer_is_not_near(busy: World) -> None:
    """Who has used much of a smaller package holds a larger one now."""
    await busy.furnish(a_package("more", allows(100), is_addon=True), features=(a_feature(),))
    await busy.accounts.subscribe(TEST, "cleo", ["more"])
    assert [each.user_id for each in await busy.engine.insights.near_limit(TEST)] == ["bob"]


async def test_what_adds_is_near_its_limit_with_what_it_adds_to(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full of one and not begun of the other is not near; near the sum is told once, by its own share."""
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    await busy.furnish(a_package("more", adds(10), is_addon=True), features=(a_feature(),))
    await busy.accounts.subscribe(TEST, "cleo", ["more"])
    insights = busy.engine.insights
    assert [(each.user_id, each.share) for each in await insights.near_limit(TEST)] == [("bob", 0.8)]
    await busy.usage.record(a_usage(10, user_id="cleo"))
    near = await insights.near_limit(TEST)
    assert [(each.user_id, each.used, each.limit) for each in near] == [("cleo", 19, 20), ("bob", 8, 10)]
    assert [each.user_id for each in await insights.near_limit(TEST, first=1)] == ["cleo"]


async def test_a_grace_is_no_part_of_a_limit(busy: World) -> None:
    """Who is in grace has used more than all of it, and has run out."""
    allowance = Allowance(limit=20, reset_period=MONTH, grace_percent=100)
    held = PackageFeature(feature_id="message", allowance=allowance)
    await busy.furnish(a_package("kind", held, is_addon=True), features=(a_feature(),))
    await busy.accounts.subscribe(TEST, "cleo", ["kind"])
    await busy.usage.record(a_usage(30, user_id="cleo"))
    near = await busy.engine.insights.near_limit(TEST)
    assert [(each.user_id, each.share, each.runs_out_at) for each in near] == [("cleo", 1.5, NOON), ("bob", 0.8, ANY)]


async def test_an_outlook_is_of_limits_only(busy: World) -> None:
    """Switches and what is unlimited have none; a limit of 0 is reached from the start."""
    [ada] = await busy.engine.insights.outlook(TEST, "ada")
    [dan] = await busy.engine.insights.outlook(TEST, "dan")
    assert (ada.feature_id, ada.used, ada.limit, ada.resets_at) == ("message", 7, 10, NOON.replace(month=4))
    assert (dan.feature_id, dan.share, dan.runs_out_at) == ("seat", 1.0, NOON)


async def test_adoption_refusals_and_log(busy: World) -> None:
    """The store's answers, for ids that are known and counts that are allowed."""
    insights = busy.engine.insights
    await busy.usage.record(a_usage(4))
    assert [(each.feature_id, each.entitled, each.used) for each in await insights.adoption(TEST, **YEAR)] == [
        ("chat", 3, 0),
        ("message", 4, 4),
        ("seat", 1, 0),
    ]
    assert [each.count for each in await insights.refusals(TEST, feature_id="message", **YEAR)] == [1]
    assert [each.count for each in await insights.refusals(TEST, user_id="bob", **YEAR)] == []
    assert (await busy.store.audits.audit()).is_clean
    lines = await insights.log(TEST, first=3)
    assert [line.id for line in await insights.log(TEST, first=2, after=lines[0].id)] == [line.id for line in lines[1:]]
    everything = await insights.log(TEST, shared=True, first=1000)
    assert {line.subject_kind for line in everything} - {line.subject_kind for line in await insights.log(TEST)} == {
        "workspace"
    }


def test_no_entry_of_a_moment_has_a_smaller_id(world: World) -> None:
    """Ids made at a moment are at or above the bound for it, before 2026 as well."""
    for days in (-500, 0, 500):
        world.clock.now = NOON + days * ONE_DAY
        assert first_id_at(world.clock.now) <= world.ids()
