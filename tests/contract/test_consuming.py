"""Several features in one decision on every store: all or nothing, one key, one entry for each line."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from kana.errors import FeatureNotFound, IdempotencyKeyReused, InvalidValue, KanaError, UserNotFound
from kana.model.allowance import Allowance, Cost
from kana.model.consumed import Consumed
from kana.model.consuming import Consume
from kana.model.entitlement import Outcome
from kana.model.line import Line
from kana.model.package import PackageFeature
from tests.support.world import DAY, MONTH, TEST, World, a_feature, a_package, a_usage, adds, allows, holds

FEATURES = (a_feature(), a_feature("token"), a_feature("image"), a_feature("credit"), a_feature("chat", binary=True))
COSTLY = PackageFeature(
    feature_id="image",
    allowance=Allowance(limit=9, reset_period=MONTH, cost=Cost(feature_id="credit", units=5)),
)


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada may use ten messages a day, a hundred tokens and nine images a month, of which each costs five credits."""
    basic = a_package(
        "basic", allows(10, DAY), allows(100, feature="token"), COSTLY, allows(32, feature="credit"), holds("chat")
    )
    await world.furnish(basic, a_package("more", adds(5, DAY), is_addon=True), features=FEATURES)
    await world.subscribed_user("ada")


async def consume(world: World, key: str | None = None, /, **units: int) -> Consumed:
    """Ada uses so many units of each feature together."""
    lines = [Line(feature_id, number) for feature_id, number in units.items()]
    return await world.engine.reserving.consume(Consume(environment=TEST, user_id="ada", lines=lines, key=key))


async def used(world: World, feature_id: str) -> int:
    """What a check says is used."""
    said = (await world.usage.check(TEST, "ada", feature_id)).consumption
    assert said is not None
    return said.used


def outcomes(answer: Consumed) -> list[tuple[str, int, Outcome]]:
    """What was decided on each line."""
    return [(line.feature_id, line.units, line.outcome) for line in answer.lines]


async def is_clean(world: World) -> bool:
    """Whether every total is the sum of its lines."""
    return (await world.store.audits.audit()).is_clean


async def test_all_lines_are_used_together(world: World) -> None:
    """Each has an entry of its own, of one decision; what was used is told."""
    answer = await consume(world, message=3, token=40, chat=1)
    assert (answer.granted, answer.outcome, answer.reason, answer.duplicate) == (True, Outcome.RECORDED, None, False)
    assert outcomes(answer) == [
        ("message", 3, Outcome.RECORDED),
        ("token", 40, Outcome.RECORDED),
        ("chat", 1, Outcome.RECORDED),
    ]
    assert [None if each.consumption is None else each.consumption.used for each in answer.lines] == [3, 40, None]
    entries = [await world.store.ledger.entry(TEST, "ada", each.entry_id or 0) for each in answer.lines]
    assert {entry.line.decision_id for entry in entries if entry.line} == {answer.decision_id} == {entries[0].id}
    assert [(entry.feature_id, entry.change) for entry in entries] == [("message", 3), ("token", 40), ("chat", 1)]
    assert (await used(world, "message"), await used(world, "token")) == (3, 40)
    assert await is_clean(world)


async def test_the_entries_of_a_decision_are_found_by_each_of_them(world: World) -> None:
    """In the order of its lines, a refused one too; an entry of its own is alone."""
    done = await consume(world, message=3, image=2, token=5)
    await consume(world, token=1)
    refused = await consume(world, message=1, image=9)
    alone = (await world.usage.record(a_usage(1))).entry
    ledger = world.engine.ledger
    assert await ledger.decision(alone) == [alone]
    for answer, features in (
        (done, ["message", "image", "credit", "token"]),
        (refused, ["message", "image", "credit"]),
    ):
        for line in answer.lines:
            found = await ledger.decision(await ledger.entry(TEST, "ada", str(line.entry_id)))
            assert [each.feature_id for each in found] == features
            assert [each.id for each in found] == [each.entry_id for each in answer.lines]


async def test_one_line_that_does_not_fit_stops_all(world: World) -> None:
    """Nothing is used; the answer names what does not fit, and what would have."""
    answer = await consume(world, message=11, token=40, chat=1)
    assert outcomes(answer) == [
        ("message", 11, Outcome.LIMIT_EXCEEDED),
        ("token", 40, Outcome.OTHER_LINE_REFUSED),
        ("chat", 1, Outcome.OTHER_LINE_REFUSED),
    ]
    assert (answer.granted, answer.outcome) == (False, Outcome.LIMIT_EXCEEDED)
    assert answer.reason is not None
    assert answer.reason.startswith("message: The limit of 10 is reached for this period: 0 used, 11 more would exceed")
    assert (await used(world, "message"), await used(world, "token")) == (0, 0)
    both = await consume(world, message=11, token=101)
    assert [line.outcome for line in both.lines] == [Outcome.LIMIT_EXCEEDED] * 2
    assert both.reason is not None
    assert "message: The limit of 10" in both.reason
    assert "token: The limit of 100" in both.reason
    assert await is_clean(world)


async def test_the_same_key_gets_the_first_answer_again(world: World) -> None:
    """Granted or refused, in the same process or another, whatever happened since."""
    first = await consume(world, "k", message=3, token=40)
    refused = await consume(world, "r", message=8)
    await consume(world, token=60)
    again, still_refused = await consume(world, "k", message=3, token=40), await consume(world, "r", message=8)
    assert again == replace(first, duplicate=True)
    assert still_refused == replace(refused, duplicate=True)
    assert (await used(world, "message"), await used(world, "token")) == (3, 100)
    others: list[dict[str, int]] = [
        {"message": 3}, {"message": 3, "token": 41}, {"token": 40, "message": 3}, {"message": 3, "chat": 40},
    ]  # fmt: skip
    for units in others:
        with pytest.raises(IdempotencyKeyReused, match="lines"):
            await consume(world, "k", **units)
    for units_of_one in (3, 4):
        with pytest.raises(IdempotencyKeyReused):
            await world.usage.record(a_usage(units_of_one, key="k"))
    alone = await consume(world, "alone", image=1)
    assert (await world.usage.record(a_usage(1, feature_id="image", key="alone"))).entry.id == alone.lines[0].entry_id


async def test_together_in_one_batch_each_sees_what_those_before_it_took(world: World) -> None:
    """Five at once take exactly what there is, and the same key once."""
    keys = ("a", "a", None, None, None)
    answers = await asyncio.gather(*(consume(world, key, message=3, token=1) for key in keys))
    assert [each.granted for each in answers] == [True, True, True, True, False]
    assert (await used(world, "message"), await used(world, "token")) == (9, 3)


async def test_a_cost_is_part_of_the_decision(world: World) -> None:
    """By a line as by a usage: the credit is taken, refused with it, and given back with it."""
    answer = await consume(world, image=2)
    assert outcomes(answer) == [("image", 2, Outcome.RECORDED), ("credit", 10, Outcome.RECORDED)]
    assert [line.cost_of for line in answer.lines] == [None, "image"]
    receipt = await world.usage.record(a_usage(3, feature_id="image", key="k"))
    assert receipt.entry.recorded
    assert (await used(world, "image"), await used(world, "credit")) == (5, 25)
    assert (await world.usage.record(a_usage(3, feature_id="image", key="k"))).duplicate
    refused = (await world.usage.record(a_usage(2, feature_id="image"))).entry
    assert refused.outcome is Outcome.CREDIT_EXCEEDED
    assert refused.reason is not None
    assert refused.reason.startswith("credit: The limit of 32 is reached")
    back = (await world.usage.record(a_usage(-1, feature_id="image"))).entry
    assert (back.recorded, await used(world, "image"), await used(world, "credit")) == (True, 4, 20)
    assert outcomes(await consume(world, image=1, message=11)) == [
        ("image", 1, Outcome.OTHER_LINE_REFUSED),
        ("credit", 5, Outcome.OTHER_LINE_REFUSED),
        ("message", 11, Outcome.LIMIT_EXCEEDED),
    ]
    assert await is_clean(world)


async def test_wrong_lines_are_errors_and_change_nothing(world: World) -> None:
    """An unknown user or feature, none or too many lines, a feature twice, no amount: each is named."""
    wrong: list[tuple[dict[str, int], type[KanaError]]] = [
        ({"nothing": 1}, FeatureNotFound),
        ({}, InvalidValue),
        ({"message": 0}, InvalidValue),
        ({"message": -1}, InvalidValue),
        ({"message": 2**53}, InvalidValue),
    ]
    for units, problem in wrong:
        with pytest.raises(problem):
            await consume(world, **units)
    with pytest.raises(UserNotFound):
        await world.engine.reserving.consume(Consume(environment=TEST, user_id="nobody", lines=[Line("message", 1)]))
    with pytest.raises(InvalidValue, match=r"lines\[1\].featureId"):
        Consume(environment=TEST, user_id="ada", lines=[Line("message", 1), Line("message", 2)])
    assert await used(world, "message") == 0


async def test_a_dry_run_says_what_would_be_and_writes_nothing(world: World) -> None:
    """The same answer as the decision after it, without ids."""
    for units in ({"message": 3, "image": 1}, {"message": 8}, {"image": 7}):
        request = Consume(environment=TEST, user_id="ada", lines=[Line(*each) for each in units.items()])
        tried = await world.engine.reserving.try_out(request)
        assert (tried.decision_id, {line.entry_id for line in tried.lines}) == (None, {None})
        done = await world.engine.reserving.consume(request)
        assert tried == replace(
            done, decision_id=None, lines=tuple(replace(line, entry_id=None) for line in done.lines)
        )


async def test_late_lines_are_decided_by_their_time(world: World) -> None:
    """In the period then; too early is refused with the reason."""
    world.clock.advance(days=1)
    then = world.clock() - timedelta(hours=20)
    late = Consume(environment=TEST, user_id="ada", lines=[Line("message", 9), Line("token", 9)], timestamp=then)
    assert (await world.engine.reserving.consume(late)).granted
    assert (await used(world, "message"), await used(world, "token")) == (0, 9)
    with pytest.raises(KanaError, match="timestamp must not be before"):
        await world.engine.reserving.consume(replace(late, timestamp=then - timedelta(days=9)))
    assert await is_clean(world)
