"""Blocks that set units aside, with both clients, against a real server."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kana.errors import Conflict, InvalidValue
from kana.sdk import (
    UNBOUNDED,
    AsyncHold,
    Grant,
    KanaAdmin,
    Outcome,
    OutcomeUnknown,
    ReservationStatus,
    Retry,
    UsageRefused,
)
from tests.sdk.people import meter, used, value
from tests.sdk.proxy import LosingProxy
from tests.support.server import KanaServer


@asynccontextmanager
async def entered(hold: Any) -> AsyncIterator[Any]:
    """The block of either client."""
    if isinstance(hold, AsyncHold):
        async with hold:
            yield hold
    else:
        with hold:
            yield hold


async def status(either: Any, hold: Any) -> ReservationStatus:
    found = await value(either.reservations.retrieve(hold.id))
    kept: ReservationStatus = found.status
    return kept


async def broken_after(hold: Any, used_by_then: dict[str, int]) -> None:
    async with entered(hold):
        await value(hold.settle(used_by_then, final=False))
        raise BrokenError


class BrokenError(Exception):
    """What a block is left by."""


async def test_what_was_used_is_settled(either: Any, user: str, second: str) -> None:
    """The rest is there again; what is not named counts as it was set aside, unless it is named with 0."""
    for named, expected in (({}, 1), ({second: 0}, 1), ({second: 3}, 4)):
        async with entered(either.reserve(user, {meter(user): 5, second: 1}, ttl=60)) as hold:
            assert not (await value(either.consume(user, {meter(user): 6}))).granted
            done = await value(hold.settle({meter(user): 1, **named}))
            assert (done.granted, done.was_over, done.reservation.status) == (True, False, ReservationStatus.SETTLED)
        assert await used(either, user, second) == expected
    assert await used(either, user) == 3
    with pytest.raises(Conflict, match="settled already"):
        await value(hold.settle({meter(user): 1}))


async def test_without_a_settlement_it_counts_and_warns(either: Any, user: str) -> None:
    """Silence costs what was set aside, and says so."""
    with pytest.warns(UserWarning, match=r"Reservation \d+ was not settled: it counts as it was reserved"):
        async with entered(either.reserve(user, {meter(user): 5})):
            pass
    assert await used(either, user) == 5


async def test_a_failure_lets_go(either: Any, user: str) -> None:
    """Nothing is used, and the failure goes on as it is."""
    with pytest.raises(BrokenError):
        async with entered(either.reserve(user, {meter(user): 5})) as hold:
            raise BrokenError
    assert (await status(either, hold), await used(either, user)) == (ReservationStatus.RELEASED, 0)


async def test_a_failure_after_a_part_lets_the_rest_go(either: Any, user: str) -> None:
    """What was settled stays used; left without a failure, the rest goes too, and nothing warns."""
    with pytest.raises(BrokenError):
        await broken_after(either.reserve(user, {meter(user): 5}), {meter(user): 2})
    assert await used(either, user) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with entered(either.reserve(user, {meter(user): 5})) as hold:
            await value(hold.settle({meter(user): 2}, final=False))
    assert (await status(either, hold), await used(either, user)) == (ReservationStatus.SETTLED, 4)


async def test_what_is_refused_does_not_begin(either: Any, user: str) -> None:
    """The work never goes on silently."""
    begun = []
    with pytest.raises(UsageRefused, match="limit of 10") as caught:
        async with entered(either.reserve(user, {meter(user): 11})):
            begun.append(1)
    error = caught.value
    assert (begun, error.outcome, error.unsettled) == ([], Outcome.LIMIT_EXCEEDED, {})
    assert error.reason == error.message
    assert [(line.feature_id, line.outcome) for line in error.lines] == [(meter(user), Outcome.LIMIT_EXCEEDED)]


async def test_a_settlement_that_does_not_fit_is_answered(either: Any, user: str) -> None:
    """Then what was set aside counts, and the block warns."""
    with pytest.warns(UserWarning, match="settled as it was reserved, since its settlement was refused"):
        async with entered(either.reserve(user, {meter(user): 5})) as hold:
            assert not (await value(hold.settle({meter(user): 11}))).granted
    assert await used(either, user) == 5


async def test_it_is_released_and_extended_within(either: Any, user: str) -> None:
    """Released, nothing is settled at its end."""
    async with entered(either.reserve(user, {meter(user): 5}, ttl=60)) as hold:
        before = hold.reservation.ends_at
        assert (await value(hold.extend(3600))).ends_at > before
        assert (await value(hold.release())).status is ReservationStatus.RELEASED
        assert hold.reservation.status is ReservationStatus.RELEASED
    assert await used(either, user) == 0


async def test_a_block_is_entered_once(either: Any, user: str) -> None:
    """Neither without `with`, nor again, nor by a key of which the work is done."""
    hold = either.reserve(user, {meter(user): 1}, idempotency_key=f"h-{user}")
    with pytest.raises(Conflict, match="use `with"):
        await value(hold.settle())
    async with entered(hold):
        await value(hold.settle())
    with pytest.raises(Conflict, match="was entered already"):
        async with entered(hold):
            pass
    with pytest.raises(Conflict, match="of this idempotency key is settled"):
        async with entered(either.reserve(user, {meter(user): 1}, idempotency_key=f"h-{user}")):
            pass
    assert await used(either, user) == 1


async def test_a_settlement_of_unknown_outcome_is_not_let_go(server: KanaServer, kana: KanaAdmin, user: str) -> None:
    """Its key goes on: the reservation stands, and the failure says until when."""
    with LosingProxy(server.address, share=0.0) as proxy:
        once = Retry(attempts=1)
        with KanaAdmin(api_key=server.private_key, endpoint=proxy.address, retry=once) as caller:
            hold = caller.reserve(user, {meter(user): 5})

            def work() -> None:
                with hold:
                    proxy.share = 1.0
                    hold.settle({meter(user): 2})

            with pytest.raises(OutcomeUnknown) as caught:
                work()
    assert "may stand until" in caught.value.__notes__[0]
    key = caught.value.idempotency_key
    answer = kana.reservations.settle(hold.id, {meter(user): 2}, idempotency_key=key)
    assert answer.granted
    assert await used(kana, user) == 2


@pytest.fixture
def open_end(kana: KanaAdmin, user: str, number: int) -> str:
    """The id of a feature of which ``user`` may use 1 unit a month, and more with overage."""
    feature_id = f"open-{number}"
    grant = Grant(id=feature_id, limit=1, overage_enabled=True, reset_period="MONTH")
    kana.features.create(id=feature_id, type="CONSUMABLE")
    kana.packages.create(id=feature_id, features=[grant], is_addon=True)
    kana.packages.publish(id=feature_id)
    kana.subscriptions.create(user_id=user, package_ids=[feature_id])
    return feature_id


async def test_what_nobody_can_say_is_named_in_the_end(either: Any, user: str, open_end: str) -> None:
    """A settlement without it is refused, also by a plain call; with a limit, or as usage, an amount is needed."""
    async with entered(either.reserve(user, {open_end: UNBOUNDED, meter(user): 2})) as hold:
        assert [(line.units, line.unbounded) for line in hold.reservation.lines] == [(0, True), (2, False)]
        with pytest.raises(InvalidValue, match=f"{open_end} must be named: it was set aside without an amount"):
            await value(hold.settle({meter(user): 1}))
        assert (await value(hold.settle({open_end: 500}))).granted
    assert (await used(either, user, open_end), await used(either, user)) == (500, 2)
    made = await value(either.reservations.create(user, {open_end: UNBOUNDED}))
    with pytest.raises(InvalidValue, match=f"lines must name '{open_end}'"):
        await value(either.reservations.settle(made.reservation.id, {meter(user): 1}))
    refused = await value(either.reservations.create(user, {meter(user): UNBOUNDED}))
    assert (refused.granted, refused.outcome) == (False, Outcome.LIMIT_EXCEEDED)
    with pytest.raises(InvalidValue, match="must be a whole number"):
        await value(either.consume(user, {open_end: UNBOUNDED}))


async def settled_in_part(hold: Any, part: dict[str, int]) -> None:
    async with entered(hold):
        if part:
            await value(hold.settle(part, final=False))


async def test_a_block_that_says_nothing_of_it_warns(either: Any, user: str, open_end: str) -> None:
    """None of it is counted, whatever else was settled; what was named in a part is not missed."""
    for part in ({}, {meter(user): 1}):
        with pytest.warns(UserWarning, match=f"nobody said how much of {open_end} was used, so none is counted"):
            await settled_in_part(either.reserve(user, {open_end: UNBOUNDED, meter(user): 2}), part)
    assert (await used(either, user, open_end), await used(either, user)) == (0, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with entered(either.reserve(user, {open_end: UNBOUNDED, meter(user): 2})) as hold:
            await value(hold.settle({open_end: 7}, final=False))
            await value(hold.settle({meter(user): 1}))
    assert (await used(either, user, open_end), await used(either, user)) == (7, 4)


def test_a_stream_counts_what_nobody_can_say(kana: KanaAdmin, user: str, open_end: str) -> None:
    """Or something else has said it before."""
    with kana.reserve(user, {open_end: UNBOUNDED}) as hold:
        with pytest.raises(InvalidValue, match=f"{open_end} must be named"):
            hold.stream([1, 2], {meter(user): int})
        assert list(hold.stream([100, 200, 300], {open_end: int})) == [100, 200, 300]
    shown = kana.features.show_usage(user_id=user, feature_id=open_end).current
    assert shown is not None
    assert shown.consumption.used == 600
