"""The one tree of errors. Imports nothing, knows no HTTP.

    KanaError
    ├── BadInput                    BAD_USER_INPUT          the caller's words are wrong
    │   ├── InvalidValue                                    a field's value is not allowed
    │   ├── NotFound
    │   │   ├── UserNotFound, FeatureNotFound, PackageNotFound, SubscriptionNotFound, KeyNotFound
    │   ├── Conflict                                        the id is taken, or the state forbids it
    │   ├── BodyTooLarge, UnsupportedMediaType              what was sent is not looked at
    │   ├── SubscriptionRefused                             a rule of subscribing is broken
    │   └── SubscriptionLinkRefused
    ├── IdempotencyKeyReused        IDEMPOTENCY_KEY_REUSED
    ├── Unauthenticated             UNAUTHENTICATED
    ├── Forbidden                   FORBIDDEN
    ├── QueryTooComplex             QUERY_TOO_COMPLEX
    ├── RateLimited                 RATE_LIMITED            retry later
    ├── Unavailable                 UNAVAILABLE             retry later
    │   └── StorageFull
    ├── OutcomeUnknown              OUTCOME_UNKNOWN         retry with the same key
    └── Internal                    INTERNAL
        └── DatabaseRefused                                 the database is not ours, or newer than we are

A refusal (a limit reached, no subscription) is an answer and never stands here.
"""

from __future__ import annotations

from typing import ClassVar


class KanaError(Exception):
    """Anything that Kana says no with. ``message`` is for people, ``code`` and ``name`` for programs.

    ``code`` is stable and is what clients branch on; ``name`` is the class name that
    Kana's SDKs look for in ``extensions.exception.name``.
    ``retry_after_s`` is set where the same call may succeed later.
    """

    code: ClassVar[str] = "INTERNAL"
    name: ClassVar[str] = "InternalError"

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class BadInput(KanaError):
    """The caller's words are wrong. Nothing was changed; the same call fails again."""

    code = "BAD_USER_INPUT"
    name = "UserInputError"


class InvalidValue(BadInput):
    """A field holds a value that is not allowed; the message names field, value and what is allowed."""

    name = "InvalidValueError"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFound(BadInput):
    """What is asked for does not exist, or is not the caller's to see."""

    name = "NotFoundError"


class UserNotFound(NotFound):
    """No user has this id in this environment."""

    name = "UserNotFoundError"


class FeatureNotFound(NotFound):
    """No feature has this id in this environment."""

    name = "FeatureNotFoundError"


class PackageNotFound(NotFound):
    """No package has this id in this environment."""

    name = "PackageNotFoundError"


class SubscriptionNotFound(NotFound):
    """No subscription has this id in this environment."""

    name = "SubscriptionNotFoundError"


class KeyNotFound(NotFound):
    """No key begins like this in this workspace."""

    name = "KeyNotFoundError"


class Conflict(BadInput):
    """The id is taken, or the state of the thing forbids the change."""

    name = "ConflictError"


class BodyTooLarge(InvalidValue):
    """What was sent is longer than is taken here. Nothing of it was read beyond that."""

    name = "BodyTooLargeError"


class UnsupportedMediaType(InvalidValue):
    """What was sent comes in a form that is not read here."""

    name = "UnsupportedMediaTypeError"


class SubscriptionRefused(BadInput):
    """A rule of subscribing is broken.

    Source: docs.usekana.com/reference, mutations "subscribe", errors.
    """

    name = "SubscriptionError"


class SubscriptionLinkRefused(BadInput):
    """No subscription link can be made."""

    name = "SubscriptionLinkError"


class IdempotencyKeyReused(KanaError):
    """The key was used before with other content; the message names the fields that differ."""

    code = "IDEMPOTENCY_KEY_REUSED"
    name = "IdempotencyKeyReusedError"


class Unauthenticated(KanaError):
    """No key, or one that does not open this door. Unknown, revoked and wrong-kind keys read the same."""

    code = "UNAUTHENTICATED"
    name = "AuthenticationError"

    def __init__(self, message: str = "Unauthenticated: a valid key is needed in the Authorization header.") -> None:
        super().__init__(message)


class Forbidden(KanaError):
    """The caller is known and may not do this."""

    code = "FORBIDDEN"
    name = "ForbiddenError"


class QueryTooComplex(KanaError):
    """The document passes a limit; the message names the limit, the value and what is allowed."""

    code = "QUERY_TOO_COMPLEX"
    name = "QueryTooComplexError"


class RateLimited(KanaError):
    """Too much is asked at once. Retry after ``retry_after_s``; nothing was recorded."""

    code = "RATE_LIMITED"
    name = "RateLimitedError"


class Unavailable(KanaError):
    """The store cannot answer now. Nothing was recorded by this call; retry."""

    code = "UNAVAILABLE"
    name = "UnavailableError"


class StorageFull(Unavailable):
    """The disk is full. Nothing was recorded; works again when there is room."""

    name = "StorageFullError"


class OutcomeUnknown(KanaError):
    """The connection was lost while committing. Retry with the same idempotency key: it counts once."""

    code = "OUTCOME_UNKNOWN"
    name = "OutcomeUnknownError"


class Internal(KanaError):
    """A defect of ours. The caller sees a request id and nothing else."""


class DatabaseRefused(Internal):
    """The database is not ours, is newer than this program, or is held by another server."""

    name = "DatabaseRefusedError"
