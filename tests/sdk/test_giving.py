"""Top-ups and overrides through both clients, against a real server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kana.errors import GivenNotFound, IdempotencyKeyReused, InvalidValue, KanaError, UserNotFound
from kana.sdk import AsyncKanaAdmin, KanaAdmin, NetworkError, Outcome, OutcomeUnknown, ResetPeriod, Retry, Source
from kana.sdk.wire import UNITS_MAX
from tests.sdk.people import meter, subscribed, value
from tests.sdk.proxy import LosingProxy
from tests.support.server import KanaServer


def whose(user: str) -> dict[str, str]:
    return {"user_id": user, "feature_id": meter(user)}


async def budget(either: Any, user: str) -> int | None:
    consumption = (await value(either.features.can_use(**whose(user)))).consumption
    found: int | None = consumption.budget
    return found


async def test_a_top_up_is_given_listed_and_ended(either: Any, user: str) -> None:
    """Each answer is the top-up as it is then, with what is used and left; what ends first is used first."""
    start, end = datetime.now(UTC).replace(microsecond=0), datetime(2099, 1, 1, tzinfo=UTC)
    given = await value(
        either.top_ups.create(**whose(user), amount="5", reason="sold", starts_at=start, expires_at=end)
    )
    assert (given.user_id, given.feature_id, given.amount, given.reason) == (user, meter(user), 5, "sold")
    assert (given.starts_at, given.expires_at, given.given_by[:9]) == (start, end, "prv_test_")
    await value(either.features.record_usage(**whose(user), delta=12))
    [told] = await value(either.top_ups.list(user_id=user))
    assert (told.id, told.used, told.remaining) == (given.id, 2, 3)
    assert await value(either.top_ups.list(user_id=user, first=1, after=given.id)) == []
    ended = await value(either.top_ups.end(id=given.id))
    assert ended.expires_at < end
    assert await value(either.top_ups.end(id=given.id)) == ended


async def test_an_override_is_set_listed_and_ended(either: Any, user: str) -> None:
    """The reset period stays unless it is named; None never resets, and a limit of None is unlimited."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    first = await value(either.overrides.set(**whose(user), limit=UNITS_MAX, reason="asked", ends_at=end))
    assert (first.limit, first.reset_period, first.ends_at, first.denied) == (
        UNITS_MAX, ResetPeriod.MONTH, end, False,
    )  # fmt: skip
    assert await budget(either, user) == UNITS_MAX
    second = await value(
        either.overrides.set(**whose(user), limit=None, reset_period=None, overage_enabled=True, reason="asked")
    )
    assert (second.limit, second.reset_period, second.overage_enabled) == (None, None, True)
    denied = await value(either.overrides.set(**whose(user), denied=True, reason="fraud"))
    assert (await value(either.features.can_use(**whose(user)))).outcome is Outcome.DENIED
    assert [each.id for each in await value(either.overrides.list(user_id=user))] == [first.id, second.id, denied.id]
    assert (await value(either.overrides.end(id=denied.id))).ends_at is not None
    assert await budget(either, user) == 10


async def test_what_is_given_is_seen_at_once(either: Any, user: str) -> None:
    """Through the same client no kept answer outlives a change of what a user may use."""
    asked = {**whose(user), "delta": 11, "cache_ttl_s": 60.0}

    async def allowed() -> bool:
        answer = await value(either.check(**asked))
        assert answer.source is Source.SERVER
        found: bool = answer.access
        return found

    assert await allowed() is False
    given = await value(either.top_ups.create(**whose(user), amount=1, reason="sold"))
    assert await allowed() is True
    await value(either.top_ups.end(id=given.id))
    assert await allowed() is False
    stands = await value(either.overrides.set(**whose(user), limit=11, reason="asked"))
    assert await allowed() is True
    await value(either.overrides.end(id=stands.id))
    assert await allowed() is False


async def test_a_key_of_ones_own_gives_once(either: Any, user: str) -> None:
    """The same order gives the first top-up again; another amount under it is refused; without one each gives."""
    order = {**whose(user), "reason": "order 7", "idempotency_key": f"order-of-{user}"}
    first = await value(either.top_ups.create(**order, amount=5))
    assert await value(either.top_ups.create(**order, amount=5)) == first
    with pytest.raises(IdempotencyKeyReused):
        await value(either.top_ups.create(**order, amount=6))
    for _ in range(2):
        await value(either.top_ups.create(**whose(user), amount=5, reason="sold"))
    assert len(await value(either.top_ups.list(user_id=user))) == 3


@pytest.mark.parametrize("client", [KanaAdmin, AsyncKanaAdmin])
async def test_a_lost_answer_gives_once(server: KanaServer, kana: KanaAdmin, number: int, client: Any) -> None:
    """However often answers are lost, the call is repeated with its key and the units are given once."""
    user_id, given = subscribed(kana, f"gifted-{number}", limit=0), 0
    with LosingProxy(server.address) as proxy:
        caller = client(api_key=server.private_key, endpoint=proxy.address, retry=Retry(pause_s=0.001))
        while proxy.lost < 5:
            key = None
            while True:
                order = {**whose(user_id), "amount": 1, "reason": "sold", "idempotency_key": key}
                try:
                    await value(caller.top_ups.create(**order))
                except OutcomeUnknown as error:
                    key = error.idempotency_key
                else:
                    break
            given += 1
        await value(caller.close() if client is KanaAdmin else caller.aclose())
    assert len(kana.top_ups.list(user_id=user_id)) == given


async def test_what_is_wrong_is_said(either: Any, user: str) -> None:
    """By the server's classes, and before sending where the client can tell."""
    wrong: list[tuple[Callable[[], Any], type[KanaError]]] = [
        (lambda: either.overrides.set(**whose(user), reason="forgot the limit"), InvalidValue),
        (lambda: either.top_ups.create(**whose(user), amount=1.5, reason="sold"), InvalidValue),
        (lambda: either.top_ups.create(**whose(user), amount=2**53, reason="sold"), InvalidValue),
        (lambda: either.overrides.set(**whose(user), limit=True, reason="asked"), InvalidValue),
        (lambda: either.top_ups.create(**whose("nobody"), amount=1, reason="sold"), UserNotFound),
        (lambda: either.overrides.list(user_id="nobody"), UserNotFound),
        (lambda: either.top_ups.end(id="1"), GivenNotFound),
        (lambda: either.overrides.end(id="x"), GivenNotFound),
    ]
    for call, error in wrong:
        with pytest.raises(error):
            await value(call())
    zoneless = datetime(2099, 1, 1)  # noqa: DTZ001 - it is what is refused
    with pytest.raises(InvalidValue, match="expires_at must have a time zone"):
        await value(either.top_ups.create(**whose(user), amount=1, reason="sold", expires_at=zoneless))
    assert await value(either.top_ups.list(user_id=user)) == []


async def test_who_is_never_reached_gives_nothing(user: str) -> None:
    """The error tells the key, to go on with."""
    with (
        KanaAdmin(api_key="k", endpoint="http://127.0.0.1:1", retry=Retry(attempts=1)) as away,
        pytest.raises(NetworkError) as caught,
    ):
        away.top_ups.create(user_id=user, feature_id="f", amount=1, reason="sold", idempotency_key="order-9")
    assert caught.value.idempotency_key == "order-9"
