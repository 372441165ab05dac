"""Choosing among the outcomes of usage: one, all of them, or all refusals."""

from __future__ import annotations

from collections.abc import Sequence

from kana.dashboard.outcomes import outcome_in_words
from kana.errors import InvalidValue
from kana.model.entitlement import Outcome
from kana.model.text import shown

_REFUSED = "REFUSED"
_REFUSALS = tuple(outcome for outcome in Outcome if outcome is not Outcome.RECORDED)

CHOICES: Sequence[tuple[str, str]] = (
    (Outcome.RECORDED, outcome_in_words(Outcome.RECORDED)),
    (_REFUSED, "Refused, for any reason"),
    *((outcome, outcome_in_words(outcome)) for outcome in _REFUSALS),
)
"""What to choose from: a word for the address, and what it says."""


def asked_outcomes(text: str) -> Sequence[Outcome]:
    """Return the outcomes that a word of ``CHOICES`` stands for; "" is all of them.

    Raises:
        InvalidValue: it is another word.
    """
    if text == _REFUSED:
        return _REFUSALS
    if text and text not in set(Outcome):
        words = ", ".join((*Outcome, _REFUSED))
        raise InvalidValue(f"outcome must be one of {words}, got {shown(text)}", field="outcome")
    return (Outcome(text),) if text else tuple(Outcome)
