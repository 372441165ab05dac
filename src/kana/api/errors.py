"""Errors of Kana over HTTP: their codes and messages. ``kana.status`` has their statuses."""

from __future__ import annotations

from dataclasses import dataclass

from kana.errors import Internal, KanaError
from kana.status import status_of

STATUS_OF_CODE: dict[str, int] = {
    "BAD_USER_INPUT": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "IDEMPOTENCY_KEY_REUSED": 409,
    "RATE_LIMITED": 429,
    "UNAVAILABLE": 503,
    "OUTCOME_UNKNOWN": 503,
    "QUERY_TOO_COMPLEX": 400,
    "INTERNAL": 500,
}
"""The status of a GraphQL answer without data, by the code of its first error."""

INTERNAL_MESSAGE = "internal error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error as a caller sees it, in any API.

    ``request_id`` is set only for an internal error: the caller can report it, and the log can be
    searched for it. ``retry_after_s`` is in whole seconds.
    """

    code: str
    name: str
    message: str
    status: int
    retry_after_s: int | None = None
    request_id: str | None = None


def is_ours(error: BaseException | None) -> bool:
    """Whether ``error`` may be shown as it is: an error of Kana that is not an internal one."""
    return isinstance(error, KanaError) and not isinstance(error, Internal) and type(error) is not KanaError


def fault_of(error: BaseException, *, request_id: str) -> Fault:
    """Return ``error`` as a caller sees it. Any error that is not Kana's is "internal error" with the request id."""
    if isinstance(error, KanaError) and is_ours(error):
        return Fault(
            code=error.code,
            name=error.name,
            message=error.message,
            status=status_of(error),
            retry_after_s=error.retry_after_s,
        )
    return Fault(code=Internal.code, name=Internal.name, message=INTERNAL_MESSAGE, status=500, request_id=request_id)


def problem(fault: Fault) -> dict[str, object]:
    """Return the RFC 9457 problem details of ``fault``, for the APIs that are not GraphQL.

    ``error`` and ``message`` repeat the detail for clients that look there: Kana's command line, and the
    libraries of Segment and RudderStack. The latter take an answer without it for a lost one.
    """
    body: dict[str, object] = {
        "type": "about:blank",
        "title": fault.name,
        "status": fault.status,
        "detail": fault.message,
        "error": fault.message,
        "message": fault.message,
        "code": fault.code,
    }
    if fault.request_id is not None:
        body["requestId"] = fault.request_id
    if fault.retry_after_s is not None:
        body["retryAfter"] = fault.retry_after_s
    return body
