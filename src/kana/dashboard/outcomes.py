"""What each outcome of a usage is called on pages: the one table."""

from __future__ import annotations

from typing import assert_never

from kana.model.entitlement import Outcome


def outcome_in_words(outcome: Outcome) -> str:
    """Return an outcome in a few words for people, as ``Limit reached``."""
    match outcome:
        case Outcome.RECORDED:
            return "Recorded"
        case Outcome.LIMIT_EXCEEDED:
            return "Limit reached"
        case Outcome.BELOW_ZERO:
            return "More given back than used"
        case Outcome.NO_SUBSCRIPTION:
            return "No subscription with this feature"
        case Outcome.TOTAL_TOO_LARGE:
            return "Total too large"
        case Outcome.DENIED:
            return "Denied by an override"
        case Outcome.OTHER_LINE_REFUSED:
            return "Refused together with another feature"
        case Outcome.CREDIT_EXCEEDED:
            return "Not enough credit"
        case _:
            assert_never(outcome)
