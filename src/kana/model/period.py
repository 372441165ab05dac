"""Reset periods: half-open ``[start, end)``, in UTC, one after the other from a subscription's start.

They are anchored at that start, at another instant, or at the calendar of a time zone. From an instant,
MONTH, QUARTER and YEAR are counted from the anchor and never from the last period, so an anchor on the
31st gives 28 or 29 February and then 31 March; DAY is 24 hours and WEEK seven times that. By the calendar,
a period begins when the local clock first shows its beginning, so a day has 23 or 25 hours when the clock
changes. Without a reset period there is one period without an end.

Source: docs.usekana.com/reference, enums "ResetPeriod"; the end of a month, and everything except DAY,
MONTH and YEAR from the start, settled by us.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeAlias, assert_never

from kana.errors import InvalidValue
from kana.model.text import shown
from kana.model.value import value_object
from kana.model.word import Word
from kana.model.zone import clock_at, first_shown, full_hour, zone_named

CLOCKS_APART = timedelta(minutes=5)
"""How far a caller's clock may differ from ours, in either direction; times beyond that are refused."""

_EXAMPLE = "2026-11-25T16:57:42.778Z"
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_DAYS_OF_EVERY_MONTH = 28
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CALENDAR_START = datetime(2001, 1, 1, tzinfo=UTC)
"""A Monday, and the first of a month, quarter and year: every calendar period is whole steps from it."""


class ResetPeriod(Word):
    """How often usage goes back to zero, counted from the subscription's start."""

    YEAR = "YEAR"
    QUARTER = "QUARTER"
    MONTH = "MONTH"
    WEEK = "WEEK"
    DAY = "DAY"
    HOUR = "HOUR"


_MONTH = ResetPeriod.MONTH
_Step: TypeAlias = timedelta | int
"""The length of a period, as a duration or a number of months."""


def longest(reset: ResetPeriod) -> timedelta:
    """Return the longest that a period from an instant can last."""
    step = _step(reset)
    return step if isinstance(step, timedelta) else step * 31 * _DAY


@value_object()
class Calendar:
    """Anchors periods at full hours, midnights, Mondays and first days, in the local time of an IANA zone."""

    zone: str

    def __post_init__(self) -> None:
        zone_named(self.zone)

    def __str__(self) -> str:
        return f"the calendar in {self.zone}"


Anchor: TypeAlias = datetime | Calendar
"""What periods are counted from if not the subscription's start: an instant in UTC, or the calendar."""


@value_object()
class Period:
    """One stretch of time in which usage adds up. ``end=None`` never ends."""

    start: datetime
    end: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Whether the moment belongs to this period: the start does, the end does not."""
        return self.start <= moment and (self.end is None or moment < self.end)


def to_milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since 1970, the precision in which all times are stored."""
    return (moment - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    """Return the aware UTC time of ``to_milliseconds``."""
    return _EPOCH + milliseconds * _MILLISECOND


def time_in(value: object, *, field: str) -> datetime:
    """Return the time of an RFC 3339 text with seconds and zone, in UTC and cut to the millisecond.

    Python alone accepts more: week dates, times without a zone, and in some releases 24:00.

    Raises:
        InvalidValue: it is anything else, or not an existing time.
    """
    if isinstance(value, str) and _RFC_3339(value):
        with suppress(ValueError, OverflowError):  # The 30th of February, or year 0.
            return to_precision(datetime.fromisoformat(value.upper()).astimezone(UTC))
    raise InvalidValue(
        f"{field} must be RFC 3339 with seconds and zone, as in {_EXAMPLE}, and a time that exists; got {shown(value)}",
        field=field,
    )


def check_order(start: datetime, end: datetime) -> None:
    """Refuse a range of time that is empty.

    Raises:
        InvalidValue: ``to`` is not after ``from``.
    """
    if end <= start:
        raise InvalidValue(f"to must be after from, got {start.isoformat()} to {end.isoformat()}", field="to")


def time_text(moment: datetime) -> str:
    """Return a UTC time as every API writes it: RFC 3339 with milliseconds and Z."""
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def optional_time_text(moment: datetime | None) -> str | None:
    """Return the text of an optional time."""
    return None if moment is None else time_text(moment)


def to_precision(moment: datetime) -> datetime:
    """Return the moment in UTC, cut to the millisecond."""
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def period_at(start: datetime, reset: ResetPeriod | None, moment: datetime, anchor: Anchor | None = None) -> Period:
    """Return the period that holds ``moment``, which must not be before ``start``. All are UTC.

    Without an anchor periods are counted from the start, with one the first of them may be cut there.
    """
    if reset is None:
        return Period(start, None)
    if anchor is None:
        return _stepped(start, reset, moment)
    period = _by_calendar(anchor, reset, moment) if isinstance(anchor, Calendar) else _stepped(anchor, reset, moment)
    return period if start <= period.start else Period(start, period.end)


def period_start_at(
    start: datetime, reset: ResetPeriod | None, moment: datetime, anchor: Anchor | None = None
) -> datetime:
    """Return only the start of ``period_at``, which identifies a running total."""
    if reset is _MONTH and anchor is None and start.day <= _DAYS_OF_EVERY_MONTH:
        # Nearly all there are: no month need be counted, and most often one date is made.
        begin = start.replace(moment.year, moment.month)
        return begin if begin <= moment else _add_months(begin, -1)
    if reset is None:
        return start
    if anchor is None:
        return _number_and_start(start, _step(reset), moment)[1]
    return period_at(start, reset, moment, anchor).start


def periods_before(
    start: datetime, reset: ResetPeriod | None, moment: datetime, anchor: Anchor | None = None
) -> Iterator[Period]:
    """Yield the periods that have ended at ``moment``, newest first, back to the start."""
    period = period_at(start, reset, moment, anchor)
    while start < period.start:
        period = period_at(start, reset, period.start - _MILLISECOND, anchor)
        yield period


def _stepped(anchor: datetime, reset: ResetPeriod, moment: datetime) -> Period:
    step = _step(reset)
    number, start = _number_and_start(anchor, step, moment)
    return Period(start, _start(anchor, step, number + 1))


def _by_calendar(calendar: Calendar, reset: ResetPeriod, moment: datetime) -> Period:
    zone = zone_named(calendar.zone)
    if reset is ResetPeriod.HOUR:
        return Period(*full_hour(zone, moment))
    step = _step(reset)
    number, _ = _number_and_start(_CALENDAR_START, step, clock_at(zone, moment))
    # A clock that was put back may show the end of a period whose next one has begun. Of a day that is
    # left out the beginning is that of the next.
    begins = [first_shown(zone, _start(_CALENDAR_START, step, number + more)) for more in range(3)]
    return Period(max(each for each in begins if each <= moment), min(each for each in begins if moment < each))


@cache
def _step(reset: ResetPeriod) -> _Step:
    match reset:
        case ResetPeriod.MONTH:
            return 1
        case ResetPeriod.QUARTER:
            return 3
        case ResetPeriod.YEAR:
            return 12
        case ResetPeriod.WEEK:
            return 7 * _DAY
        case ResetPeriod.DAY:
            return _DAY
        case ResetPeriod.HOUR:
            return _HOUR
        case _:
            assert_never(reset)


def _number_and_start(anchor: datetime, step: _Step, moment: datetime) -> tuple[int, datetime]:
    """Return how many whole periods lie between the anchor and the moment, and where the next one starts.

    A moment before the anchor lies a number of periods below 0 from it.
    """
    if isinstance(step, timedelta):
        number = (moment - anchor) // step
        return number, anchor + number * step
    number = _months_between(anchor, moment) // step
    start = _start(anchor, step, number)
    return (number, start) if start <= moment else (number - 1, _start(anchor, step, number - 1))


def _start(anchor: datetime, step: _Step, number: int) -> datetime:
    return anchor + number * step if isinstance(step, timedelta) else _add_months(anchor, number * step)


def _months_between(anchor: datetime, moment: datetime) -> int:
    """Return how many months on from the anchor's the moment's is, whatever their days."""
    return (moment.year - anchor.year) * 12 + moment.month - anchor.month


def _add_months(anchor: datetime, months: int) -> datetime:
    """Return the anchor's day of the month so many months on, or that month's last day where it has no such day."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    if anchor.day <= _DAYS_OF_EVERY_MONTH:
        return anchor.replace(year, month + 1)
    last = 29 if month == 1 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else _MONTH_DAYS[month]
    return anchor.replace(year, month + 1, min(anchor.day, last))
