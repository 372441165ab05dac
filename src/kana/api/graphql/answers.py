"""The errors and the status of an answer, as Kana's clients expect them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from graphql import GraphQLError

from kana.api.errors import INTERNAL_MESSAGE, Fault, fault_of, is_ours

log = structlog.get_logger("kana.graphql")

_RETRYABLE = ("RATE_LIMITED", "UNAVAILABLE", "OUTCOME_UNKNOWN")


def fault_as_error(fault: Fault) -> dict[str, Any]:
    """Return the GraphQL error of ``fault``, without a place in a document."""
    extensions: dict[str, Any] = {
        "code": fault.code,
        "exception": {"name": fault.name, "message": fault.message},
    }
    if fault.retry_after_s is not None:
        extensions["retryAfter"] = fault.retry_after_s
    if fault.request_id is not None:
        extensions["requestId"] = fault.request_id
    return {"message": fault.message, "extensions": extensions}


def error_of(error: GraphQLError, *, request_id: str) -> dict[str, Any]:
    """Return one error for the answer: its message, its place, and a code for programs."""
    fault = _fault(error, request_id)
    if fault.message is INTERNAL_MESSAGE:
        cause = error.original_error or error
        log.error("resolver failed", request_id=request_id, path=error.path, exc_info=cause)
    formatted: dict[str, Any] = {"message": fault.message}
    if error.locations:
        formatted["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path is not None:
        formatted["path"] = error.path
    return formatted | fault_as_error(fault)


def _fault(error: GraphQLError, request_id: str) -> Fault:
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if is_ours(cause):
        assert cause is not None
        return fault_of(cause, request_id=request_id)
    if cause is None or error.path is None:
        # The document, a variable or an argument is wrong: a message of graphql-core for the caller.
        return Fault(code="BAD_USER_INPUT", name="GraphQLError", message=error.message, status=400)
    return fault_of(cause, request_id=request_id)


def retry_after_of(data: Any, errors: Sequence[dict[str, Any]]) -> int | None:
    """Return the seconds until a retry if the whole answer is "not now": no value, and only retryable errors."""
    if not errors or (data is not None and any(value is not None for value in data.values())):
        return None
    if any(error["extensions"]["code"] not in _RETRYABLE for error in errors):
        return None
    return max(int(error["extensions"].get("retryAfter", 1)) for error in errors)
