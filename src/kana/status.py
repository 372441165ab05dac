"""The HTTP status of each error, for every API and the dashboard. The errors themselves do not know HTTP."""

from __future__ import annotations

from kana.errors import (
    BadInput,
    BodyTooLarge,
    Conflict,
    Forbidden,
    IdempotencyKeyReused,
    Internal,
    KanaError,
    NotFound,
    OutcomeUnknown,
    QueryTooComplex,
    RateLimited,
    StorageFull,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)

STATUS: dict[type[KanaError], int] = {
    BadInput: 400,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    NotFound: 404,
    Conflict: 409,
    IdempotencyKeyReused: 409,
    Unauthenticated: 401,
    Forbidden: 403,
    QueryTooComplex: 400,
    RateLimited: 429,
    Unavailable: 503,
    StorageFull: 507,
    OutcomeUnknown: 503,
    Internal: 500,
}
"""The status of each branch of the tree; other classes have the status of their nearest ancestor."""


def status_of(error: KanaError) -> int:
    """Return the HTTP status of ``error``: that of its class, or of the nearest ancestor that has one."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
