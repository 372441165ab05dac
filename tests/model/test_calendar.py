"""Periods by the calendar of a zone, against a second implementation that is not ours: dateutil's rules and zones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import available_timezones

import pytest
from dateutil import rrule, tz
from dateutil.zoneinfo import get_zonefile_instance
from hypothesis import given
from hypothesis import strategies as st

from kana.errors import InvalidValue
from kana.model.period import Calendar, Period, ResetPeriod, longest, period_at, period_start_at, periods_before
from kana.model.zone import zone_named
from tests.support.world import DAY, IS_DEEP, MILLISECOND, MONTH, ONE_DAY, YEAR, examples

HOUR, WEEK, QUARTER = ResetPeriod.HOUR, ResetPeriod.WEEK, ResetPeriod.QUARTER
FIRST, LAST = datetime(2014, 1, 1), datetime(2024, 1, 9)  # noqa: DTZ001 - what clocks show.
ZONES = [
    "Africa/Cairo",  # in some years only; midnight is left out, and Saturday's last hour comes twice
    "America/Havana",  # midnight is left out in spring and comes twice in autumn
    "America/New_York",
    "America/Sao_Paulo",  # in the southern summer, until 2019; midnight is left out
    "Asia/Kathmandu",  # a quarter to the hour
    "Australia/Lord_Howe",  # by half an hour, in the southern summer
    "Europe/Berlin",
]
DAYS_APART = 1 if IS_DEEP else 100
RULES: dict[ResetPeriod, Callable[[], rrule.rrule]] = {
    YEAR: lambda: rrule.rrule(rrule.YEARLY, FIRST, until=LAST, bymonth=1, bymonthday=1),
    QUARTER: lambda: rrule.rrule(rrule.MONTHLY, FIRST, until=LAST, bymonth=(1, 4, 7, 10), bymonthday=1),
    MONTH: lambda: rrule.rrule(rrule.MONTHLY, FIRST, until=LAST, bymonthday=1),
    WEEK: lambda: rrule.rrule(rrule.WEEKLY, FIRST, until=LAST, byweekday=rrule.MO),
    DAY: lambda: rrule.rrule(rrule.DAILY, FIRST, until=LAST),
}


def instant(clock: datetime, zone: tzinfo, *, fold: int = 0) -> datetime:
    """When a clock shows this; where it is put forward over it, when that is done."""
    return tz.resolve_imaginary(tz.enfold(clock.replace(tzinfo=zone), fold)).astimezone(UTC)


def hours_of(day: datetime, zone: tzinfo) -> list[datetime]:
    """When the hours of a day and of the one after it begin: at full ones, of which some come twice, and at changes."""
    halves = rrule.rrule(rrule.HOURLY, day, byminute=(0, 30), until=day + timedelta(days=2))
    found = sorted({instant(clock, zone, fold=fold) for clock in halves for fold in (0, 1)})
    return [
        each for each in found
        if (here := each.astimezone(zone)).minute == 0
        or here.utcoffset() != (each - MILLISECOND).astimezone(zone).utcoffset()
    ]  # fmt: skip


def begins_of(reset: ResetPeriod, zone: tzinfo) -> Iterator[list[datetime]]:
    """When ten years of periods begin; of hours, on some days and where the clock is changed."""
    if reset is not HOUR:
        yield [instant(clock, zone) for clock in RULES[reset]()]
        return
    days = [*RULES[DAY]()]
    for number, (day, following) in enumerate(pairwise(days)):
        if (
            number % DAYS_APART == 0
            or day.replace(tzinfo=zone).utcoffset() != following.replace(tzinfo=zone).utcoffset()
        ):
            yield hours_of(day, zone)


@pytest.mark.parametrize("reset", ResetPeriod)
@pytest.mark.parametrize("name", ZONES)
def test_ten_years_of_periods_agree_with_a_second_implementation(name: str, reset: ResetPeriod) -> None:
    """Each begins where dateutil says, and holds its first and last millisecond and no more."""
    zone, calendar = get_zonefile_instance().get(name), Calendar(name)
    assert zone is not None
    for begins in begins_of(reset, zone):
        for start, end in pairwise(begins):
            assert period_at(begins[0], reset, start, calendar) == Period(start, end)
            assert period_at(begins[0], reset, end - MILLISECOND, calendar) == Period(start, end)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "reset", "start", "end"),
    [
        ("Europe/Berlin", DAY, "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("Europe/Berlin", DAY, "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("Europe/Berlin", HOUR, "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"),
        ("Europe/Berlin", HOUR, "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"),
        ("Europe/Berlin", WEEK, "2026-03-23T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("Europe/Berlin", MONTH, "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
        ("Europe/Berlin", QUARTER, "2026-10-01T00:00+02:00", "2027-01-01T00:00+01:00"),
        ("Europe/Berlin", YEAR, "2026-01-01T00:00+01:00", "2027-01-01T00:00+01:00"),
        ("UTC", DAY, "2026-03-29T00:00+00:00", "2026-03-30T00:00+00:00"),
        ("Australia/Lord_Howe", HOUR, "2026-04-05T01:00+11:00", "2026-04-05T02:00+11:00"),
        ("Australia/Lord_Howe", HOUR, "2026-04-05T01:30+10:30", "2026-04-05T02:00+10:30"),
        ("Australia/Lord_Howe", HOUR, "2026-10-04T01:00+10:30", "2026-10-04T02:00+10:30"),
        ("Australia/Lord_Howe", HOUR, "2026-10-04T02:30+11:00", "2026-10-04T03:00+11:00"),
        ("America/St_Johns", HOUR, "2010-11-07T00:00-02:30", "2010-11-07T00:01-02:30"),
        ("America/Sao_Paulo", DAY, "2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"),
        ("America/Havana", DAY, "2025-11-02T00:00-04:00", "2025-11-03T00:00-05:00"),
        ("Asia/Beirut", DAY, "2026-03-29T01:00+03:00", "2026-03-30T00:00+03:00"),
        ("America/St_Johns", DAY, "2010-11-07T00:00-02:30", "2010-11-08T00:00-03:30"),
        ("America/Toronto", DAY, "1919-03-31T00:30-04:00", "1919-04-01T00:00-04:00"),
        ("Pacific/Apia", DAY, "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"),
        ("Pacific/Apia", WEEK, "2011-12-26T00:00-10:00", "2012-01-02T00:00+14:00"),
    ],
)
def test_a_clock_that_is_changed(zone: str, reset: ResetPeriod, start: str, end: str) -> None:
    """A day has 23, 24 or 25 hours; of a midnight that comes twice the first counts, and one that is left out
    gives way to the change; a day that a country leaves out is no period. An hour ends where the clock is changed.
    """
    expected, long_ago = Period(at(start), at(end)), at("1910-01-01T00:00+00:00")
    assert expected.end is not None
    for moment in (
        expected.start,
        expected.start + 31 * (expected.end - expected.start) / 60,
        expected.end - MILLISECOND,
    ):
        assert period_at(long_ago, reset, moment, Calendar(zone)) == expected


moments = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - Hypothesis wants naive bounds.
    lambda moment: moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
)


@examples(600)
@given(
    start=moments, later=st.integers(0, 400 * 86_400_000), zone=st.sampled_from(sorted(available_timezones())),
    reset=st.sampled_from(ResetPeriod),
)  # fmt: skip
def test_in_every_zone_each_moment_has_exactly_one_period(
    start: datetime, later: int, zone: str, reset: ResetPeriod
) -> None:
    """The period holds its moment, is half open, and touches its neighbours; the first begins with the subscription."""
    moment, calendar = start + later * MILLISECOND, Calendar(zone)
    period = period_at(start, reset, moment, calendar)
    assert period.end is not None
    assert start <= period.start <= moment < period.end
    assert period_start_at(start, reset, moment, calendar) == period.start
    assert period_at(start, reset, period.start, calendar) == period
    assert period_at(start, reset, period.end - MILLISECOND, calendar) == period
    assert period_at(start, reset, period.end, calendar).start == period.end
    before = next(periods_before(start, reset, moment, calendar), None)
    if period.start == start:
        assert before is None
    else:
        assert before == period_at(start, reset, period.start - MILLISECOND, calendar)
        assert before.end == period.start


ODD_ONES = [
    "Africa/Monrovia", "America/Caracas", "America/St_Johns", "America/Toronto", "Antarctica/Troll", "Asia/Beirut",
    "Asia/Pyongyang", "Atlantic/Azores", "Pacific/Apia", "Pacific/Kwajalein",
]  # fmt: skip


def changes(zone: str) -> Iterator[datetime]:
    """The days of 1970 to 2040 within which a zone's clock is changed."""
    first, found = datetime(1970, 1, 2, tzinfo=UTC), zone_named(zone)
    offsets = [(first + timedelta(days=day)).astimezone(found).utcoffset() for day in range(70 * 365)]
    for day, (before, after) in enumerate(pairwise(offsets)):
        if before != after:
            yield first + timedelta(days=day)


@pytest.mark.parametrize("reset", [HOUR, DAY])
def test_periods_follow_each_other_over_every_change_of_every_clock(reset: ResetPeriod) -> None:
    """Around each change, each period begins where the last one ended and ends later than it begins."""
    around = 2 * longest(reset)
    for zone in (*ZONES, *ODD_ONES):
        calendar = Calendar(zone)
        for day in changes(zone):
            start = moment = day - around
            while moment < day + ONE_DAY + around:
                period = period_at(start, reset, moment, calendar)
                assert period.start == moment
                assert period.end is not None
                assert period.start < period.end
                assert period_at(start, reset, period.end - MILLISECOND, calendar) == period
                moment = period.end


@pytest.mark.parametrize(
    "name", ["", "Berlin", "europe", "Europe", "../UTC", "/etc/localtime", "Europe/Berlin\0", "x" * 999]
)
def test_a_zone_that_there_is_not_is_refused(name: str) -> None:
    """The error names the field, an example and what was given."""
    with pytest.raises(InvalidValue, match="timeZone must be an IANA name such as Europe/Berlin, got") as refused:
        Calendar(name)
    assert refused.value.field == "timeZone"


def test_calendars_of_one_zone_are_one_value() -> None:
    """They equal each other, and no other's."""
    assert Calendar("UTC") == Calendar("UTC") != Calendar("Asia/Tokyo")
    assert len({Calendar("UTC"), Calendar("UTC"), Calendar("Asia/Tokyo")}) == 2


def test_a_calendar_says_whose_it_is() -> None:
    """In words, for the log of changes."""
    assert str(Calendar("Asia/Tokyo")) == "the calendar in Asia/Tokyo"
