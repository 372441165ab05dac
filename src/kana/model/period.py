"""Reset periods: rolling, anchored at a subscription's start, half-open ``[start, end)``, in UTC.

MONTH and YEAR step from the anchor and never from the last period, so an anchor on the
31st gives 28 or 29 February and then 31 March. DAY is 24 hours. No reset period is one
period without an end.

Source: docs.usekana.com/reference, enums "ResetPeriod"; end of month settled by us.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import assert_never

from kana.errors import InvalidValue
from kana.model.text import shown
from kana.model.value import value_object
from kana.model.word import Word

CLOCKS_APART = timedelta(minutes=5)
"""How far a caller's clock may be from ours, either way: what they say beyond that is refused."""

_EXAMPLE = "2026-11-25T16:57:42.778Z"
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_DAYS_OF_EVERY_MONTH = 28
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class ResetPeriod(Word):
    """How often usage goes back to zero, counted from the subscription's start."""

    YEAR = "YEAR"
    MONTH = "MONTH"
    DAY = "DAY"


def longest(reset: ResetPeriod) -> timedelta:
    """Return the most that one period can last."""
    match reset:
        case ResetPeriod.DAY:
            return _DAY
        case ResetPeriod.MONTH:
            return 31 * _DAY
        case ResetPeriod.YEAR:
            return 366 * _DAY
        case _:
            assert_never(reset)


@value_object()
class Period:
    """One stretch of time in which usage adds up. ``end=None`` never ends."""

    start: datetime
    end: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Whether the moment belongs to this period: the start does, the end does not."""
        return self.start <= moment and (self.end is None or moment < self.end)


def to_milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since 1970, the precision in which all times are kept."""
    return (moment - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    """Return the aware UTC time of ``to_milliseconds``."""
    return _EPOCH + milliseconds * _MILLISECOND


def time_in(value: object, *, field: str) -> datetime:
    """Return the time of an RFC 3339 text with seconds and zone, in UTC and cut to the millisecond.

    Python alone would take more: week dates, times without a zone, and in some releases 24:00.

    Raises:
        InvalidValue: it is anything else, or no time that exists.
    """
    if isinstance(value, str) and _RFC_3339(value):
        with suppress(ValueError, OverflowError):  # The 30th of February, or year 0.
            return to_precision(datetime.fromisoformat(value.upper()).astimezone(UTC))
    raise InvalidValue(
        f"{field} must be RFC 3339 with seconds and zone, as in {_EXAMPLE}, and a time that exists; got {shown(value)}",
        field=field,
    )


def to_precision(moment: datetime) -> datetime:
    """Return the moment in UTC, cut to the millisecond."""
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def period_at(anchor: datetime, reset: ResetPeriod | None, moment: datetime) -> Period:
    """Return the period that holds ``moment``, which must not be before ``anchor``. Both are UTC."""
    if reset is None:
        return Period(anchor, None)
    number, start = _number_and_start(anchor, reset, moment)
    return Period(start, _start(anchor, reset, number + 1))


def period_start_at(anchor: datetime, reset: ResetPeriod | None, moment: datetime) -> datetime:
    """Return only the start of ``period_at``, which is all that a running total is kept by."""
    if reset is None:
        return anchor
    if reset is ResetPeriod.MONTH and anchor.day <= _DAYS_OF_EVERY_MONTH:
        # Nearly all there are: no month need be counted, and most often one date is made.
        start = anchor.replace(moment.year, moment.month)
        return start if start <= moment else _add_months(start, -1)
    return _number_and_start(anchor, reset, moment)[1]


def periods_before(anchor: datetime, reset: ResetPeriod | None, moment: datetime) -> Iterator[Period]:
    """Yield the periods that have ended at ``moment``, newest first, back to the anchor."""
    if reset is None:
        return
    for number in range(_number_and_start(anchor, reset, moment)[0] - 1, -1, -1):
        yield Period(_start(anchor, reset, number), _start(anchor, reset, number + 1))


def _number_and_start(anchor: datetime, reset: ResetPeriod, moment: datetime) -> tuple[int, datetime]:
    """Return how many whole periods lie between the anchor and the moment, and where the next one starts."""
    match reset:
        case ResetPeriod.DAY:
            number = (moment - anchor) // _DAY
            return number, anchor + number * _DAY
        case ResetPeriod.MONTH:
            number = _months_between(anchor, moment)
        case ResetPeriod.YEAR:
            number = _months_between(anchor, moment) // 12
        case _:
            assert_never(reset)
    start = _start(anchor, reset, number)
    return (number, start) if start <= moment else (number - 1, _start(anchor, reset, number - 1))


def _start(anchor: datetime, reset: ResetPeriod, number: int) -> datetime:
    match reset:
        case ResetPeriod.MONTH:
            return _add_months(anchor, number)
        case ResetPeriod.YEAR:
            return _add_months(anchor, number * 12)
        case ResetPeriod.DAY:
            return anchor + number * _DAY
        case _:
            assert_never(reset)


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
