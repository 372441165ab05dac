"""A check says where its answer came from, and does what the caller chose where there is none."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from kana.errors import InvalidValue, Unauthenticated, UserNotFound
from kana.sdk import AsyncKanaAdmin, Consumption, KanaAdmin, NetworkError, Outcome, Retry, Source
from kana.sdk.cache import AnswerCache
from kana.sdk.decision import Decision
from kana.sdk.wire import UNITS_MAX
from tests.sdk.people import meter, value
from tests.sdk.scripted import ScriptedServer
from tests.support.server import KanaServer


@pytest.fixture
def nowhere() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_the_server_answers_unless_a_recent_answer_is_good_enough(either: Any, user: str) -> None:
    """Without a time to live every check asks; with one, the last answer for the same amount is good so long."""
    whose = {"user_id": user, "feature_id": meter(user)}
    first = await value(either.check(**whose))
    assert (first.access, first.source) == (True, Source.SERVER)
    assert first.consumption == Consumption(used=0, budget=10, overage_enabled=False)
    assert (await value(either.check(**whose, cache_ttl_s=60))).source is Source.SERVER
    kept = await value(either.check(**whose, cache_ttl_s=60))
    assert (kept.access, kept.reason, kept.source) == (True, first.reason, Source.CACHE)
    assert (first.outcome, kept.outcome) == (Outcome.RECORDED, Outcome.RECORDED)
    eleven = await value(either.check(**whose, delta="11", cache_ttl_s=60))
    assert (eleven.access, eleven.outcome) == (False, Outcome.LIMIT_EXCEEDED)
    assert (await value(either.check(**whose))).source is Source.SERVER


async def test_a_check_has_the_outcome_that_a_record_has(either: Any, kana: KanaAdmin, user: str) -> None:
    """Alone, among many and recorded, over each refusal that is possible here."""
    stranger = f"{user}-of-nothing"
    kana.users.create(id=stranger)
    for user_id, delta, expected in (
        (user, 10, Outcome.RECORDED),
        (user, 1, Outcome.LIMIT_EXCEEDED),
        (user, UNITS_MAX, Outcome.TOTAL_TOO_LARGE),
        (stranger, 1, Outcome.NO_SUBSCRIPTION),
    ):
        whose = {"user_id": user_id, "feature_id": meter(user)}
        many = await value(either.features.can_use_many(user_ids=[user_id], feature_ids=[meter(user)], delta=delta))
        found = [
            await value(either.check(**whose, delta=delta)),
            await value(either.features.can_use(**whose, delta=delta)),
            many[user_id][meter(user)],
            await value(either.features.record_usage(**whose, delta=delta)),
        ]
        assert [each.outcome for each in found] == [expected] * 4


@pytest.mark.parametrize("paused", ["WORD_OF_TOMORROW", "", "limit_exceeded"])
def test_a_word_of_a_newer_server_is_unknown_and_refuses(paused: str) -> None:
    """It fails nothing: the answer is a no with the server's reason."""
    answer = {"access": False, "reason": "It is paused.", "outcome": paused, "consumption": None}
    with (
        ScriptedServer({"data": {"canUseFeature": answer}}) as script,
        KanaAdmin(api_key="k", endpoint=script.address) as kana,
    ):
        check = kana.check(user_id="u", feature_id="f")
    assert (check.access, check.reason, check.outcome) == (False, "It is paused.", Outcome.UNKNOWN)


async def test_recording_through_a_client_forgets_what_it_kept(either: Any, user: str) -> None:
    """Who records asks the server next: their own usage is never overlooked."""
    whose = {"user_id": user, "feature_id": meter(user)}
    await value(either.check(**whose, cache_ttl_s=60))
    await value(either.features.record_usage(**whose, delta=10))
    after = await value(either.check(**whose, cache_ttl_s=60))
    assert (after.access, after.source) == (False, Source.SERVER)


@pytest.mark.parametrize("client", [KanaAdmin, AsyncKanaAdmin])
async def test_the_callers_choice_stands_for_a_server_that_is_away(nowhere: str, client: Any) -> None:
    """Allow and deny answer, and say that it is the default; raise, which is the default, raises."""
    away = client(api_key="prv_test_x", endpoint=nowhere, retry=Retry(attempts=1))
    for choice, access in (("allow", True), ("deny", False)):
        answer = await value(away.check(user_id="u", feature_id="f", when_unreachable=choice))
        assert (answer.access, answer.source, answer.consumption) == (access, Source.DEFAULT, None)
        assert answer.outcome is None
        assert answer.reason.startswith(f"Kana did not answer, and the caller chose to {choice}: no answer")
    for arguments in ({}, {"when_unreachable": "raise"}):
        with pytest.raises(NetworkError):
            await value(away.check(user_id="u", feature_id="f", **arguments))
    with pytest.raises(InvalidValue, match="when_unreachable must be 'allow', 'deny' or 'raise', got 'maybe'"):
        await value(away.check(user_id="u", feature_id="f", when_unreachable="maybe"))


async def test_a_choice_never_hides_a_mistake(either: Any, server: KanaServer, user: str) -> None:
    """An unknown user and a wrong key raise whatever the choice: the server was reached, and said so."""
    with pytest.raises(UserNotFound):
        await value(either.check(user_id="nobody", feature_id=meter(user), when_unreachable="allow"))
    with (
        KanaAdmin(api_key="prv_test_wrong", endpoint=server.address) as stranger,
        pytest.raises(Unauthenticated),
    ):
        stranger.check(user_id=user, feature_id=meter(user), when_unreachable="allow")


def test_the_cache_is_bounded_and_drops_the_longest_unused() -> None:
    """The 10,001st answer drops the one that was not asked for the longest."""
    cache = AnswerCache()
    answer = Decision(access=True, reason="", outcome=Outcome.RECORDED, consumption=None)
    for number in range(10_000):
        cache.put(f"user-{number}", "f", delta=1, answer=answer)
    assert cache.get("user-0", "f", delta=1, age_max_s=60) is answer
    cache.put("user-10000", "f", delta=1, answer=answer)
    assert cache.get("user-0", "f", delta=1, age_max_s=60) is answer
    assert cache.get("user-1", "f", delta=1, age_max_s=60) is None
    assert cache.get("user-0", "f", delta=1, age_max_s=-1) is None
