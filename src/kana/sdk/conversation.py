"""One call, from its first attempt to its value or its exception, without any I/O.

A conversation is a generator: it yields the next step (send this, wait so long) and receives its
result. A short driver carries out the steps, with or without ``await``, so the rules about
retries stand here once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar

from kana.errors import IdempotencyKeyReused, KanaError, RateLimited, Unavailable
from kana.errors import OutcomeUnknown as ServerOutcomeUnknown
from kana.sdk.errors import NetworkError, OutcomeUnknown, UnexpectedAnswer, error_of
from kana.sdk.retry import Retry
from kana.sdk.wire import Field

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Post ``body`` and return the answer, within ``timeout_s`` seconds for each phase."""

    body: bytes
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait before the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer of the HTTP server at ``url``, whether it is Kana or not."""

    status: int
    body: bytes
    retry_after: str | None = None
    url: str = ""
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A request without an answer. ``sent`` is False if it cannot have reached a server."""

    reason: str
    sent: bool


Step: TypeAlias = Send | Pause
StepResult: TypeAlias = Reply | Lost | None
Steps: TypeAlias = Generator[Step, StepResult, T]


class Effect(Enum):
    """The effect of a failed attempt."""

    NOTHING = "nothing, and the same call may succeed later"
    FINAL = "nothing, and the same call will fail again"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A failed attempt."""

    error: KanaError
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request to the API.

    ``idempotency_key``, or ``keyed`` if the variables contain several keys, makes a mutation safe to repeat.
    """

    field: Field[T]
    variables: Mapping[str, object]
    idempotency_key: str | None = None
    keyed: bool = False

    @property
    def reads(self) -> bool:
        """Whether the call changes nothing."""
        return self.field.operation == "query"

    @property
    def repeatable(self) -> bool:
        """Whether the call may be sent again even if it may already have been carried out."""
        return self.reads or self.keyed or self.idempotency_key is not None

    def body(self) -> bytes:
        """Return the JSON of the request."""
        request = {"query": self.field.document, "variables": self.variables}
        return json.dumps(request, separators=(",", ":"), allow_nan=False).encode()


def converse(call: Call[T], *, retry: Retry, timeout_s: float) -> Steps[T]:
    """Try ``call`` as often as is allowed and safe, always with the same body and thus the same key.

    Raises:
        NetworkError: there was no answer; nothing was changed.
        OutcomeUnknown: there was no answer; something may have been changed.
        KanaError: the server answered with this error.
    """
    body = call.body()
    deadline = time.monotonic() + retry.total_s
    doubtful = False
    for attempt in count(1):
        remaining_s = deadline - time.monotonic()
        result = yield Send(body=body, timeout_s=max(min(timeout_s, remaining_s), 0.001))
        answer = _judge(call, result)
        if not isinstance(answer, Failed):
            return answer
        doubtful = doubtful or answer.effect is Effect.UNKNOWN
        pause_s = retry.pause_after_s(attempt, retry_after_s=answer.error.retry_after_s)
        safe = answer.effect is Effect.NOTHING or (answer.effect is Effect.UNKNOWN and call.repeatable)
        if not safe or attempt >= retry.attempts or time.monotonic() + pause_s >= deadline:
            _give_up(call, answer.error, attempts=attempt, doubtful=doubtful)
        yield Pause(seconds=pause_s)
    raise AssertionError


def _give_up(call: Call[T], error: KanaError, *, attempts: int, doubtful: bool) -> NoReturn:
    """Raise the error that ends the call.

    If an attempt may have been carried out, a later failure does not undo it. The error that the key
    was used for other content rules it out: otherwise the contents would be equal.
    """
    if doubtful and not call.reads and not isinstance(error, IdempotencyKeyReused):
        key = call.idempotency_key
        advice = "check before you call again" if key is None else f"call again with idempotency_key={key!r}"
        message = f"{call.field.name} may or may not have been carried out ({error.message}): {advice}"
        raise OutcomeUnknown(message, idempotency_key=key, attempts=attempts) from error
    if isinstance(error, NetworkError):
        raise NetworkError(error.message, idempotency_key=call.idempotency_key, attempts=attempts) from None
    if call.idempotency_key is not None:
        error.add_note(f"idempotency_key={call.idempotency_key!r}")
    raise error


_WRONG_ADDRESS = (404, 405)  # There is a Kana server, but its APIs are at other paths.


def _judge(call: Call[T], result: StepResult) -> T | Failed:
    """Return the value of an attempt, or what its failure means."""
    if isinstance(result, Lost):
        return Failed(error=NetworkError(result.reason), effect=Effect.UNKNOWN if result.sent else Effect.NOTHING)
    assert result is not None
    try:
        answer = json.loads(result.body)
        if errors := answer.get("errors"):
            return _refused(errors[0])
        if "code" in answer and "data" not in answer:
            if result.status in _WRONG_ADDRESS:
                return _unreadable(result, LookupError(answer["code"]))
            return _refused(_from_problem(answer))
        return call.field.read(answer["data"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _unreadable(result, error)


def _refused(error: Mapping[str, Any]) -> Failed:
    found = error_of(error)
    if isinstance(found, RateLimited | Unavailable):
        return Failed(error=found, effect=Effect.NOTHING)
    unknown = isinstance(found, ServerOutcomeUnknown)
    return Failed(error=found, effect=Effect.UNKNOWN if unknown else Effect.FINAL)


def _from_problem(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return problem details, which Kana sends for errors outside GraphQL, as a GraphQL error."""
    return {
        "message": problem.get("detail", problem.get("title")),
        "extensions": {
            "code": problem["code"],
            "exception": {"name": problem.get("title", "")},
            "retryAfter": problem.get("retryAfter"),
            "requestId": problem.get("requestId"),
        },
    }


def _unreadable(reply: Reply, cause: Exception) -> Failed:
    """Return what an answer that is not Kana's means, such as a proxy's page or an unknown shape.

    A proxy that answers 5xx, or 200 with a page of its own, may have passed the request on.
    """
    message = _described(reply)
    if reply.status == 429:
        seconds = int(reply.retry_after) if reply.retry_after and reply.retry_after.isdecimal() else None
        return Failed(error=RateLimited(message, retry_after_s=seconds), effect=Effect.NOTHING)
    error = NetworkError(message) if reply.status >= 500 else UnexpectedAnswer(message)
    error.__cause__ = cause
    return Failed(error=error, effect=Effect.UNKNOWN if reply.status < 300 or reply.status >= 500 else Effect.FINAL)


def _described(reply: Reply) -> str:
    """Return a sentence on what answered instead of Kana and what to check, without the text of a page."""
    if 300 <= reply.status < 400 and reply.location:
        return f"HTTP {reply.status}: {reply.url} redirects to {reply.location}; use the address of the server itself"
    wanted = "endpoint must be the address of a Kana server, such as http://127.0.0.1:8080"
    if reply.body.lstrip()[:1] == b"<":
        return f"HTTP {reply.status}: {reply.url} answered with a web page, not as Kana does; {wanted}"
    if reply.status in _WRONG_ADDRESS:
        return f"HTTP {reply.status}: there is no API at {reply.url}; {wanted}"
    return f"HTTP {reply.status}: {reply.url} did not answer as Kana does: {reply.body[:80].decode(errors='replace')!r}"
