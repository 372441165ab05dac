"""A lost answer is neither lost usage nor usage counted twice."""

from __future__ import annotations

from typing import Any

import pytest

from kana.sdk import AsyncKanaAdmin, KanaAdmin, OutcomeUnknown, RecordedUsage, Retry
from tests.sdk.people import meter, subscribed, value
from tests.sdk.proxy import LosingProxy
from tests.support.server import KanaServer

CALLS = 300
QUICK = Retry(pause_s=0.001, pause_max_s=0.002)


def used(kana: KanaAdmin, user_id: str) -> int:
    shown = kana.features.show_usage(user_id=user_id, feature_id=meter(user_id))
    assert shown.current is not None
    return shown.current.consumption.used


@pytest.mark.parametrize("client", [KanaAdmin, AsyncKanaAdmin])
async def test_with_one_answer_in_five_lost_each_usage_counts_once(
    server: KanaServer, kana: KanaAdmin, number: int, client: Any
) -> None:
    """Retries carry the key of their call, and where they are used up the exception tells the key to go on with."""
    user_id = subscribed(kana, f"lossy-{number}", limit=None)
    unknown: list[OutcomeUnknown] = []
    with LosingProxy(server.address) as proxy:
        caller = client(api_key=server.private_key, endpoint=proxy.address, retry=QUICK)
        for _ in range(CALLS):
            key: str | None = None
            while True:
                call = caller.features.record_usage
                try:
                    answer = await value(call(user_id=user_id, feature_id=meter(user_id), idempotency_key=key))
                except OutcomeUnknown as error:
                    unknown.append(error)
                    key = error.idempotency_key
                else:
                    assert isinstance(answer, RecordedUsage)
                    assert answer.recorded
                    break
        await value(caller.close() if client is KanaAdmin else caller.aclose())
    assert proxy.lost > CALLS // 10
    assert {error.attempts for error in unknown} == {3}
    assert used(kana, user_id) == CALLS


def test_without_the_key_the_same_losses_count_twice(server: KanaServer, kana: KanaAdmin, number: int) -> None:
    """The control: who calls again without the key counts every lost answer once more."""
    user_id = subscribed(kana, f"careless-{number}", limit=None)
    calls = 0
    with (
        LosingProxy(server.address) as proxy,
        KanaAdmin(api_key=server.private_key, endpoint=proxy.address, retry=Retry(attempts=1)) as caller,
    ):
        while proxy.passed < 50:
            calls += 1
            try:
                caller.features.record_usage(user_id=user_id, feature_id=meter(user_id))
            except OutcomeUnknown:
                continue
    assert proxy.lost > 0
    assert used(kana, user_id) == calls == 50 + proxy.lost


def test_a_creation_is_not_repeated_blindly(server: KanaServer, kana: KanaAdmin, number: int) -> None:
    """A call without a key whose answer is lost is sent once, and says that it may have been carried out."""
    with (
        LosingProxy(server.address, share=1.0) as proxy,
        KanaAdmin(api_key=server.private_key, endpoint=proxy.address, retry=QUICK) as caller,
        pytest.raises(
            OutcomeUnknown, match=r"createUser may or may not have been carried out .* check before"
        ) as caught,
    ):
        caller.users.create(id=f"once-{number}")
    assert (caught.value.attempts, caught.value.idempotency_key, proxy.lost) == (1, None, 1)
    assert kana.users.retrieve(id=f"once-{number}").id == f"once-{number}"
