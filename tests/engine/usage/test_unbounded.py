"""What is set aside while nobody knows how much it may take: the rules, on one store; ``tests/contract`` has all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kana.errors import InvalidValue
from kana.model.consumed import Consumed
from kana.model.consuming import Consume
from kana.model.deciding import NO_AMOUNT
from kana.model.entitlement import Outcome
from kana.model.line import Line
from kana.model.reservation import HeldLine
from tests.support.world import DAY, TEST, World, a_feature, a_package, allows


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada may use ten messages a day, and any number of tokens."""
    await world.furnish(
        a_package("basic", allows(10, DAY), allows(None, feature="token")), features=(a_feature(), a_feature("token"))
    )
    await world.subscribed_user("ada", "basic")


async def reserve(world: World, *features: str) -> Consumed:
    """Set them aside for a minute."""
    lines = [Line(each, 0, unbounded=True) for each in features]
    return await world.engine.reserving.reserve(TEST, "ada", lines, ttl=timedelta(minutes=1))


async def test_it_is_refused_where_there_is_a_limit(world: World) -> None:
    """However much is left; and where it is reached, it is refused as ever."""
    assert (await reserve(world, "token", "message")).reason == f"message: {NO_AMOUNT}"
    await world.engine.reserving.consume(Consume(environment=TEST, user_id="ada", lines=[Line("message", 10)]))
    full = await reserve(world, "message")
    assert (full.outcome, full.reason != f"message: {NO_AMOUNT}") == (Outcome.LIMIT_EXCEEDED, True)


async def test_its_last_settlement_names_it(world: World) -> None:
    """A part need not."""
    held = (await reserve(world, "token")).reservation
    assert held is not None
    assert (held.unbounded, held.lines[0].held) == (["token"], 0)
    settle = world.engine.reserving.settle
    with pytest.raises(InvalidValue, match="lines must name 'token', which was set aside without an amount"):
        await settle(TEST, held.id, [Line("message", 1)])
    assert (await settle(TEST, held.id, [Line("message", 1)], is_final=False)).answer.granted
    done = (await settle(TEST, held.id, [Line("token", 1_000)])).answer
    assert (done.granted, done.reservation and done.reservation.lines[0].settled) == (True, 1_000)


async def test_what_nobody_settled_leaves_a_line_and_the_total_alone(world: World) -> None:
    """Released or ended; what was settled stays used."""
    await world.engine.reserving.consume(Consume(environment=TEST, user_id="ada", lines=[Line("token", 7)]))
    released, _ = (await reserve(world, "token")).reservation, await reserve(world, "token")
    assert released is not None
    await world.engine.reserving.release(TEST, released.id)
    world.clock.advance(minutes=1)
    await reserve(world, "token")
    found = (await world.engine.ledger.search(TEST, "ada")).entries
    assert [each.line and each.line.step for each in found] == [
        "RESERVED",
        "ENDED",
        "RELEASED",
        "RESERVED",
        "RESERVED",
        None,
    ]
    said = (await world.usage.check(TEST, "ada", "token")).consumption
    assert (said and said.used, (await world.store.audits.audit()).is_clean) == (7, True)


def test_a_line_has_an_amount_unless_it_is_unbounded() -> None:
    """Units of 0 are for that alone."""
    assert (HeldLine(feature_id="a", units=0).unbounded, HeldLine(feature_id="a", units=1).unbounded) == (True, False)
    with pytest.raises(InvalidValue, match="units must be 1 to"):
        Consume(environment=TEST, user_id="ada", lines=[Line("a", 0)])
