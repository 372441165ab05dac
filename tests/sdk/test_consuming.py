"""Several features in one decision, and reservations, by plain calls of both clients, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kana.errors import Conflict, IdempotencyKeyReused, InvalidValue, KanaError, ReservationNotFound, UserNotFound
from kana.sdk import AsyncKanaAdmin, Grant, KanaAdmin, Outcome, OutcomeUnknown, ReservationStatus, Retry
from tests.sdk.people import meter, used, value
from tests.sdk.proxy import LosingProxy
from tests.support.server import KanaServer


async def test_features_are_used_together_or_not_at_all(either: Any, user: str, second: str) -> None:
    """Each line is answered; a refusal names what does not fit, and a trial writes nothing."""
    both = {meter(user): 3, second: "4"}
    tried = await value(either.consume(user, both, dry_run=True))
    assert (tried.granted, tried.decision_id, [line.entry_id for line in tried.lines]) == (True, "", [None, None])
    assert (await used(either, user), await used(either, user, second)) == (0, 0)
    done = await value(either.consume(user, both, metadata={"a": 1}, timestamp=datetime.now(UTC)))
    assert (done.granted, done.outcome, done.reason, done.duplicate) == (True, Outcome.RECORDED, None, False)
    assert [(line.feature_id, line.units, line.consumption.used) for line in done.lines] == [
        (meter(user), 3, 3), (second, 4, 4),
    ]  # fmt: skip
    assert (done.reservation, done.was_over) == (None, False)
    refused = await value(either.consume(user, {second: 1}, **{meter(user): 8}))
    assert (refused.granted, refused.outcome) == (False, Outcome.LIMIT_EXCEEDED)
    assert [line.outcome for line in refused.lines] == [Outcome.OTHER_LINE_REFUSED, Outcome.LIMIT_EXCEEDED]
    assert (await used(either, user), await used(either, user, second)) == (3, 4)


async def test_features_may_be_named_like_anything(either: Any, kana: KanaAdmin, user: str, number: int) -> None:
    """Keywords are features, also those named as the first two parameters; the mapping is for all others."""
    names = ("user_id", "units", "ttl", "dry_run")
    known = {feature.id for feature in kana.features.list()}
    for name in set(names) - known:
        kana.features.create(id=name, type="CONSUMABLE")
    kana.packages.create(id=f"named-{number}", features=[Grant(id=name) for name in names], is_addon=True)
    kana.packages.publish(id=f"named-{number}")
    kana.subscriptions.create(user_id=user, package_ids=[f"named-{number}"])
    done = await value(either.consume(user, {"dry_run": 1}, user_id=2, units=3, ttl=4))
    assert [(line.feature_id, line.units) for line in done.lines] == [
        ("dry_run", 1), ("user_id", 2), ("units", 3), ("ttl", 4),
    ]  # fmt: skip
    assert done.decision_id != ""


async def test_a_key_of_ones_own_counts_once(either: Any, user: str) -> None:
    """Again it is the first answer, for usage, reservations and settlements; without one each call counts."""
    calls: list[Callable[[], Any]] = [
        lambda: either.consume(user, {meter(user): 2}, idempotency_key=f"c-{user}"),
        lambda: either.reservations.create(user, {meter(user): 2}, idempotency_key=f"r-{user}"),
    ]
    for call in calls:
        first, again = await value(call()), await value(call())
        assert (first.duplicate, again.duplicate) == (False, True)
        assert again.decision_id == first.decision_id
        assert again.idempotency_key == first.idempotency_key
    held = again.reservation.id
    for duplicate in (False, True):
        settled = await value(either.reservations.settle(held, {meter(user): 1}, idempotency_key=f"s-{user}"))
        assert (settled.granted, settled.duplicate) == (True, duplicate)
    with pytest.raises(IdempotencyKeyReused):
        await value(either.consume(user, {meter(user): 3}, idempotency_key=f"c-{user}"))
    assert await used(either, user) == 3


async def test_a_reservation_is_made_settled_and_listed(either: Any, user: str, second: str) -> None:
    """In parts and finally; what is set aside nobody else has."""
    made = await value(either.reservations.create(user, {meter(user): 6, second: 2}, ttl=timedelta(hours=1)))
    held = made.reservation
    assert [(line.feature_id, line.units, line.settled, line.held) for line in held.lines] == [
        (meter(user), 6, 0, 6), (second, 2, 0, 2),
    ]  # fmt: skip
    assert (held.user_id, held.status, held.ends_at - held.created_at) == (
        user, ReservationStatus.OPEN, timedelta(hours=1),
    )  # fmt: skip
    assert not (await value(either.consume(user, {meter(user): 5}))).granted
    part = await value(either.reservations.settle(held.id, {meter(user): 4}, final=False, metadata={"part": 1}))
    assert [(line.settled, line.held) for line in part.reservation.lines] == [(4, 2), (0, 2)]
    beyond = await value(either.reservations.settle(held.id, {meter(user): 7}))
    assert (beyond.granted, beyond.reservation.status) == (False, ReservationStatus.OPEN)
    moved = await value(either.reservations.extend(held.id, 7200))
    assert moved.ends_at > held.ends_at
    last = await value(either.reservations.settle(held.id, {meter(user): 0}))
    assert last.reservation.status is ReservationStatus.SETTLED
    assert (await used(either, user), await used(either, user, second)) == (4, 0)
    other = (await value(either.reservations.create(user, {meter(user): 1}))).reservation
    gone = await value(either.reservations.release(other.id))
    assert gone == await value(either.reservations.release(other.id))
    assert gone.status is ReservationStatus.RELEASED
    assert await value(either.reservations.retrieve(other.id)) == gone
    assert [each.id for each in await value(either.reservations.list(user))] == [other.id, held.id]
    assert [each.id for each in await value(either.reservations.list(user, first=1, after=other.id))] == [held.id]
    with pytest.raises(Conflict):
        await value(either.reservations.release(held.id))


async def test_what_is_settled_too_late_says_so(either: Any, user: str) -> None:
    """It is decided like new usage."""
    held = (await value(either.reservations.create(user, {meter(user): 6}, ttl=1))).reservation
    await asyncio.sleep(1)
    assert (await value(either.reservations.retrieve(held.id))).status is ReservationStatus.ENDED
    late = await value(either.reservations.settle(held.id, {meter(user): 5}))
    assert (late.granted, late.was_over) == (True, True)
    assert "was over" in late.reason
    refused = await value(either.reservations.settle(held.id, {meter(user): 6}))
    assert (refused.granted, refused.was_over) == (False, False)
    assert await used(either, user) == 5


async def test_what_changes_is_seen_at_once(either: Any, user: str) -> None:
    """Through the same client no kept answer outlives a decision over several features."""

    async def access() -> bool:
        answer = await value(either.check(user_id=user, feature_id=meter(user), delta=8, cache_ttl_s=60.0))
        found: bool = answer.access
        return found

    assert await access()
    held = (await value(either.reservations.create(user, {meter(user): 3}))).reservation
    assert not await access()
    await value(either.reservations.settle(held.id, {meter(user): 1}))
    assert await access()
    await value(either.consume(user, {meter(user): 2}))
    assert not await access()


async def test_what_is_wrong_is_said(either: Any, user: str) -> None:
    """By the server's classes, and before sending where the client can tell."""
    wrong: list[tuple[Callable[[], Any], type[KanaError], str]] = [
        (lambda: either.consume(user), InvalidValue, "lines must be 1 to 20"),
        (lambda: either.consume(user, tokens=1.5), InvalidValue, "tokens must be a whole number"),
        (lambda: either.consume(user, 5), InvalidValue, "units must be a mapping"),
        (lambda: either.consume(user, {"a": 1}, a=2), InvalidValue, "a must be named once"),
        (lambda: either.consume("nobody", {meter(user): 1}), UserNotFound, "nobody"),
        (lambda: either.reservations.create(user, {meter(user): 1}, ttl=0), InvalidValue, "ttlSeconds"),
        (lambda: either.reservations.create(user, a=1, ttl=timedelta(seconds=1.5)), InvalidValue, "whole seconds"),
        (lambda: either.reservations.settle("1", {meter(user): 1}), ReservationNotFound, "1"),
        (lambda: either.reservations.retrieve("x"), ReservationNotFound, "x"),
    ]
    for call, error, said in wrong:
        with pytest.raises(error, match=said):
            await value(call())
    assert await value(either.reservations.list(user)) == []


@pytest.mark.parametrize("client", [KanaAdmin, AsyncKanaAdmin])
async def test_a_lost_answer_counts_once(server: KanaServer, kana: KanaAdmin, user: str, client: Any) -> None:
    """However often answers are lost, the call is repeated with its key."""
    kana.overrides.set(user_id=user, feature_id=meter(user), limit=None, reason="test")
    done = 0
    with LosingProxy(server.address) as proxy:
        caller = client(api_key=server.private_key, endpoint=proxy.address, retry=Retry(pause_s=0.001))
        while proxy.lost < 5:
            key = None
            while True:
                try:
                    await value(caller.consume(user, {meter(user): 1}, idempotency_key=key))
                except OutcomeUnknown as error:
                    key = error.idempotency_key
                else:
                    break
            done += 1
        await value(caller.close() if client is KanaAdmin else caller.aclose())
    assert await used(kana, user) == done
