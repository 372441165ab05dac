"""What is tried again, how often, and what it ends in. No network: outcomes are put in by hand."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from kana import errors
from kana.errors import IdempotencyKeyReused, Internal, InvalidValue, RateLimited, Unauthenticated, Unavailable
from kana.sdk import KanaAdmin, NetworkError, OutcomeUnknown, Retry, UnexpectedAnswer
from kana.sdk.conversation import Call, Lost, Pause, Reply, Send, StepResult, converse
from kana.sdk.features import CAN_USE, RECORD_USAGE
from kana.sdk.pages import by_id, every_page
from kana.sdk.results import User
from kana.sdk.users import CREATE

NEVER_SENT = Lost(reason="refused", sent=False)
CUT = Lost(reason="cut", sent=True)
PAGE = Reply(status=502, body=b"<html>Bad Gateway</html>")
RECORDED = {"recorded": True, "reason": None, "outcome": "RECORDED", "id": "1", "duplicate": False, "consumption": None}

READ: Call[Any] = Call(field=CAN_USE, variables={})
KEYED: Call[Any] = Call(field=RECORD_USAGE, variables={}, idempotency_key="k")
ONCE: Call[Any] = Call(field=CREATE, variables={})


def error(code: str, name: str, **more: Any) -> Reply:
    extensions = {"code": code, "exception": {"name": name, "message": "no"}, **more}
    return Reply(status=200, body=json.dumps({"errors": [{"message": "no", "extensions": extensions}]}).encode())


def data(**fields: Any) -> Reply:
    return Reply(status=200, body=json.dumps({"data": fields}).encode())


BUSY = error("RATE_LIMITED", "RateLimitedError")
DOWN = error("UNAVAILABLE", "UnavailableError")
UNSURE = error("OUTCOME_UNKNOWN", "OutcomeUnknownError")
STRANGER = error("UNAUTHENTICATED", "AuthenticationError")
REUSED = error("IDEMPOTENCY_KEY_REUSED", "IdempotencyKeyReusedError")


def talk(call: Call[Any], outcomes: Sequence[StepResult], retry: Retry | None = None) -> tuple[Any, int, list[float]]:
    """Hold a conversation; return its value or exception, how often it sent, and its pauses."""
    steps = converse(call, retry=retry or Retry(), timeout_s=5.0)
    left = iter(outcomes)
    sent: list[bytes] = []
    pauses: list[float] = []
    outcome: StepResult = None
    try:
        while True:
            step = steps.send(outcome)
            if isinstance(step, Pause):
                pauses.append(step.seconds)
                outcome = None
            else:
                assert isinstance(step, Send)
                sent.append(step.body)
                outcome = next(left)
    except StopIteration as done:
        result = done.value
    except errors.KanaError as raised:
        result = raised
    assert len(set(sent)) == 1  # every attempt is the same request, and so has the same key
    return result, len(sent), pauses


@pytest.mark.parametrize(
    ("call", "outcomes", "expected"),
    [
        (READ, [NEVER_SENT] * 3, NetworkError),
        (READ, [CUT] * 3, NetworkError),
        (READ, [PAGE] * 3, NetworkError),
        (READ, [UNSURE] * 3, errors.OutcomeUnknown),
        (READ, [BUSY, DOWN, BUSY], RateLimited),
        (READ, [CUT, STRANGER], Unauthenticated),
        (KEYED, [NEVER_SENT] * 3, NetworkError),
        (KEYED, [CUT] * 3, OutcomeUnknown),
        (KEYED, [UNSURE] * 3, OutcomeUnknown),
        (KEYED, [PAGE] * 3, OutcomeUnknown),
        (KEYED, [DOWN] * 3, Unavailable),
        (KEYED, [CUT, DOWN, NEVER_SENT], OutcomeUnknown),
        (KEYED, [CUT, STRANGER], OutcomeUnknown),
        (KEYED, [CUT, REUSED], IdempotencyKeyReused),
        (KEYED, [STRANGER], Unauthenticated),
        (KEYED, [error("INTERNAL", "InternalError", requestId="r1")], Internal),
        (KEYED, [data(recordUsage={"recorded": True})] * 3, OutcomeUnknown),
        (ONCE, [NEVER_SENT] * 3, NetworkError),
        (ONCE, [BUSY] * 3, RateLimited),
        (ONCE, [CUT], OutcomeUnknown),
        (ONCE, [PAGE], OutcomeUnknown),
        (ONCE, [UNSURE], OutcomeUnknown),
        (ONCE, [NEVER_SENT, CUT], OutcomeUnknown),
        (ONCE, [Reply(status=404, body=b"Not Found")], UnexpectedAnswer),
        (READ, [Reply(status=200, body=b"<html>")] * 3, UnexpectedAnswer),
        (READ, [Reply(status=200, body=b"[1]")] * 3, UnexpectedAnswer),
        (READ, [Reply(status=429, body=b"", retry_after="0")] * 3, RateLimited),
    ],
)
def test_only_what_is_safe_is_tried_again(
    call: Call[Any], outcomes: list[StepResult], expected: type[errors.KanaError]
) -> None:
    """Reads and keyed usage go on over lost answers, other calls only where nothing was done; all are bounded."""
    raised, sent, pauses = talk(call, outcomes)
    assert type(raised) is expected
    assert (sent, len(pauses)) == (len(outcomes), len(outcomes) - 1)
    if isinstance(raised, NetworkError | OutcomeUnknown):
        assert (raised.attempts, raised.idempotency_key) == (sent, call.idempotency_key)


@pytest.mark.parametrize("lost", [NEVER_SENT, CUT, PAGE, BUSY, DOWN, UNSURE])
def test_an_answer_after_failures_is_the_answer(lost: StepResult) -> None:
    """A call that succeeds at the last attempt has succeeded."""
    recorded, sent, _ = talk(KEYED, [lost, lost, data(recordUsage=RECORDED)])
    assert (recorded.recorded, recorded.id, sent) == (True, "1", 3)


def test_an_exception_tells_the_key_to_go_on_with() -> None:
    """The key stands in the message, and beside errors of the server too."""
    raised, _, _ = talk(KEYED, [CUT] * 3)
    assert raised.message == (
        "recordUsage may or may not have been carried out (cut): call again with idempotency_key='k'"
    )
    refused, _, _ = talk(KEYED, [DOWN] * 3)
    assert refused.__notes__ == ["idempotency_key='k'"]


def test_pauses_grow_and_are_bounded() -> None:
    """Pauses double up to the longest, each shortened by up to half; a server's Retry-After is waited for."""
    _, _, pauses = talk(READ, [CUT] * 6, Retry(attempts=6, pause_s=1.0, pause_max_s=4.0))
    assert all(longest / 2 <= pause <= longest for pause, longest in zip(pauses, [1, 2, 4, 4, 4], strict=True))
    _, _, pauses = talk(READ, [error("RATE_LIMITED", "RateLimitedError", retryAfter=7)] * 2, Retry(attempts=2))
    assert pauses == [7.0]


def test_no_attempt_begins_after_the_total_time() -> None:
    """A server that asks to come back later than the call may last ends it now."""
    raised, sent, pauses = talk(
        READ, [error("UNAVAILABLE", "UnavailableError", retryAfter=60)], Retry(attempts=9, total_s=30)
    )
    assert (type(raised), raised.retry_after_s, sent, pauses) == (Unavailable, 60, 1, [])
    _, sent, _ = talk(READ, [CUT], Retry(attempts=9, total_s=0))
    assert sent == 1


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"pause_s": -1}, {"pause_max_s": -1}, {"total_s": -0.1}])
def test_a_policy_without_sense_is_refused(wrong: dict[str, Any]) -> None:
    """Attempts are 1 or more, times 0 or more."""
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        Retry(**wrong)


def test_problem_details_in_front_of_graphql_are_understood() -> None:
    """What the server refuses before GraphQL, such as one connection too many, is the same error."""
    problem = {"title": "UnavailableError", "detail": "full", "code": "UNAVAILABLE", "status": 503, "retryAfter": 0}
    raised, sent, _ = talk(ONCE, [Reply(status=503, body=json.dumps(problem).encode())] * 3)
    assert (type(raised), raised.message, sent) == (Unavailable, "full", 3)


def test_a_silent_server_costs_as_many_attempts_as_are_allowed() -> None:
    """Over a real socket: a server that takes connections and never answers is tried three times, and not more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        retry = Retry(pause_s=0.01)
        with KanaAdmin(api_key="prv_test_x", endpoint=endpoint, retry=retry, timeout_s=0.1) as kana:
            with pytest.raises(OutcomeUnknown, match="ReadTimeout") as caught:
                kana.features.record_usage(user_id="u", feature_id="f", idempotency_key="mine")
            assert (caught.value.attempts, caught.value.idempotency_key) == (3, "mine")
        silent.settimeout(1)
        for _ in range(3):
            silent.accept()[0].close()
        silent.settimeout(0.1)
        with pytest.raises(TimeoutError):
            silent.accept()


def exhaust(steps: Generator[Any, Any, Any]) -> None:
    while True:
        next(steps)


@pytest.mark.parametrize(("count", "asked"), [(0, 1), (999, 1), (1000, 2), (1001, 2), (2500, 3)])
def test_lists_are_whole(count: int, asked: int) -> None:
    """Without a length, pages of 1,000 follow each other until one is short."""
    users = [User(id=f"{index:04}", billing_id=None, name=None, email=None, metadata=None) for index in range(count)]
    calls: list[tuple[int, str | None]] = []

    def ask(size: int, after: str | None) -> Any:
        calls.append((size, after))
        yield Pause(seconds=0)
        return [user for user in users if after is None or user.id > after][:size]

    with pytest.raises(StopIteration) as done:
        exhaust(every_page(ask, first=None, after=None, id_of=by_id))
    assert done.value.value == users
    assert len(calls) == asked
