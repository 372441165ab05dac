"""Every error of Kana has its place in HTTP."""

from __future__ import annotations

import pytest

import kana.errors
from kana.api.errors import STATUS_OF_CODE, fault_of, problem
from kana.errors import (
    BodyTooLarge,
    DatabaseRefused,
    InvalidValue,
    KanaError,
    RateLimited,
    StorageFull,
    SubscriptionRefused,
    Unauthenticated,
    UnsupportedMediaType,
    UserNotFound,
)
from kana.status import STATUS, status_of


def every_error() -> list[type[KanaError]]:
    """All classes of the tree but its root."""
    found = [kind for kind in vars(kana.errors).values() if isinstance(kind, type) and issubclass(kind, KanaError)]
    return [kind for kind in found if kind is not KanaError]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_is_mapped(kind: type[KanaError]) -> None:
    """Each class has a status by itself or through an ancestor, and its code has one for GraphQL."""
    assert any(ancestor in STATUS for ancestor in kind.__mro__)
    assert kind.code in STATUS_OF_CODE
    error = kind("x") if kind is not Unauthenticated else kind()
    assert 400 <= status_of(error) < 600


def test_an_error_without_a_place_would_be_seen() -> None:
    """The control: a class beside the tree is not mapped."""

    class Stray(KanaError):
        pass

    assert not any(ancestor in STATUS for ancestor in Stray.__mro__)
    assert status_of(Stray("x")) == 500


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidValue("x"), 400),
        (BodyTooLarge("x"), 413),
        (UnsupportedMediaType("x"), 415),
        (UserNotFound("x"), 404),
        (SubscriptionRefused("x"), 400),
        (Unauthenticated(), 401),
        (RateLimited("x"), 429),
        (StorageFull("x"), 507),
        (DatabaseRefused("x"), 500),
    ],
)
def test_the_nearest_class_counts(error: KanaError, status: int) -> None:
    """A class that is not named has the status of its nearest ancestor."""
    assert status_of(error) == status


def test_an_error_is_told_as_a_problem() -> None:
    """Problem details say what happened, and when to come back."""
    fault = fault_of(RateLimited("slow down", retry_after_s=3), request_id="r")
    assert problem(fault) == {
        "type": "about:blank",
        "title": "RateLimitedError",
        "status": 429,
        "detail": "slow down",
        "error": "slow down",
        "message": "slow down",
        "code": "RATE_LIMITED",
        "retryAfter": 3,
    }


@pytest.mark.parametrize("error", [RuntimeError("secret"), DatabaseRefused("/secret/path"), KanaError("secret")])
def test_a_defect_is_told_as_a_number(error: Exception) -> None:
    """Whatever is not meant for the caller is "internal error" and the request id."""
    told = problem(fault_of(error, request_id="r-1"))
    assert told["detail"] == "internal error"
    assert told["requestId"] == "r-1"
    assert "secret" not in str(told)
