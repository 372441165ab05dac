"""The answers of gates to requests that they do not let through, as problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from kana.sdk.consuming import Consumed
from kana.sdk.results import Consumption, Outcome

MEDIA_TYPE: Final = "application/problem+json"


class Refusal(NamedTuple):
    """Why a user may not use a feature: the first that does not fit."""

    feature_id: str
    outcome: Outcome
    reason: str
    consumption: Consumption | None

    @classmethod
    def of(cls, answer: Consumed) -> Self | None:
        """Return why several features are refused; ``reason`` names each that does not fit. None if they are not."""
        if answer.granted:
            return None
        line = next(each for each in answer.lines if each.outcome is answer.outcome)
        return cls(line.feature_id, line.outcome, answer.reason or answer.outcome, line.consumption)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal as RFC 9457 problem details.

    402: the limit is reached; ``limit``, ``used`` and ``resetsAt`` have the details. 403: the user does
    not have the feature, or it is refused for another reason, even one that this version does not know.
    400: the amount is not valid. 503: Kana did not answer. ``feature`` is the one that does not fit;
    ``features`` are those of a gate of several, where the problem is with none in particular.
    """

    status: int
    body: dict[str, Any]

    def encoded(self) -> bytes:
        """Return the body as JSON."""
        return json.dumps(self.body, ensure_ascii=False).encode()


def invalid(detail: str, features: Collection[str]) -> Problem:
    """Return that an amount is not valid."""
    return _problem(400, "invalid", "Invalid request", detail=detail, features=features)


def unavailable(detail: str, features: Collection[str]) -> Problem:
    """Return that Kana did not answer."""
    return _problem(503, "unavailable", "Cannot be checked now", detail=detail, features=features)


def no_access(detail: str, features: Collection[str]) -> Problem:
    """Return that the user does not have a feature."""
    return _problem(403, "no-access", "Not in your plan", detail=detail, features=features)


def refused(refusal: Refusal) -> Problem:
    """Return that a feature is refused, for whatever reason."""
    if refusal.outcome is Outcome.NO_SUBSCRIPTION:
        return no_access(refusal.reason, [refusal.feature_id])
    return _problem(403, "refused", "Refused", detail=refusal.reason, features=[refusal.feature_id])


def limit_reached(refusal: Refusal, resets_at: str | None) -> Problem:
    """Return that the limit is reached, how far, and until when if that is known."""
    return _problem(
        402,
        "limit-reached",
        "Limit reached",
        detail=refusal.reason,
        features=[refusal.feature_id],
        limit=refusal.consumption and refusal.consumption.budget,
        used=refusal.consumption and refusal.consumption.used,
        resetsAt=resets_at,
    )


def _problem(status: int, kind: str, title: str, *, detail: str, features: Collection[str], **members: Any) -> Problem:
    about = {"feature": next(iter(features))} if len(features) == 1 else {"features": list(features)}
    body = {"type": f"urn:kana:problem:{kind}", "title": title, "status": status, "detail": detail}
    return Problem(status=status, body=body | about | members)
