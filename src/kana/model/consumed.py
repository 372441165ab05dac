"""The answer to a decision over several lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kana.model.entitlement import Consumption, Outcome
from kana.model.line import LETS_GO
from kana.model.reservation import Reservation
from kana.model.usage import Entry
from kana.model.value import value_object

WAS_OVER = "The reservation was over, so this was decided like new usage."
"""What is said of units that are settled too late."""

_FOR_ANOTHER = frozenset({Outcome.OTHER_LINE_REFUSED, Outcome.CREDIT_EXCEEDED})
"""Outcomes of lines that another line is the reason of."""


@value_object(kw_only=True)
class LineAnswer:
    """What was decided on one line. ``entry_id`` is None if nothing was written; ``cost_of`` is what costs it."""

    feature_id: str
    units: int
    outcome: Outcome
    reason: str | None
    consumption: Consumption | None
    entry_id: int | None = None
    cost_of: str | None = None


@value_object(kw_only=True)
class Consumed:
    """The answer to a decision over several lines: all of them, or a refusal that names each that does not fit.

    ``decision_id`` is None if nothing was written. ``reservation`` is what is set aside, or was. ``is_late``: it was
    over when units of it were settled, so they were decided like new usage.
    """

    lines: Sequence[LineAnswer]
    decision_id: int | None = None
    reservation: Reservation | None = None
    is_late: bool = False
    duplicate: bool = False

    @property
    def granted(self) -> bool:
        """Whether every line is recorded."""
        return self.outcome is Outcome.RECORDED

    @property
    def outcome(self) -> Outcome:
        """The outcome of the first line that does not fit, or that all are recorded."""
        return next((each.outcome for each in self._refused), Outcome.RECORDED)

    @property
    def reason(self) -> str | None:
        """Why it is refused, with the name of each feature that does not fit, and whether it was too late."""
        found = [f"{each.feature_id}: {each.reason}" for each in self._refused]
        return " ".join([*found, *([WAS_OVER] if self.is_late else [])]) or None

    @property
    def _refused(self) -> list[LineAnswer]:
        return [
            each for each in self.lines if each.outcome is not Outcome.RECORDED and each.outcome not in _FOR_ANOTHER
        ]


def tried(answer: Consumed) -> Consumed:
    """Return an answer as one of which nothing is written."""
    return replace(answer, decision_id=None, lines=tuple(replace(each, entry_id=None) for each in answer.lines))


def answer_of(entries: Sequence[Entry], reservation: Reservation | None, *, duplicate: bool = False) -> Consumed:
    """Return the answer that the entries of a decision contain. What was let go besides is not a line of it."""
    asked = [entry for entry in entries if entry.line is not None and entry.line.step not in LETS_GO]
    return Consumed(
        lines=tuple(
            LineAnswer(
                feature_id=entry.feature_id,
                units=entry.delta,
                outcome=entry.outcome,
                reason=entry.reason,
                consumption=entry.consumption,
                entry_id=entry.id,
                cost_of=None if entry.line is None else entry.line.cost_of,
            )
            for entry in asked
        ),
        decision_id=entries[0].id,
        reservation=reservation,
        is_late=any(each.line is not None and each.line.is_late for each in asked),
        duplicate=duplicate,
    )
