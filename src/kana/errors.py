"""The one tree of errors. It imports nothing and does not know HTTP.

    KanaError
    ├── BadInput                    BAD_USER_INPUT          the call is wrong
    │   ├── InvalidValue                                    a field's value is not allowed
    │   ├── NotFound
    │   │   ├── UserNotFound, FeatureNotFound, PackageNotFound, SubscriptionNotFound, EntryNotFound, KeyNotFound,
    │   │   ├── GivenNotFound, BulkChangeNotFound, ReservationNotFound, WebhookNotFound
    │   ├── Conflict                                        the id is taken, or the state forbids it
    │   ├── BodyTooLarge, UnsupportedMediaType              the body is not read
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
        └── DatabaseRefused                                 not Kana's database, or newer than this program

A refusal (a limit reached, no subscription) is an answer and never an error.
"""

from __future__ import annotations

from typing import ClassVar


class KanaError(Exception):
    """The base of every error in Kana. ``message`` is for people, ``code`` and ``name`` for programs.

    ``code`` is stable, so clients can rely on it; ``name`` is the class name that
    Kana's SDKs look for in ``extensions.exception.name``.
    ``retry_after_s`` is set if the same call may succeed later.
    """

    code: ClassVar[str] = "INTERNAL"
    name: ClassVar[str] = "InternalError"

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class BadInput(KanaError):
    """The call is wrong. Nothing was changed; the same call fails again."""

    code = "BAD_USER_INPUT"
    name = "UserInputError"


class InvalidValue(BadInput):
    """A field has a value that is not allowed; the message names the field, the value and what is allowed."""

    name = "InvalidValueError"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFound(BadInput):
    """The thing asked for does not exist, or the caller may not see it."""

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


class GivenNotFound(NotFound):
    """No top-up, or no override, has this id in this environment."""

    name = "GivenNotFoundError"


class SubscriptionNotFound(NotFound):
    """No subscription has this id in this environment."""

    name = "SubscriptionNotFoundError"


class BulkChangeNotFound(NotFound):
    """No job that moves users to another package has this id in this environment."""

    name = "BulkChangeNotFoundError"


class EntryNotFound(NotFound):
    """This user's ledger has no entry with this id."""

    name = "EntryNotFoundError"


class ReservationNotFound(NotFound):
    """No reservation has this id in this environment."""

    name = "ReservationNotFoundError"


class WebhookNotFound(NotFound):
    """No webhook endpoint has this id in this environment, or nothing with this id was to be delivered to it."""

    name = "WebhookNotFoundError"


class KeyNotFound(NotFound):
    """No key in this workspace begins with this text."""

    name = "KeyNotFoundError"


class Conflict(BadInput):
    """The id is taken, or the present state does not allow the change."""

    name = "ConflictError"


class BodyTooLarge(InvalidValue):
    """The body is longer than is accepted here. It was not read beyond that length."""

    name = "BodyTooLargeError"


class UnsupportedMediaType(InvalidValue):
    """The body has a content type that is not accepted here."""

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
    """No key, or one that is not valid here. Unknown, revoked and wrong-kind keys get the same answer."""

    code = "UNAUTHENTICATED"
    name = "AuthenticationError"

    def __init__(self, message: str = "Unauthenticated: a valid key is needed in the Authorization header.") -> None:
        super().__init__(message)


class Forbidden(KanaError):
    """The caller is known, but may not do this."""

    code = "FORBIDDEN"
    name = "ForbiddenError"


class QueryTooComplex(KanaError):
    """The document exceeds a limit; the message names the limit, the value and what is allowed."""

    code = "QUERY_TOO_COMPLEX"
    name = "QueryTooComplexError"


class RateLimited(KanaError):
    """Too many requests at once. Retry after ``retry_after_s``; nothing was recorded."""

    code = "RATE_LIMITED"
    name = "RateLimitedError"


class Unavailable(KanaError):
    """The store cannot answer now. Nothing was recorded by this call; retry."""

    code = "UNAVAILABLE"
    name = "UnavailableError"


class StorageFull(Unavailable):
    """The disk is full. Nothing was recorded; it works again when there is space."""

    name = "StorageFullError"


class OutcomeUnknown(KanaError):
    """The connection was lost while committing. Retry with the same idempotency key: it counts once."""

    code = "OUTCOME_UNKNOWN"
    name = "OutcomeUnknownError"


class Internal(KanaError):
    """An error on our side. The caller sees a request id and nothing else."""


class DatabaseRefused(Internal):
    """The database is not Kana's, is newer than this program, or is in use by another server."""

    name = "DatabaseRefusedError"
