"""Each error that a server can send arrives as the exception that it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kana import errors
from kana.api.errors import fault_of
from kana.api.graphql.answers import fault_as_error
from kana.errors import KanaError
from kana.sdk.errors import error_of


def tree(kind: type[KanaError] = KanaError) -> Iterator[type[KanaError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from tree(child)


SHOWN = [kind for kind in tree() if not issubclass(kind, errors.Internal)]


@pytest.mark.parametrize("kind", SHOWN, ids=lambda kind: kind.__name__)
def test_a_class_survives_the_wire(kind: type[KanaError]) -> None:
    """The server's words for an error are read back as the same class with the same message."""
    error = kind("words")
    error.retry_after_s = 3
    found = error_of(fault_as_error(fault_of(error, request_id="r1")))
    assert (type(found), found.message, found.retry_after_s) == (kind, "words", 3)


def test_a_defect_keeps_the_request_id() -> None:
    """A defect of the server is Internal, whatever its class was, and says what to look for in the log."""
    found = error_of(fault_as_error(fault_of(ZeroDivisionError("secret"), request_id="r1")))
    assert (type(found), found.message) == (errors.Internal, "internal error (request r1)")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("BAD_USER_INPUT", errors.BadInput),
        ("IDEMPOTENCY_KEY_REUSED", errors.IdempotencyKeyReused),
        ("UNAUTHENTICATED", errors.Unauthenticated),
        ("FORBIDDEN", errors.Forbidden),
        ("QUERY_TOO_COMPLEX", errors.QueryTooComplex),
        ("RATE_LIMITED", errors.RateLimited),
        ("UNAVAILABLE", errors.Unavailable),
        ("OUTCOME_UNKNOWN", errors.OutcomeUnknown),
        ("INTERNAL", errors.Internal),
        ("INVENTED_LATER", errors.Internal),
    ],
)
@pytest.mark.parametrize("name", ["InventedLaterError", "UserNotFoundError"])
def test_an_unknown_name_falls_back_to_its_code(code: str, expected: type[KanaError], name: str) -> None:
    """A newer server's names are understood by their code, and a name never contradicts the code."""
    wanted = errors.UserNotFound if (code, name) == ("BAD_USER_INPUT", "UserNotFoundError") else expected
    assert type(error_of({"message": "m", "extensions": {"code": code, "exception": {"name": name}}})) is wanted


@pytest.mark.parametrize("error", [{}, {"message": "m"}, {"extensions": None}, {"extensions": {"exception": None}}])
def test_an_error_without_a_code_is_internal(error: dict[str, object]) -> None:
    """What says nothing about itself is no fault of the caller's."""
    assert type(error_of(error)) is errors.Internal
