"""The exceptions of the SDK: Kana's own errors, as the server names them, and those of clients only.

    kana.errors.KanaError
    ├── …                   as the server answers; see kana.errors
    ├── NetworkError        no answer, and nothing was changed
    ├── UnexpectedAnswer    an answer that is not Kana's
    ├── QueueFull           the queue of a background recorder is full
    ├── RecorderClosed      a background recorder was closed
    ├── UsageRefused        what the work needs does not fit, so it does not go on
    └── kana.errors.OutcomeUnknown
        └── OutcomeUnknown  no answer, and something may have been changed

A refusal (a limit reached, no subscription) is an answer, except where work would go on without it: at the head of a
``with`` block, and within a stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kana import errors
from kana.errors import KanaError

if TYPE_CHECKING:
    from kana.sdk.consuming import Consumed, ConsumedLine
    from kana.sdk.results import Outcome

__all__ = [
    "UNANSWERED",
    "NetworkError",
    "OutcomeUnknown",
    "QueueFull",
    "RecorderClosed",
    "UnexpectedAnswer",
    "UsageRefused",
    "error_of",
]


class NetworkError(KanaError):
    """The server did not answer, and the call changed nothing: it is safe to call again.

    ``attempts`` is how often it was tried. ``idempotency_key`` is the key of the usage that was not
    recorded, and None for other calls.
    """

    code = "NETWORK_ERROR"
    name = "NetworkError"

    def __init__(self, message: str, *, idempotency_key: str | None = None, attempts: int = 1) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key
        self.attempts = attempts


class OutcomeUnknown(errors.OutcomeUnknown):
    """The call may or may not have been carried out: its answer was lost, and there are no attempts left.

    With an ``idempotency_key``, it is safe to call again with that key: it counts once. Without one
    (a call that creates or changes something), check before you call again.
    """

    def __init__(self, message: str, *, idempotency_key: str | None = None, attempts: int = 1) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key
        self.attempts = attempts


UNANSWERED: Final = (NetworkError, errors.OutcomeUnknown, errors.RateLimited, errors.Unavailable, errors.Internal)
"""What says nothing about the call itself: the server is away, overloaded or broken, or its answer was lost."""


class UnexpectedAnswer(KanaError):
    """The answer is not Kana's: because of a wrong address, a proxy's page, or a much newer server."""

    code = "UNEXPECTED_ANSWER"
    name = "UnexpectedAnswerError"


class QueueFull(KanaError):
    """The queue of a background recorder is full; this usage was not accepted."""

    code = "QUEUE_FULL"
    name = "QueueFullError"


class RecorderClosed(KanaError):
    """The background recorder is closed; this usage was not accepted."""

    code = "RECORDER_CLOSED"
    name = "RecorderClosedError"


class UsageRefused(KanaError):
    """Units could not be set aside, or a stream has reached the limit; ``answer`` says why, for each line.

    ``unsettled`` is what a stream used of each feature beyond what could be recorded.
    """

    code = "USAGE_REFUSED"
    name = "UsageRefusedError"

    def __init__(self, answer: Consumed, *, unsettled: Mapping[str, int] = MappingProxyType({})) -> None:
        super().__init__(answer.reason or answer.outcome)
        self.answer = answer
        self.unsettled = dict(unsettled)

    @property
    def outcome(self) -> Outcome:
        """That of the first line that does not fit, for programs."""
        return self.answer.outcome

    @property
    def reason(self) -> str | None:
        """Why, for people, with the name of each feature that does not fit."""
        return self.answer.reason

    @property
    def lines(self) -> tuple[ConsumedLine, ...]:
        """What was decided on each line."""
        return self.answer.lines


def _tree(kind: type[KanaError]) -> Iterator[type[KanaError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


_BY_NAME = {kind.name: kind for kind in _tree(KanaError)}
# The root of a branch comes first in the tree; it is used for a code whose name is unknown.
_BY_CODE = {kind.code: kind for kind in reversed([*_tree(KanaError)]) if kind is not KanaError}


def error_of(error: Mapping[str, Any]) -> KanaError:
    """Return the exception for one error of an answer: by its name, or else by its code.

    The message of an INTERNAL error ends with the request id, by which the server's log has it.
    """
    extensions = error.get("extensions") or {}
    code = extensions.get("code", "INTERNAL")
    named = _BY_NAME.get((extensions.get("exception") or {}).get("name", ""))
    kind = named if named is not None and named.code == code else _BY_CODE.get(code, errors.Internal)
    message = str(error.get("message", "no message"))
    request_id = extensions.get("requestId")
    found = kind(message if request_id is None else f"{message} (request {request_id})")
    found.retry_after_s = extensions.get("retryAfter")
    return found
