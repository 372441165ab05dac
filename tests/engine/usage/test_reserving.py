"""Consuming and setting aside, by way of the engine; that every store agrees is in tests/contract."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from kana.engine.usage.batch import Batch, Reserved
from kana.engine.usage.reserving import parse_reservation_id
from kana.errors import IdempotencyKeyReused, InvalidValue, KanaError, ReservationNotFound, UserNotFound
from kana.model.account import Account
from kana.model.allowance import Allowance, Cost
from kana.model.consumed import WAS_OVER, Consumed
from kana.model.consuming import Consume, Release, ttl_of
from kana.model.entitlement import Outcome
from kana.model.line import Line
from kana.model.package import PackageFeature
from kana.model.reservation import ReservationStatus
from tests.support.world import (
    DAY,
    NOON,
    TEST,
    TESTER,
    World,
    a_catalog,
    a_feature,
    a_package,
    a_ref,
    a_subscription,
    a_usage,
    allows,
    an_account,
)

TTL = timedelta(minutes=15)
COSTLY = PackageFeature(feature_id="image", allowance=Allowance(limit=9, cost=Cost(feature_id="credit", units=5)))


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada may use ten messages a day, and images for credits that she has none of; bob has nothing."""
    await world.furnish(
        a_package("basic", allows(10, DAY), COSTLY), features=[a_feature(), a_feature("image"), a_feature("credit")]
    )
    await world.subscribed_user("ada")
    await world.accounts.create_user(TEST, id="bob")


def a_request(units: int = 1, feature_id: str = "message", **more: object) -> Consume:
    """So many units of one feature."""
    values = {"environment": TEST, "user_id": "ada", "lines": [Line(feature_id, units)], **more}
    return Consume(**values)  # type: ignore[arg-type]


async def held(world: World, units: int = 4, *, key: str | None = None) -> tuple[int, Consumed]:
    """The id of a new reservation, and its answer."""
    answer = await world.engine.reserving.reserve(TEST, "ada", [Line("message", units)], key=key)
    assert answer.reservation is not None
    return answer.reservation.id, answer


async def test_late_lines_are_decided_by_their_time(world: World) -> None:
    """In the period then, also if only tried out; before the subscription they are an error."""
    world.clock.advance(days=1)
    late = a_request(9, timestamp=NOON + timedelta(hours=1))
    assert (await world.engine.reserving.try_out(late)).granted
    assert (await world.engine.reserving.consume(late)).granted
    assert (await world.engine.reserving.consume(a_request(10))).granted
    for ask in (world.engine.reserving.try_out, world.engine.reserving.consume):
        with pytest.raises(InvalidValue, match="timestamp"):
            await ask(replace(late, timestamp=NOON - timedelta(days=2)))


async def test_late_usage_is_paid_with_the_credit_of_its_time(world: World) -> None:
    """By a line as by a usage: today's credit answers for today alone, and yesterday's for yesterday."""
    await world.furnish(
        a_package("basic", COSTLY, allows(10, DAY, feature="credit")),
        features=[a_feature("image"), a_feature("credit")],
    )
    world.clock.advance(days=1)
    assert (await world.engine.reserving.consume(a_request(2, feature_id="image"))).granted
    late = a_usage(feature_id="image", timestamp=NOON + timedelta(hours=1))
    assert (await world.usage.record(late)).entry.recorded
    line = a_request(feature_id="image", timestamp=late.timestamp)
    granted, refused = [await world.engine.reserving.consume(line) for _ in range(2)]
    assert granted.granted
    assert [each.outcome for each in refused.lines] == [Outcome.CREDIT_EXCEEDED, Outcome.LIMIT_EXCEEDED]
    assert (await world.usage.record(late)).entry.outcome is Outcome.CREDIT_EXCEEDED


async def test_who_has_nothing_is_refused(world: World) -> None:
    """Without a subscription; without the credit that it costs, by a line, a usage and a check; a stranger is none."""
    refused = await world.engine.reserving.consume(a_request(user_id="bob"))
    assert [each.outcome for each in refused.lines] == [Outcome.NO_SUBSCRIPTION]
    unpaid = await world.engine.reserving.consume(a_request(feature_id="image"))
    assert [each.outcome for each in unpaid.lines] == [Outcome.CREDIT_EXCEEDED, Outcome.NO_SUBSCRIPTION]
    assert unpaid.outcome is Outcome.NO_SUBSCRIPTION
    assert (await world.usage.record(a_usage(feature_id="image"))).entry.outcome is Outcome.CREDIT_EXCEEDED
    assert (await world.usage.check(TEST, "ada", "image")).outcome is Outcome.CREDIT_EXCEEDED
    assert (await world.usage.check(TEST, "ada", "image", delta=10)).outcome is Outcome.LIMIT_EXCEEDED
    with pytest.raises(UserNotFound):
        await world.engine.reserving.try_out(a_request(user_id="nobody"))
    both = await world.engine.reserving.consume(a_request(user_id="bob", lines=[Line("message", 1), Line("image", 1)]))
    assert [each.outcome for each in both.lines] == [Outcome.NO_SUBSCRIPTION] * 2


async def test_a_refused_line_of_nobody_has_no_consumption(world: World) -> None:
    """It would fit or not: nothing answers, so nothing is told."""
    await world.furnish(
        a_package("basic", allows(10, DAY)), features=[a_feature(), a_feature("image"), a_feature("credit")]
    )
    number, _ = await held(world)
    refused = (await world.engine.reserving.settle(TEST, number, [Line("message", 4), Line("image", 1)])).answer
    assert [(each.outcome, each.consumption is None) for each in refused.lines] == [
        (Outcome.OTHER_LINE_REFUSED, False),
        (Outcome.NO_SUBSCRIPTION, True),
    ]
    [subscribed] = await world.accounts.subscriptions(TEST, user_id="ada")
    await world.accounts.cancel_subscription(TEST, subscribed.subscription.id)
    refused = (await world.engine.reserving.settle(TEST, number, [Line("message", 4), Line("image", 1)])).answer
    assert [(each.outcome, each.consumption) for each in refused.lines] == [
        (Outcome.OTHER_LINE_REFUSED, None),
        (Outcome.NO_SUBSCRIPTION, None),
    ]
    done = (await world.engine.reserving.settle(TEST, number, [Line("message", 4)])).answer
    assert [(each.outcome, each.consumption) for each in done.lines] == [(Outcome.RECORDED, None)]


async def test_a_key_gets_its_first_answer_or_an_error(world: World) -> None:
    """The same call the first answer; another one names what differs."""
    number, first = await held(world, key="r")
    again = await world.engine.reserving.consume(a_request(4, ttl=TTL, key="r"))
    assert again == replace(first, duplicate=True)
    settling = world.engine.reserving.settle
    done = await settling(TEST, number, [Line("message", 3)], key="s")
    again = (await settling(TEST, number, [Line("message", 3)], key="s")).answer
    assert again == replace(done.answer, duplicate=True)
    other, _ = await held(world)
    for call, differing in (
        (settling(TEST, other, [Line("message", 3)], key="s"), "id differ"),
        (settling(TEST, number, [Line("message", 3)], key="s", is_final=False), "final differ"),
        (settling(TEST, number, [Line("message", 3)], key="s", metadata={"a": 1}), "metadata differ"),
        (settling(TEST, other, [Line("message", 3)], key="r"), "the calls differ"),
        (world.engine.reserving.consume(a_request(4, key="r")), "the calls differ"),
        (world.usage.record(a_usage(4, key="r")), "the calls differ"),
    ):
        with pytest.raises(IdempotencyKeyReused, match=differing):
            await call
    await world.usage.record(a_usage(1, key="u"))
    with pytest.raises(IdempotencyKeyReused, match="the calls differ"):
        await world.engine.reserving.consume(a_request(1, key="u"))


async def test_what_is_tried_out_is_what_is_set_aside(world: World) -> None:
    """Also where one line takes what another one costs, and nothing was set aside before."""
    await world.engine.giving.create_top_up(TEST, "ada", "credit", 8, reason="sold", by=TESTER)
    for units, granted in ((3, True), (4, False)):
        request = a_request(lines=[Line("image", 1), Line("credit", units)], ttl=TTL)
        tried = await world.engine.reserving.try_out(request)
        answer = await world.engine.reserving.consume(request)
        assert (tried.granted, answer.granted) == (granted, granted)
        if answer.reservation is not None:
            await world.engine.reserving.release(TEST, answer.reservation.id)


async def test_a_usage_is_not_the_first_of_several_features(world: World) -> None:
    """With the same key it is another call, whatever that one costs; one feature alone with its cost is the same."""
    await world.engine.reserving.consume(a_request(lines=[Line("image", 1), Line("message", 1)], key="both"))
    alone = await world.engine.reserving.consume(a_request(1, "image", key="alone"))
    with pytest.raises(IdempotencyKeyReused, match="the calls differ"):
        await world.usage.record(a_usage(1, feature_id="image", key="both"))
    again = await world.usage.record(a_usage(1, feature_id="image", key="alone"))
    assert (again.duplicate, again.entry.id) == (True, alone.lines[0].entry_id)


async def test_by_hand(world: World) -> None:
    """Found, listed, extended, released with a reason, and then over; what is not there is an error."""
    number, _ = await held(world)
    reserving = world.engine.reserving
    moved = await reserving.extend(TEST, number, ttl=timedelta(hours=1))
    assert (moved.user_id, moved.reservation.ends_at) == ("ada", NOON + timedelta(hours=1))
    assert await reserving.reservation(TEST, number) == moved
    assert await reserving.reservations(TEST, "ada") == [moved.reservation]
    assert await reserving.open_reservations(TEST, "ada", now=NOON) == [moved.reservation]
    with pytest.raises(InvalidValue, match="reason"):
        await reserving.release(TEST, number, by=TESTER)
    gone = await reserving.release(TEST, number, reason="stuck", by=TESTER)
    assert gone.reservation.status(NOON) is ReservationStatus.RELEASED
    assert (await reserving.settle(TEST, number, [Line("message", 1)])).answer.reason == WAS_OVER
    calls = (reserving.release(TEST, number + 1024), reserving.settle(TEST, 1, [Line("message", 1)]))
    for call in calls:
        with pytest.raises(ReservationNotFound):
            await call


def test_a_batch_that_sets_aside_needs_ids() -> None:
    """Without them it is a defect."""
    catalog = a_catalog(a_feature(), a_package("basic", allows(10)))
    accounts = {(TEST, "ada"): an_account(a_subscription())}
    batch = Batch([a_request(ttl=TTL)], clock=lambda: NOON, next_id=count(1).__next__)
    batch.begin()
    with pytest.raises(AssertionError, match="ids of reservations"):
        batch.place({TEST: catalog}, accounts, {})


def test_what_is_typed_is_read() -> None:
    """Ids are decimal digits, and seconds have bounds."""
    assert parse_reservation_id("12") == 12
    with pytest.raises(ReservationNotFound, match="'x'"):
        parse_reservation_id("x")
    assert ttl_of(86_400) == timedelta(days=1)
    for seconds in (0, 86_401, 2**53 - 1):
        with pytest.raises(InvalidValue, match=f"ttlSeconds must be 1 to 86400, got {seconds}$"):
            ttl_of(seconds)


def test_a_request_says_what_it_needs() -> None:
    """Lines, ttl, metadata and key have their bounds."""
    wrong: list[tuple[dict[str, object], str]] = [
        ({"lines": []}, "lines must be 1 to 20, got 0"),
        ({"lines": [Line(f"f{number}", 1) for number in range(21)]}, "lines must be 1 to 20, got 21"),
        ({"lines": [Line("a", 1), Line("a", 1)]}, r"lines\[1\].featureId must not be named by another line, got 'a'"),
        ({"units": 0}, r"lines\[0\].units must be 1 to 9007199254740991, got 0"),
        ({"ttl": timedelta(0)}, "ttlSeconds must be 1 to 86400, got 0"),
        ({"ttl": timedelta(seconds=86_401)}, "ttlSeconds must be 1 to 86400, got 86401"),
        ({"metadata": float("nan")}, "metadata"),
        ({"key": "a b"}, "idempotencyKey"),
    ]
    for changes, problem in wrong:
        with pytest.raises(KanaError, match=problem):
            a_request(**changes)  # type: ignore[arg-type]
    assert a_request(metadata={"a": 1}).metadata == {"a": 1}


async def test_somebody_elses_reservation_is_not_found(world: World) -> None:
    """Also where the store knows it."""
    number, _ = await held(world)
    mine = (await world.engine.reserving.reservation(TEST, number)).reservation
    theirs = replace(mine, user_key=mine.user_key + 1)
    catalog = a_catalog(a_feature(), a_package("basic", allows(10)))
    release = Release(environment=TEST, user_id="ada", reservation_id=number)
    batch = Batch([release], clock=lambda: NOON, next_id=count(1).__next__)
    batch.begin()
    account = Account(a_ref(key=mine.user_key), (a_subscription(),))
    batch.place({TEST: catalog}, {(TEST, "ada"): account}, {}, reserved=Reserved(reservations={number: theirs}))
    assert [type(answer) for answer in batch.answers] == [ReservationNotFound]


async def test_a_refused_reservation_has_no_id(world: World) -> None:
    """None was made; and its key is no usage's."""
    refused = await world.engine.reserving.reserve(TEST, "ada", [Line("message", 11)], key="k")
    assert refused.reservation is None
    [entry] = (await world.engine.ledger.search(TEST, "ada")).entries
    assert entry.line is not None
    assert (entry.line.step, entry.line.reservation_id) == ("RESERVED", None)
    with pytest.raises(IdempotencyKeyReused, match="the calls differ"):
        await world.usage.record(a_usage(11, key="k"))
