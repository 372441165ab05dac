"""Time zones by IANA's rules: the local time at an instant, and the first instant of a local time.

A local time is written as if it were UTC; it is not an instant.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from kana.errors import InvalidValue
from kana.model.text import shown

ZONE_DEFAULT = "UTC"
"""The zone of an environment that was given no other."""

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
    """Return the local time of a zone at an instant."""
    return moment.astimezone(zone).replace(tzinfo=UTC, fold=0)


def first_shown(zone: ZoneInfo, clock: datetime) -> datetime:
    """Return the first instant with this local time.

    If the clock is put forward over it, there is none; then return the instant of that change.
    """
    moment = clock.replace(tzinfo=zone).astimezone(UTC)
    if clock_at(zone, moment) == clock:
        return moment
    # With the offset after the change it is before the change; with the offset before, it is after.
    return _changed_at(zone, clock.replace(tzinfo=zone, fold=1).astimezone(UTC), moment)


def full_hour(zone: ZoneInfo, moment: datetime) -> tuple[datetime, datetime]:
    """Return the local hour that contains an instant, or its part before or after a change of the clock."""
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
