"""Units that are set aside on every store: held, settled, released, extended, ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from kana.errors import Conflict, IdempotencyKeyReused, InvalidValue, ReservationNotFound
from kana.model.allowance import Allowance, Cost
from kana.model.consumed import WAS_OVER, Consumed
from kana.model.entitlement import Consumption, Outcome
from kana.model.environment import Environment
from kana.model.line import Line
from kana.model.package import PackageFeature
from kana.model.reservation import ReservationStatus
from tests.support.stores import Place
from tests.support.world import DAY, LIVE, MONTH, TEST, TESTER, World, a_feature, a_package, a_usage, adds, allows

FEATURES = (a_feature(), a_feature("token"), a_feature("image"), a_feature("credit"))
COSTLY = PackageFeature(
    feature_id="image",
    allowance=Allowance(limit=9, reset_period=MONTH, cost=Cost(feature_id="credit", units=5)),
)


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada may use ten messages a day, a hundred tokens and nine images a month, of which each costs five credits."""
    basic = a_package("basic", allows(10, DAY), allows(100, feature="token"), COSTLY, allows(32, feature="credit"))
    await world.furnish(basic, a_package("more", adds(5, DAY), is_addon=True), features=FEATURES)
    await world.subscribed_user("ada")


def lines(units: dict[str, int]) -> list[Line]:
    """The lines of so many units of each feature."""
    return [Line(feature_id, number) for feature_id, number in units.items()]


async def reserve(world: World, key: str | None = None, /, minutes: float = 15, **units: int) -> Consumed:
    """Set so much aside."""
    return await world.engine.reserving.reserve(TEST, "ada", lines(units), ttl=timedelta(minutes=minutes), key=key)


async def settle(
    world: World, held: Consumed, key: str | None = None, /, *, is_final: bool = True, **units: int
) -> Consumed:
    """Settle so much of it."""
    number = number_of(held)
    settled = await world.engine.reserving.settle(TEST, number, lines(units), is_final=is_final, key=key)
    return settled.answer


def number_of(held: Consumed) -> int:
    """The id of the reservation."""
    assert held.reservation is not None
    return held.reservation.id


async def room(world: World, feature_id: str = "message") -> tuple[int, int]:
    """How many units are used, and how many more a record of all that is left takes at most, tried out."""
    said = (await world.usage.check(TEST, "ada", feature_id)).consumption
    assert said is not None
    fits = 0
    for step in (64, 32, 16, 8, 4, 2, 1):
        if (await world.usage.check(TEST, "ada", feature_id, delta=fits + step)).access:
            fits += step
    return said.used, fits


async def status(world: World, held: Consumed) -> ReservationStatus:
    """What became of it by now."""
    found = await world.engine.reserving.reservation(TEST, number_of(held))
    assert found.user_id == "ada"
    return found.reservation.status(world.clock())


async def is_clean(world: World) -> bool:
    """Whether every total is the sum of its lines."""
    return (await world.store.audits.audit()).is_clean


async def test_what_is_set_aside_is_not_there_for_others(world: World) -> None:
    """It is not used either; settled, what was really used is used, and the rest is there again."""
    held = await reserve(world, message=7, token=50)
    assert (held.granted, await status(world, held)) == (True, ReservationStatus.OPEN)
    assert (await room(world), await room(world, "token")) == ((0, 3), (0, 50))
    refused = await world.usage.record(a_usage(4))
    assert refused.entry.reason is not None
    assert "0 used, 7 held, 4 more would exceed" in refused.entry.reason
    done = await settle(world, held, message=5, token=20)
    assert [(each.feature_id, each.units, each.outcome) for each in done.lines] == [
        ("message", 5, Outcome.RECORDED),
        ("token", 20, Outcome.RECORDED),
    ]
    assert [None if each.consumption is None else each.consumption.used for each in done.lines] == [5, 20]
    assert (await room(world), await room(world, "token")) == ((5, 5), (20, 80))
    assert await status(world, held) is ReservationStatus.SETTLED
    with pytest.raises(Conflict, match="settled already"):
        await settle(world, held, message=1)
    assert await is_clean(world)


async def test_what_does_not_fit_is_not_set_aside(world: World) -> None:
    """All or nothing."""
    held = await reserve(world, message=11, token=50)
    assert (held.granted, held.reservation, held.outcome) == (False, None, Outcome.LIMIT_EXCEEDED)
    assert (await room(world), await room(world, "token")) == ((0, 10), (0, 100))
    assert [(await reserve(world, message=5)).granted for _ in range(3)] == [True, True, False]


async def test_those_that_arrive_together_are_set_aside_exactly(world: World) -> None:
    """In one batch, with usage between them: never more than there is."""
    answers = await asyncio.gather(
        reserve(world, message=4), world.usage.record(a_usage(3)), reserve(world, message=4), reserve(world, message=3)
    )
    assert [answers[0].granted, answers[1].entry.recorded, answers[2].granted, answers[3].granted] == [
        True, True, False, True,
    ]  # fmt: skip
    assert await room(world) == (3, 0)
    assert await is_clean(world)


async def test_more_than_is_set_aside_is_taken_if_it_fits(world: World) -> None:
    """Else nothing is settled, the answer says how much would fit, and the reservation stands."""
    held = await reserve(world, message=4)
    await world.usage.record(a_usage(3))
    refused = await settle(world, held, message=8)
    assert (refused.granted, refused.outcome) == (False, Outcome.LIMIT_EXCEEDED)
    assert refused.lines[0].consumption == Consumption(3, 10, overage_enabled=False)
    assert refused.reason is not None
    assert refused.reason.endswith("Of 8 units, 7 would fit.")
    assert (await status(world, held), await room(world)) == (ReservationStatus.OPEN, (3, 3))
    assert (await settle(world, held, message=7)).granted
    assert await room(world) == (10, 0)
    assert await is_clean(world)


async def test_it_is_settled_in_parts(world: World) -> None:
    """What is left stays set aside until the last one, of which the rest is let go, also of lines that it omits."""
    held = await reserve(world, message=6, token=9)
    part = await settle(world, held, is_final=False, message=2)
    assert part.reservation is not None
    assert [(each.settled, each.held) for each in part.reservation.lines] == [(2, 4), (0, 9)]
    assert await room(world) == (2, 4)
    assert (await settle(world, held, is_final=False, message=4)).granted
    assert (await room(world), await room(world, "token")) == ((6, 4), (0, 91))
    assert (await settle(world, held, message=0)).granted
    assert (await room(world), await room(world, "token")) == ((6, 4), (0, 100))
    assert await is_clean(world)


async def test_any_feature_may_be_settled(world: World) -> None:
    """One that was not set aside is decided like new usage, with the others."""
    held = await reserve(world, message=6)
    refused = await settle(world, held, message=1, token=101)
    assert [each.outcome for each in refused.lines] == [Outcome.OTHER_LINE_REFUSED, Outcome.LIMIT_EXCEEDED]
    assert (await settle(world, held, message=1, token=100)).granted
    assert (await room(world), await room(world, "token")) == ((1, 9), (100, 0))


async def test_released_it_is_there_again(world: World) -> None:
    """Once; released again nothing changes, and who did it by hand is in the ledger with the reason."""
    held = await reserve(world, message=6)
    for _ in range(2):
        gone = await world.engine.reserving.release(TEST, number_of(held), reason="stuck", by=TESTER)
        assert gone.reservation.status(world.clock()) is ReservationStatus.RELEASED
    assert await room(world) == (0, 10)
    page = await world.engine.ledger.search(TEST, "ada")
    assert [(entry.delta, entry.change, entry.line and entry.line.step, entry.metadata) for entry in page.entries] == [
        (6, 0, "RELEASED", {"reason": "stuck", "by": "tester"}),
        (6, 0, "RESERVED", None),
    ]
    late = await settle(world, held, message=4)
    assert (late.granted, late.reason, await room(world)) == (True, WAS_OVER, (4, 6))
    assert await is_clean(world)


async def test_after_its_end_it_holds_nothing(world: World) -> None:
    """Wherever anybody looks, before anything was written; the next decision notes in the ledger that it ended."""
    held = await reserve(world, minutes=1, message=10)
    assert await room(world) == (0, 0)
    world.clock.advance(seconds=60)
    assert (await status(world, held), await room(world)) == (ReservationStatus.ENDED, (0, 10))
    assert (await world.usage.record(a_usage(9))).entry.recorded
    page = await world.engine.ledger.search(TEST, "ada")
    assert [(entry.delta, entry.change, entry.line and entry.line.step) for entry in page.entries] == [
        (9, 9, None), (10, 0, "ENDED"), (10, 0, "RESERVED"),
    ]  # fmt: skip
    late = await settle(world, held, "k", message=2)
    assert (late.granted, late.outcome) == (False, Outcome.LIMIT_EXCEEDED)
    assert late.reason is not None
    assert late.reason.endswith(WAS_OVER)
    fits = await settle(world, held, message=1)
    assert (fits.granted, fits.reason, await room(world)) == (True, WAS_OVER, (10, 0))
    assert await settle(world, held, "k", message=2) == replace(late, duplicate=True)
    with pytest.raises(Conflict, match="is ended: only an open one can be extended"):
        await world.engine.reserving.extend(TEST, number_of(held), ttl=timedelta(hours=1))
    assert await is_clean(world)


async def test_its_end_can_be_moved(world: World) -> None:
    """It counts from the call."""
    held = await reserve(world, minutes=1, message=10)
    world.clock.advance(seconds=59)
    moved = await world.engine.reserving.extend(TEST, number_of(held), ttl=timedelta(hours=24))
    assert moved.reservation.ends_at == world.clock() + timedelta(hours=24)
    world.clock.advance(hours=23)
    assert await room(world) == (0, 0)
    world.clock.advance(hours=1)
    assert await room(world) == (0, 10)
    for seconds in (0, -1, 86_401):
        with pytest.raises(InvalidValue, match="ttlSeconds must be 1 to 86400"):
            await world.engine.reserving.extend(TEST, number_of(held), ttl=timedelta(seconds=seconds))


async def test_the_same_key_gets_the_first_answer_again(world: World) -> None:
    """Setting aside once, settling once, whatever happened since; another call with the key is refused."""
    held = await reserve(world, "r", message=6)
    again = await reserve(world, "r", message=6)
    assert again == replace(held, duplicate=True)
    assert await room(world) == (0, 4)
    done = await settle(world, held, "s", message=5, token=3)
    assert await settle(world, held, "s", message=5, token=3) == replace(done, duplicate=True)
    assert (await room(world), await room(world, "token")) == ((5, 5), (3, 97))
    others: list[dict[str, int]] = [{"message": 4, "token": 3}, {"message": 5}]
    for units in others:
        with pytest.raises(IdempotencyKeyReused, match="lines differ"):
            await settle(world, held, "s", is_final=True, **units)
    with pytest.raises(IdempotencyKeyReused, match=": final differ"):
        await settle(world, held, "s", is_final=False, message=5, token=3)
    with pytest.raises(IdempotencyKeyReused, match="the calls differ"):
        await settle(world, held, "r", message=6)
    with pytest.raises(IdempotencyKeyReused, match="the calls differ"):
        await world.usage.record(a_usage(6, key="r"))
    assert (await reserve(world, "r", message=6)).duplicate


async def test_a_part_and_the_last_settlement_are_not_the_same(world: World) -> None:
    """Neither while it stands, nor when it is over; what let the rest go and what did not is told apart for ever."""
    held = await reserve(world, message=6)
    part = await settle(world, held, "part", is_final=False, message=1)
    with pytest.raises(IdempotencyKeyReused, match=": final differ; nothing was recorded"):
        await settle(world, held, "part", message=1)
    assert (await room(world), await status(world, held)) == ((1, 4), ReservationStatus.OPEN)
    assert (await settle(world, held, "part", is_final=False, message=1)).lines == part.lines
    with pytest.raises(IdempotencyKeyReused, match=": lines, final differ"):
        await settle(world, held, "part", message=2)
    world.clock.advance(minutes=15)
    late = await settle(world, held, "late", message=1)
    for key, is_final, differs in (("late", False, True), ("late", True, False), ("part", True, True)):
        if differs:
            with pytest.raises(IdempotencyKeyReused, match=": final differ"):
                await settle(world, held, key, is_final=is_final, message=1)
        else:
            assert (await settle(world, held, key, is_final=is_final, message=1)) == replace(late, duplicate=True)
    assert (await room(world)) == (2, 8)
    assert await is_clean(world)


async def test_a_settlement_from_before_that_was_kept_is_answered_again(world: World, place: Place) -> None:
    """Nobody knows any more whether it was the last; the rest of it is still compared."""
    held = await reserve(world, message=6)
    done = await settle(world, held, "s", message=6)
    assert done.decision_id is not None
    line = f'[1, "SETTLED", {number_of(held)}, null]'
    await place.tamper(f"update entries set line = '{line}' where id = {done.decision_id}")
    assert await settle(world, held, "s", is_final=False, message=6) == replace(done, duplicate=True)
    with pytest.raises(IdempotencyKeyReused, match=": lines differ"):
        await settle(world, held, "s", message=5)


async def test_what_is_held_is_a_promise(world: World) -> None:
    """In its own period, whatever the limit has become, and however the subscription has changed."""
    held = await reserve(world, minutes=1440, message=8)
    world.clock.advance(hours=13)
    await world.furnish(a_package("basic", allows(2, DAY)), features=FEATURES)
    assert await room(world) == (0, 0)
    world.clock.advance(hours=10)
    subscription = (await world.accounts.subscriptions(TEST, user_id="ada"))[0].subscription
    await world.accounts.cancel_subscription(TEST, subscription.id)
    assert (await settle(world, held, message=8)).granted
    assert await is_clean(world)


async def test_of_several_grants_it_holds_what_ends_first(world: World) -> None:
    """And gives back to the same ones."""
    await world.accounts.subscribe(TEST, "ada", ["more"])
    held = await reserve(world, message=12)
    assert await room(world) == (0, 3)
    assert (await settle(world, held, message=11)).granted
    assert await room(world) == (11, 4)
    entry = (await world.engine.ledger.search(TEST, "ada")).entries[0]
    assert sum(change for counter, change in entry.postings if counter.is_held) == -12
    assert sum(change for counter, change in entry.postings if not counter.is_held) == 11
    undone = await world.usage.reverse(TEST, entry.id, reason="wrong", by=TESTER, user_id="ada")
    assert (undone.entry.change, await room(world)) == (-11, (0, 15))
    assert await is_clean(world)


async def test_what_it_costs_is_set_aside_too(world: World) -> None:
    """At the price of then."""
    held = await reserve(world, image=4)
    assert (await room(world, "credit"), await room(world, "image")) == ((0, 12), (0, 2))
    done = await settle(world, held, image=3)
    assert [(each.feature_id, each.units) for each in done.lines] == [("image", 3), ("credit", 15)]
    assert await room(world, "credit") == (15, 17)
    assert not (await reserve(world, image=4)).granted
    assert await is_clean(world)


async def test_nobody_else_finds_it(world: World) -> None:
    """Not in another environment, nor by an id that none has."""
    held = await reserve(world, message=1)
    strange: list[tuple[Environment, int]] = [(LIVE, number_of(held)), (TEST, number_of(held) + 1024), (TEST, 5)]
    for environment, number in strange:
        with pytest.raises(ReservationNotFound):
            await world.engine.reserving.reservation(environment, number)
        with pytest.raises(ReservationNotFound):
            await world.engine.reserving.release(environment, number)


async def test_those_of_a_user_are_listed(world: World) -> None:
    """All of them the newest first, page by page; the open ones by their ends."""
    ids = [number_of(await reserve(world, minutes=minutes, message=1)) for minutes in (30, 10, 20)]
    newest = await world.engine.reserving.reservations(TEST, "ada", first=2)
    rest = await world.engine.reserving.reservations(TEST, "ada", after=newest[-1].id)
    assert [each.id for each in (*newest, *rest)] == ids[::-1]
    world.clock.advance(minutes=10)
    listed = await world.engine.reserving.open_reservations(TEST, "ada", now=world.clock())
    assert [each.id for each in listed] == [ids[2], ids[0]]
