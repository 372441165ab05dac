"""Insights into usage: on which features a credit was spent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.wire import moment, query


class UsageStep(StrEnum):
    """The step of a report, in UTC. Weeks begin on Monday."""

    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditInsight:
    """What was used of a credit in the step that begins ``at``, for one feature that costs it.

    ``feature_id=None``: the credit was used by itself, or given back by itself. ``units`` are below zero if more was
    given back than used. ``entries`` were recorded, ``refusals`` refused.
    """

    at: datetime
    feature_id: str | None
    units: int
    entries: int
    refusals: int


CREDIT: Final = query(
    "creditInsights(featureId: String!, from: DateTime!, to: DateTime!, by: UsageStep!)", tuple[CreditInsight, ...]
)


class Insights(Group[D]):
    """What was used, over all users."""

    @operation
    def credit(
        self, *, feature_id: str, start: datetime, end: datetime, by: UsageStep | str = UsageStep.DAY
    ) -> Steps[tuple[CreditInsight, ...]]:
        """Return on which features a credit was spent from ``start`` to ``end``, by step and feature, in order of time.

        Steps are never partial: each one that the range touches is included as a whole.

        Raises:
            FeatureNotFound: no such credit.
            InvalidValue: a time has no time zone, there is no such step, or the range is empty or has more than 10,000
                steps or rows.
        """
        between: dict[str, Any] = {"from": moment(start, "start"), "to": moment(end, "end")}
        return self._core.ask(CREDIT, featureId=feature_id, by=by, **between)
