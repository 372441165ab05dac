"""Time zones by IANA's rules: what a zone's clock shows at an instant, and when it first shows what.

What a clock shows is written as a time in UTC that would be shown so there: it is no instant.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from kana.errors import InvalidValue
from kana.model.text import shown

_MILLISECOND = timedelta(milliseconds=1)
_HOUR = timedelta(hours=1)


@cache
def zone_named(name: str) -> ZoneInfo:
    """Return the zone of an IANA name such as ``Europe/Berlin``.

    Raises:
        InvalidValue: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidValue(
            f"timeZone must be an IANA name such as Europe/Berlin, got {shown(name)}", field="timeZone"
        ) from None


def clock_at(zone: ZoneInfo, moment: datetime) -> datetime:
    """Return what the zone's clock shows at an instant."""
    return moment.astimezone(zone).replace(tzinfo=UTC, fold=0)


def first_shown(zone: ZoneInfo, clock: datetime) -> datetime:
    """Return the first instant at which the clock shows this.

    Where it is put forward over this it never does: then the instant at which it is put forward.
    """
    moment = clock.replace(tzinfo=zone).astimezone(UTC)
    if clock_at(zone, moment) == clock:
        return moment
    # Read by the offset of after the change it lies before the change, read by that of before it lies after.
    return _changed_at(zone, clock.replace(tzinfo=zone, fold=1).astimezone(UTC), moment)


def full_hour(zone: ZoneInfo, moment: datetime) -> tuple[datetime, datetime]:
    """Return the hour that the clock runs through at an instant, or the part of it until or after a change."""
    clock = clock_at(zone, moment)
    start = moment - timedelta(minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond)
    end = start + _HOUR
    if _put_ahead(zone, start) == _put_ahead(zone, end - _MILLISECOND):
        return start, end
    changed = _changed_at(zone, start, end)
    return (changed, end) if changed <= moment else (start, changed)


def _changed_at(zone: ZoneInfo, since: datetime, until: datetime) -> datetime:
    """Return when the clock is changed between two instants; the later one counts as between them."""
    before = _put_ahead(zone, since)
    span = range((until - since) // _MILLISECOND)
    late = bisect_left(span, x=True, key=lambda late: _put_ahead(zone, since + late * _MILLISECOND) != before)
    return since + late * _MILLISECOND


def _put_ahead(zone: ZoneInfo, moment: datetime) -> timedelta:
    """Return how far the clock is ahead of UTC."""
    return clock_at(zone, moment) - moment
