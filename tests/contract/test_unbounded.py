"""What is set aside while nobody knows how much it may take, on every store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kana.errors import IdempotencyKeyReused, InvalidValue
from kana.model.allowance import Allowance, Cost
from kana.model.consumed import WAS_OVER, Consumed
from kana.model.consuming import Consume
from kana.model.deciding import NO_AMOUNT
from kana.model.entitlement import Outcome
from kana.model.given import OverrideTerms
from kana.model.line import Line
from kana.model.package import PackageFeature
from kana.model.reservation import ReservationStatus
from tests.contract.test_reserving import is_clean, number_of, room, settle, status
from tests.support.world import DAY, MONTH, TEST, TESTER, World, a_feature, a_package, adds, allows, holds


def costs(feature_id: str, credit: str) -> PackageFeature:
    """An unlimited feature, each unit of which costs five of a credit."""
    cost = Cost(feature_id=credit, units=5)
    return PackageFeature(feature_id=feature_id, allowance=Allowance(limit=None, reset_period=MONTH, cost=cost))


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada has everything that limits, and everything that does not."""
    limited = (allows(10, DAY), costs("image", "credit"), allows(100, feature="credit"))
    free = (
        allows(None, feature="token"),
        allows(3, MONTH, feature="word", overage=True),
        costs("video", "word"),
        holds("chat"),
    )
    names = ("message", "image", "credit", "token", "word", "video")
    features = (*map(a_feature, names), a_feature("chat", binary=True))
    await world.furnish(a_package("basic", *limited, *free), features=features)
    await world.furnish(a_package("more", adds(5, DAY), is_addon=True), features=features)
    await world.subscribed_user("ada", "basic", "more")


async def reserve(world: World, *features: str, key: str | None = None, **units: int) -> Consumed:
    """Set features aside without an amount, and others with one, for a quarter of an hour."""
    lines = [*(Line(each, 0, unbounded=True) for each in features), *(Line(*each) for each in units.items())]
    return await world.engine.reserving.reserve(TEST, "ada", lines, ttl=timedelta(minutes=15), key=key)


async def entries(world: World) -> list[tuple[str, str | None, int, int]]:
    """Of each entry of the ledger, the oldest first: feature, step, units and by how much the usage changed."""
    found = (await world.engine.ledger.search(TEST, "ada", first=50)).entries
    return [
        (each.feature_id, each.line.step if each.line else None, each.delta, each.change) for each in reversed(found)
    ]


@pytest.mark.parametrize("feature", ["token", "word", "chat"])
async def test_any_amount_is_admitted_where_nothing_prevents_more(world: World, feature: str) -> None:
    """Unlimited, with overage, or a switch: nothing is held, and what is settled counts, whatever it is."""
    held = await reserve(world, feature)
    assert (held.granted, held.reason) == (True, None)
    assert held.reservation is not None
    [line] = held.reservation.lines
    assert (line.units, line.held, line.unbounded) == (0, 0, True)
    assert await status(world, held) is ReservationStatus.OPEN
    some: dict[str, Any] = {feature: 1_000}
    part = await settle(world, held, is_final=False, **some)
    assert (part.granted, await status(world, held)) == (True, ReservationStatus.OPEN)
    rest: dict[str, Any] = {feature: 2_000_000}
    done = await settle(world, held, **rest)
    assert (done.granted, await status(world, held)) == (True, ReservationStatus.SETTLED)
    assert await entries(world) == [
        (feature, "RESERVED", 0, 0), (feature, "SETTLED", 1_000, 1_000), (feature, "SETTLED", 2_000_000, 2_000_000),
    ]  # fmt: skip
    assert await is_clean(world)


@pytest.mark.parametrize(
    ("feature", "refused", "outcome"),
    [("message", "message", Outcome.LIMIT_EXCEEDED), ("image", "credit", Outcome.CREDIT_EXCEEDED)],
)
async def test_an_amount_is_never_guessed(world: World, feature: str, refused: str, outcome: Outcome) -> None:
    """Where there is a limit, of the feature or of what it costs, it is refused however much is left, with the rest."""
    held = await reserve(world, feature, token=5)
    assert (held.granted, held.outcome, held.reservation) == (False, Outcome.LIMIT_EXCEEDED, None)
    assert held.reason == f"{refused}: {NO_AMOUNT}"
    asked = [(each.feature_id, each.outcome) for each in held.lines if not each.cost_of]
    assert asked == [(feature, outcome), ("token", Outcome.OTHER_LINE_REFUSED)]
    assert await world.engine.reserving.reservations(TEST, "ada") == []


async def test_what_is_refused_anyway_says_why(world: World) -> None:
    """A limit that is reached, a feature that is denied, and one that the user does not have."""
    await world.engine.reserving.consume(using(message=15))
    full = await reserve(world, "message")
    assert full.reason is not None
    assert full.reason.startswith("message: The limit of 15 is reached")
    await world.engine.giving.set_override(TEST, "ada", "token", OverrideTerms(denied=True), reason="no", by=TESTER)
    assert (await reserve(world, "token")).outcome is Outcome.DENIED
    await world.furnish(a_package("other", allows(None, feature="spare")), features=(a_feature("spare"),))
    assert (await reserve(world, "spare")).outcome is Outcome.NO_SUBSCRIPTION


def using(**units: int) -> Consume:
    """A call that uses so much."""
    return Consume(environment=TEST, user_id="ada", lines=[Line(*each) for each in units.items()])


async def test_the_last_settlement_says_how_much_it_was(world: World) -> None:
    """Nobody ends it without a word on each, not even when it is over; 0 is a word."""
    held = await reserve(world, "token", "word", message=2)
    calls: list[tuple[dict[str, Any], str]] = [
        ({"message": 1}, "'token', 'word'"),
        ({"message": 1, "word": 2}, "'token'"),
    ]
    for units, missing in calls:
        with pytest.raises(InvalidValue, match=f"lines must name {missing}, which was set aside without an amount"):
            await settle(world, held, **units)
    assert (await settle(world, held, is_final=False, message=1)).granted
    assert await status(world, held) is ReservationStatus.OPEN
    other = await reserve(world, "token")
    world.clock.advance(minutes=15)
    with pytest.raises(InvalidValue, match="lines must name 'token'"):
        await settle(world, other, word=1)
    late = await settle(world, other, token=7)
    assert (late.granted, late.reason, (await room(world, "token"))[0]) == (True, WAS_OVER, 7)
    third = await reserve(world, "token", message=2)
    assert (await settle(world, third, token=0)).granted
    assert await room(world) == (1, 14)
    assert await is_clean(world)


async def test_what_nobody_settled_is_in_the_ledger(world: World) -> None:
    """Released, or found to have ended, it leaves a line for each feature; what was settled in part leaves none."""
    released, ended, part = [await reserve(world, "token") for _ in range(3)]
    await world.engine.reserving.release(TEST, number_of(released))
    await settle(world, part, is_final=False, token=3)
    world.clock.advance(minutes=15)
    assert (await reserve(world, message=1)).granted
    assert [await status(world, each) for each in (released, ended, part)] == ["RELEASED", "ENDED", "ENDED"]
    assert (await entries(world))[3:] == [
        ("token", "RELEASED", 0, 0),
        ("token", "SETTLED", 3, 3),
        ("token", "ENDED", 0, 0),
        ("message", "RESERVED", 1, 0),
    ]
    assert await is_clean(world)


async def test_its_costs_are_settled_with_it(world: World) -> None:
    """A credit with overage, or without a limit, pays for any amount."""
    held = await reserve(world, "video")
    assert [(each.feature_id, each.cost_of) for each in held.lines] == [("video", None), ("word", "video")]
    assert (await settle(world, held, video=7)).granted
    assert [(await room(world, each))[0] for each in ("video", "word")] == [7, 35]
    again = await reserve(world, "video")
    await world.engine.reserving.release(TEST, number_of(again))
    assert (await entries(world))[-2:] == [("video", "RELEASED", 0, 0), ("word", "RELEASED", 0, 0)]
    assert await is_clean(world)


async def test_a_limit_that_comes_later_decides(world: World) -> None:
    """Nothing was held, so it is like new usage: what does not fit is refused, and it stands until less is settled."""
    held = await reserve(world, "token")
    terms = OverrideTerms(limit=10, reset_period=MONTH)
    await world.engine.giving.set_override(TEST, "ada", "token", terms, reason="too much", by=TESTER)
    refused = await settle(world, held, token=11)
    assert (refused.granted, refused.outcome) == (False, Outcome.LIMIT_EXCEEDED)
    assert await status(world, held) is ReservationStatus.OPEN
    assert (await settle(world, held, token=10)).granted
    assert await is_clean(world)


async def test_its_key_is_of_this_call(world: World) -> None:
    """It gets the first answer again, and is refused with an amount."""
    held = await reserve(world, "token", key="k")
    assert await reserve(world, "token", key="k") == replace(held, duplicate=True)
    with pytest.raises(IdempotencyKeyReused, match="lines differ"):
        await reserve(world, token=1, key="k")
