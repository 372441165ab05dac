"""Explains why one subscription answers for a feature and the others do not, by the rule of ``effective``."""

from __future__ import annotations

from collections.abc import Sequence

from kana.model.allowance import Allowance, Combine
from kana.model.effective import Candidate
from kana.model.value import value_object


@value_object()
class RankedSubscription:
    """One subscription that could answer, and why it does or does not. ``adds`` if it adds to the one that does."""

    candidate: Candidate
    answers: bool
    why: str
    adds: bool = False


def explain(ranked: Sequence[Candidate]) -> list[RankedSubscription]:
    """Return the candidates of one feature, best first as ``candidates`` ranks them, each with its reason."""
    if not ranked:
        return []
    best, *others = ranked
    adding = [each for each in others if each.allowance.combine is Combine.ADD]
    outranked = [each for each in others if each.allowance.combine is Combine.HIGHEST]
    return [
        RankedSubscription(best, answers=True, why=_why(best, outranked, adding)),
        *(RankedSubscription(each, answers=False, why=_adds(each.allowance), adds=True) for each in adding),
        *(RankedSubscription(each, answers=False, why=_why_not(best, each)) for each in outranked),
    ]


def _adds(allowance: Allowance) -> str:
    if allowance.limit is None:
        return "It is added to that, and it is unlimited."
    return f"It is added to that: {allowance.limit:,} more."


def _why(best: Candidate, outranked: Sequence[Candidate], adding: Sequence[Candidate]) -> str:
    if outranked:
        return _why_before(best, outranked[0])
    if adding:
        return f"It allows {_limit(best.allowance)}, and other packages of the user add to that."
    return "It is the user's only package with this feature."


def _why_before(best: Candidate, second: Candidate) -> str:
    match _difference(best, second):
        case "limit":
            return f"The highest limit answers: {_limit(best.allowance)} is more than {_limit(second.allowance)}."
        case "overage":
            return "Limits are equal, and this package allows overage."
        case "base":
            return "Limits are equal, and a base package comes before an add-on."
    return "Everything else is equal, and this subscription is older."


def _why_not(best: Candidate, other: Candidate) -> str:
    match _difference(best, other):
        case "limit":
            return f"Its limit, {_limit(other.allowance)}, is lower. Limits are not added up."
        case "overage":
            return "Its limit is equal, and it does not allow overage. Limits are not added up."
        case "base":
            return "Its limit is equal, and it is an add-on. Limits are not added up."
    return "Everything else is equal, and this subscription is newer. Limits are not added up."


def _difference(best: Candidate, other: Candidate) -> str:
    if best.allowance.limit != other.allowance.limit:
        return "limit"
    if best.allowance.overage_enabled != other.allowance.overage_enabled:
        return "overage"
    return "base" if best.package.is_addon != other.package.is_addon else "age"


def _limit(allowance: Allowance) -> str:
    return "unlimited" if allowance.limit is None else f"{allowance.limit:,}"
