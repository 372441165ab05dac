"""What the SDK raises: Kana's own errors, as the server names them, and what only a client can meet.

    kana.errors.KanaError
    ├── …                   as the server answers; see kana.errors
    ├── NetworkError        no answer, and nothing was done by it
    ├── UnexpectedAnswer    an answer that is not Kana's
    ├── QueueFull           a background recorder holds as much as it may
    ├── RecorderClosed      a background recorder was closed
    └── kana.errors.OutcomeUnknown
        └── OutcomeUnknown  no answer, and it may have been done

A refusal (a limit reached, no subscription) is an answer, never one of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kana import errors
from kana.errors import KanaError

__all__ = ["NetworkError", "OutcomeUnknown", "QueueFull", "RecorderClosed", "UnexpectedAnswer", "error_of"]


class NetworkError(KanaError):
    """The server gave no answer, and nothing was changed by this call: call again when you like.

    ``attempts`` says how often it was tried. ``idempotency_key`` is the key of the usage
    that was to be recorded, and None for other calls.
    """

    code = "NETWORK_ERROR"
    name = "NetworkError"

    def __init__(self, message: str, *, idempotency_key: str | None = None, attempts: int = 1) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key
        self.attempts = attempts


class OutcomeUnknown(errors.OutcomeUnknown):
    """The call may have been carried out or not: its answer was lost, and the attempts are used up.

    With an ``idempotency_key``, calling again with that key is safe: it counts once. Without
    one (a call that creates or changes), look before you call again.
    """

    def __init__(self, message: str, *, idempotency_key: str | None = None, attempts: int = 1) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key
        self.attempts = attempts


class UnexpectedAnswer(KanaError):
    """What answered does not speak as Kana does: a wrong address, a proxy's page, or a much newer server."""

    code = "UNEXPECTED_ANSWER"
    name = "UnexpectedAnswerError"


class QueueFull(KanaError):
    """A background recorder holds as much usage as it may; this one was not taken."""

    code = "QUEUE_FULL"
    name = "QueueFullError"


class RecorderClosed(KanaError):
    """A background recorder was closed; this usage was not taken."""

    code = "RECORDER_CLOSED"
    name = "RecorderClosedError"


def _tree(kind: type[KanaError]) -> Iterator[type[KanaError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


_BY_NAME = {kind.name: kind for kind in _tree(KanaError)}
# The root of a branch comes first in the tree, and stands for a code whose name is not known.
_BY_CODE = {kind.code: kind for kind in reversed([*_tree(KanaError)]) if kind is not KanaError}


def error_of(error: Mapping[str, Any]) -> KanaError:
    """Return the exception for one error of an answer: by its name, else by its code.

    An INTERNAL error's message ends in the request id, which is what the server's log knows it by.
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
