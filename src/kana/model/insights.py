"""Insights into usage for a product team: how much, by whom, and who is about to run out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import assert_never

from kana.errors import InvalidValue
from kana.model.allowance import Allowance
from kana.model.entitlement import Outcome
from kana.model.period import Period, check_order, from_milliseconds, to_milliseconds
from kana.model.tally import DAY_MS, HOUR_MS
from kana.model.value import value_object
from kana.model.word import Word

STEPS_MAX = 10_000
"""Most steps of one range; a year by the hour fits."""

NEAR_PERCENT = 80
"""From which percentage of its limit an entitlement is near it."""

_LAST_YEAR = 9000  # Every step that begins before it ends in a year that Python has.


class Step(Word):
    """The step of a usage report, in UTC. Weeks begin on Monday."""

    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"

    def floor(self, moment: datetime) -> datetime:
        """Return the beginning of the step that contains a moment."""
        day = _whole(moment, DAY_MS)
        match self:
            case Step.HOUR:
                return _whole(moment, HOUR_MS)
            case Step.DAY:
                return day
            case Step.WEEK:
                return day - timedelta(days=day.weekday())
            case Step.MONTH:
                return day.replace(day=1)
            case _:
                assert_never(self)

    def following(self, begin: datetime) -> datetime:
        """Return the beginning of the next step."""
        match self:
            case Step.HOUR:
                return begin + timedelta(hours=1)
            case Step.DAY:
                return begin + timedelta(days=1)
            case Step.WEEK:
                return begin + timedelta(days=7)
            case Step.MONTH:
                return (begin.replace(day=28) + timedelta(days=4)).replace(day=1)
            case _:
                assert_never(self)


def _whole(moment: datetime, size_ms: int) -> datetime:
    """Return the beginning of the hour or day that contains a moment."""
    return from_milliseconds(to_milliseconds(moment) // size_ms * size_ms)


@value_object()
class Steps:
    """A range in whole steps: when each of them begins, and when the last one ends."""

    step: Step
    begins: tuple[datetime, ...]
    end: datetime

    @property
    def start(self) -> datetime:
        """When the first step begins."""
        return self.begins[0]

    @classmethod
    def over(cls, start: datetime, end: datetime, step: Step) -> Steps:
        """Return the steps that ``[start, end)`` touches; steps are never partial.

        Raises:
            InvalidValue: the range is empty, has more than 10,000 steps, or lies beyond the year 9000.
        """
        check_range(start, end)
        begins: list[datetime] = []
        begin = step.floor(start)
        while begin < end:
            if len(begins) == STEPS_MAX:
                raise InvalidValue(f"from and to must span at most {STEPS_MAX} steps of a {step}", field="to")
            begins.append(begin)
            begin = step.following(begin)
        return cls(step, tuple(begins), begin)


def check_range(start: datetime, end: datetime) -> None:
    """Refuse a range that is empty or outside the calendar.

    Raises:
        InvalidValue: ``to`` is not after ``from``, or one of them is before 1970 or after 9000.
    """
    if not 1970 <= start.year <= end.year < _LAST_YEAR:
        raise InvalidValue(f"from and to must be in the years 1970 to {_LAST_YEAR - 1}", field="from")
    check_order(start, end)


@value_object(kw_only=True)
class UsageRow:
    """What was used in the step that begins ``at``: of one feature, by users of one package.

    ``units`` is below zero if more was given back than used. ``entries`` count usages that were recorded,
    ``refusals`` those that were refused. ``package_id=None``: no subscription answered, so all are refusals.
    """

    at: datetime
    feature_id: str
    package_id: str | None
    units: int
    entries: int
    refusals: int


def gathered(rows: Iterable[UsageRow], step: Step) -> list[UsageRow]:
    """Return the rows added up by step, feature and package, in order of time."""
    sums: dict[tuple[datetime, str, str | None], list[int]] = {}
    for row in rows:
        _add(sums.setdefault((step.floor(row.at), row.feature_id, row.package_id), [0, 0, 0]), row, 1)
    return in_order(
        UsageRow(at=at, feature_id=feature, package_id=package, units=units, entries=entries, refusals=refusals)
        for (at, feature, package), (units, entries, refusals) in sums.items()
    )


@value_object(kw_only=True)
class CreditRow:
    """What was used of a credit in the step that begins ``at`` for one feature that costs it.

    ``feature_id=None``: it was used by itself, or given back by itself. The numbers are as in ``UsageRow``.
    """

    at: datetime
    feature_id: str | None
    units: int
    entries: int
    refusals: int


def spent(rows: Iterable[CreditRow], totals: Iterable[UsageRow], step: Step) -> list[CreditRow]:
    """Return what was used of a credit by step and feature, in order of time; the rest of the totals by itself."""
    sums: dict[tuple[datetime, str | None], list[int]] = {}
    for row in rows:
        _add(sums.setdefault((step.floor(row.at), row.feature_id), [0, 0, 0]), row, 1)
        _add(sums.setdefault((step.floor(row.at), None), [0, 0, 0]), row, -1)
    for total in totals:
        _add(sums.setdefault((step.floor(total.at), None), [0, 0, 0]), total, 1)
    return [
        CreditRow(at=at, feature_id=feature_id, units=units, entries=entries, refusals=refusals)
        for (at, feature_id), (units, entries, refusals) in sorted(
            sums.items(), key=lambda each: (each[0][0], each[0][1] or "")
        )
        if entries or refusals
    ]


def _add(sums: list[int], row: CreditRow | UsageRow, sign: int) -> None:
    for place, number in enumerate((row.units, row.entries, row.refusals)):
        sums[place] += sign * number


def in_order(rows: Iterable[UsageRow]) -> list[UsageRow]:
    """Return the rows in order of time, then of features and packages."""
    return sorted(rows, key=lambda row: (row.at, row.feature_id, row.package_id or ""))


@value_object()
class Adoption:
    """How many users had a feature in a range of days, and how many of them used it."""

    feature_id: str
    entitled: int
    used: int

    @property
    def share(self) -> float | None:
        """The share that used it, 0 to 1; None if nobody had it."""
        return self.used / self.entitled if self.entitled else None


@value_object()
class TopUser:
    """How much one user used of one feature."""

    user_id: str
    units: int
    entries: int
    refusals: int


@value_object()
class Refusals:
    """How often one user was refused one feature for one reason, and the last time."""

    user_id: str
    feature_id: str
    reason: Outcome
    count: int
    last_at: datetime


@value_object(kw_only=True)
class Outlook:
    """How much of a limit a user has used, and when they reach it at the pace of this period.

    ``package_id=None``: all of it was given to this user alone. ``runs_out_at`` is the present time if they have
    reached it, and None if the period ends first.
    """

    user_id: str
    feature_id: str
    package_id: str | None
    used: int
    limit: int
    overage_enabled: bool
    resets_at: datetime | None
    runs_out_at: datetime | None

    @property
    def share(self) -> float:
        """The share of the limit that is used; above 1 if it was exceeded. A limit of 0 counts as reached."""
        return self.used / self.limit if self.limit else 1.0


def near(limit: int) -> int:
    """Return from how many used units a limit is near, 1 or more."""
    return max(1, -(-limit * NEAR_PERCENT // 100))


def runs_out_at(
    allowance: Allowance, period: Period, so_far: Sequence[tuple[datetime, int]], *, now: datetime
) -> datetime | None:
    """Return when a limit is reached if users go on at their pace; None where the period ends before.

    ``so_far`` says of each total that counts since when it counts, and how many units. The pace is the sum of theirs,
    each over the whole milliseconds since then.
    """
    used = sum(units for _, units in so_far)
    if allowance.limit is None or now < period.start:
        return None
    if used >= allowance.limit:
        return now
    now_ms = to_milliseconds(now)
    paces = [(units, now_ms - to_milliseconds(since)) for since, units in so_far if units]
    if not paces:
        return None
    if any(elapsed <= 0 for _, elapsed in paces):
        return now  # All at once: at that pace the rest is gone in no time.
    pace = sum((Fraction(units, elapsed) for units, elapsed in paces), Fraction())
    at = now_ms + ceil((allowance.limit - used) / pace)
    end = to_milliseconds(datetime(_LAST_YEAR, 1, 1, tzinfo=now.tzinfo) if period.end is None else period.end)
    return from_milliseconds(at) if at < end else None
