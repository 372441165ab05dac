"""When periods begin and end, found by walking: from an instant by dateutil's steps, by a clock in quarters of an hour.

Nothing of ``kana`` is imported. Clocks are put forward or back at quarters of an hour only, since long.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

STEPS = {
    "HOUR": relativedelta(hours=1),
    "DAY": relativedelta(days=1),
    "WEEK": relativedelta(weeks=1),
    "MONTH": relativedelta(months=1),
    "QUARTER": relativedelta(months=3),
    "YEAR": relativedelta(years=1),
}
"""The shorter first."""
DAYS_MOST = {"HOUR": 1 / 24, "DAY": 1, "WEEK": 7, "MONTH": 31, "QUARTER": 92, "YEAR": 366}
MILLISECOND = timedelta(milliseconds=1)
QUARTER_HOUR = timedelta(minutes=15)

Anchor = datetime | str | None
"""An instant, the calendar of the zone with this name, or the start."""


def period(
    start: datetime, reset: str | None, moment: datetime, anchor: Anchor = None
) -> tuple[datetime, datetime | None]:
    """The period that holds the moment, which is not before the start; the first may be cut there."""
    if reset is None:
        return start, None
    if isinstance(anchor, str):
        begins, ends = by_the_clock(anchor, reset, moment)
    else:
        begins, ends = walked(anchor or start, reset, moment)
    return max(start, begins), ends


def walked(anchor: datetime, reset: str, moment: datetime) -> tuple[datetime, datetime]:
    """Whole steps from the anchor, on either side of it."""
    step = STEPS[reset]
    number = (moment - anchor) // timedelta(days=DAYS_MOST[reset])
    while anchor + step * number > moment:
        number -= 1
    while anchor + step * (number + 1) <= moment:
        number += 1
    return anchor + step * number, anchor + step * (number + 1)


def by_the_clock(zone: str, reset: str, moment: datetime) -> tuple[datetime, datetime]:
    """The last beginning that is reached, and the next one."""
    begins = list(hours(zone, moment) if reset == "HOUR" else days(zone, reset, moment))
    return max(each for each in begins if each <= moment), min(each for each in begins if each > moment)


def hours(zone: str, moment: datetime) -> Iterator[datetime]:
    """When hours begin near a moment: when the clock shows a full one, and when it is changed."""
    quarter = datetime.min.replace(tzinfo=UTC) + (moment - datetime.min.replace(tzinfo=UTC)) // QUARTER_HOUR * (
        QUARTER_HOUR
    )
    for number in range(-8, 9):
        at = quarter + number * QUARTER_HOUR
        before, after = shown(zone, at - QUARTER_HOUR), shown(zone, at)
        if after.minute == 0 or after - before != QUARTER_HOUR:
            yield at


def days(zone: str, reset: str, moment: datetime) -> Iterator[datetime]:
    """When days, weeks, months and so on begin near a moment."""
    here = shown(zone, moment).replace(hour=0, minute=0, second=0, microsecond=0)
    step = STEPS[reset]
    for number in range(-2, 3):
        there = here + step * number
        if reset == "WEEK":
            there -= timedelta(days=there.weekday())
        if reset in {"MONTH", "QUARTER", "YEAR"}:
            there = there.replace(day=1)
        if reset == "QUARTER":
            there = there.replace(month=(there.month - 1) // 3 * 3 + 1)
        if reset == "YEAR":
            there = there.replace(month=1)
        yield reached(zone, there)


@cache
def reached(zone: str, local: datetime) -> datetime:
    """The first instant at which the clock shows a time, or a later one if it is put forward over it."""
    at = local.replace(tzinfo=UTC) - timedelta(hours=26)
    while shown(zone, at) < local:
        at += QUARTER_HOUR
    return at


def shown(zone: str, moment: datetime) -> datetime:
    """What a clock in the zone shows."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
